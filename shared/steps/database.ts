import { type Attempt, type Outcome, type Step, Stopped } from '../azure/engine.ts';
import { databaseName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { ensureAccount, ensureDatabase } from '../guacamole/accounts.ts';
import { ensureAdministrator } from '../guacamole/administrator.ts';
import { refusesLogin } from '../guacamole/databaseErrors.ts';
import { migrate } from '../guacamole/migrate.ts';
import { withDatabase } from '../mysqlSession.ts';
import { controlSecrets, ensureLogin, type Login, nodeSecrets, type Vault } from '../secrets/vaults.ts';
import { listInventory } from '../store/inventory.ts';
import { listNodes } from '../store/nodes.ts';
import { accountNames } from './accounts.ts';
import { setAdministratorPassword } from './administratorPassword.ts';

/** The administrator of the MySQL server: its login in the control plane's vault, made before the server is asked for. */
export const administratorLogin = (
  deps: Deps,
  jumpServer: string,
  permit?: Attempt['permit'],
): Promise<Login & { version: string }> =>
  ensureLogin(deps.vaults.control, controlSecrets.mysqlAdministrator(jumpServer), accountNames.administrator, permit);

/**
 * Guacamole's database: its schema, the control plane's account, the nodes' account and guacadmin, each with a random password
 * that is in a vault before it is in the database, so that a crash in between leaves nothing that nobody can open.
 */
export function databaseStep(deps: Deps, jumpServer: string): Step {
  return {
    key: 'database',
    type: 'Molcajete/database',
    id: '',
    dependsOn: ['mysqlServer', 'mysqlServer/power', 'controlEndpointDns', 'vault'],
    async ensure(outputs, attempt): Promise<Outcome> {
      const host = outputs.mysqlServer?.fullyQualifiedDomainName ?? '';
      const vault = deps.vaults.at(outputs.vault?.vaultUri ?? '');
      const logins = await ensureLogins(deps, jumpServer, vault, attempt);
      try {
        await setUp(host, logins, attempt);
      } catch (error) {
        if (error instanceof Stopped) throw error;
        if (!refusesLogin(error)) return notYet(error);
        return repairAdministrator(deps, jumpServer, logins.administrator, attempt);
      }
      // Another delivery of this call may have made a newer version meanwhile: nodes read that one.
      if (versionsOf(await ensureLogins(deps, jumpServer, vault, attempt)) !== versionsOf(logins))
        return changedMeanwhile;
      await attempt.permit();
      await deps.databases.forget(jumpServer);
      return {
        state: 'ready',
        output: { nodeAccountVersion: logins.nodes.version, controlAccountVersion: logins.control.version },
      };
    },
  };
}

const changedMeanwhile: Outcome = { state: 'pending', detail: 'a password was made twice', lookAgainSeconds: 0 };

type StoredLogin = Login & { version: string };

interface Logins {
  administrator: StoredLogin;
  control: StoredLogin;
  guacadmin: StoredLogin;
  nodes: { version: string; logins: Login[] };
}

async function ensureLogins(deps: Deps, jumpServer: string, vault: Vault, { permit }: Attempt): Promise<Logins> {
  const own = deps.vaults.control;
  const [administrator, control, guacadmin, nodes] = await Promise.all([
    administratorLogin(deps, jumpServer, permit),
    ensureLogin(own, controlSecrets.controlAccount(jumpServer), accountNames.control[0], permit),
    ensureLogin(own, controlSecrets.guacadmin(jumpServer), 'guacadmin', permit),
    nodeLogins(deps, jumpServer, vault, permit),
  ]);
  return { administrator, control, guacadmin, nodes };
}

const versionsOf = ({ administrator, control, guacadmin, nodes }: Logins): string =>
  [administrator, control, guacadmin, nodes].map(({ version }) => version).join();

/**
 * Every block of writes asks for itself whether it may: a provision that slept past its lease must not set the passwords back that a
 * rotation has set meanwhile.
 */
async function setUp(host: string, { administrator, control, guacadmin, nodes }: Logins, { permit }: Attempt) {
  await withDatabase(host, administrator, undefined, async (server) => {
    await permit();
    await ensureDatabase(server, databaseName);
    const accounts = [
      { ...control, privileges: 'control-plane' as const },
      ...nodes.logins.map((login) => ({ ...login, privileges: 'node' as const })),
    ];
    for (const account of accounts) {
      await permit();
      await ensureAccount(server, { ...account, database: databaseName });
    }
  });
  await withDatabase(host, control, databaseName, async (guacamole) => {
    await permit();
    await migrate(guacamole);
    await permit();
    await ensureAdministrator(guacamole, guacadmin);
  });
}

/** A rotation that was cut off has left a password in the vault that the server does not know yet: the vault is right. */
async function repairAdministrator(deps: Deps, jumpServer: string, login: Login, attempt: Attempt): Promise<Outcome> {
  await attempt.permit();
  const change = setAdministratorPassword(deps, jumpServer, login.password).catch(() => undefined);
  const done = await attempt.within(change);
  const detail = "Azure is changing the administrator's password";
  return { state: 'pending', detail, lookAgainSeconds: done === undefined ? 2 : 1 };
}

/**
 * The accounts that the nodes use: one, or while they go over to another one after the other, two. `version` is that of the account
 * which a node uses that has not been told otherwise.
 */
async function nodeLogins(
  deps: Deps,
  jumpServer: string,
  vault: Vault,
  permit: Attempt['permit'],
): Promise<Logins['nodes']> {
  const newest = await ensureLogin(vault, nodeSecrets.database, accountNames.node[0], permit);
  const [inventory, nodes] = await Promise.all([
    listInventory(deps.tables, jumpServer),
    listNodes(deps.tables, jumpServer),
  ]);
  const common = inventory.find(({ key }) => key === 'database')?.output.nodeAccountVersion;
  const versions = new Set([common, ...nodes.map(({ account }) => account)].filter((one) => one !== undefined));
  versions.delete(newest.version);
  const found = await Promise.all([...versions].map((version) => vault.findVersion(nodeSecrets.database, version)));
  const older = found
    .filter((secret) => secret !== undefined)
    .map(({ version, value }) => ({ ...(JSON.parse(value) as Login), version }))
    // Of one account only the newest password works; two deliveries of one call can have made it twice.
    .filter(({ username }) => username !== newest.username);
  return {
    // A version that cannot be read any more is no use to a node.
    version: older.find(({ version }) => version === common)?.version ?? newest.version,
    logins: [...older, newest],
  };
}

/** Every failure here may pass: the endpoint's name takes a while to resolve, the server a while to answer. */
function notYet(error: unknown): Outcome {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'Unknown';
  // The message of a MySQL error can quote the statement, which holds a password where accounts are made.
  const failure = { code, message: `The database cannot be set up yet (${code}).` };
  return { state: 'pending', detail: failure.message, lookAgainSeconds: 2, failure };
}
