import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { databaseName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { ensureAccount, ensureDatabase } from '../guacamole/accounts.ts';
import { ensureAdministrator } from '../guacamole/administrator.ts';
import { refusesLogin } from '../guacamole/databaseErrors.ts';
import { migrate } from '../guacamole/migrate.ts';
import { withDatabase } from '../mysqlSession.ts';
import { accountNames } from '../rotation/accounts.ts';
import { setAdministratorPassword } from '../rotation/administratorPassword.ts';
import { controlSecrets, ensureLogin, type Login, nodeSecrets, type Vault } from '../secrets/vaults.ts';
import { listInventory } from '../store/inventory.ts';
import { listNodes } from '../store/nodes.ts';

/** The administrator of the MySQL server: its login in the control plane's vault, made before the server is asked for. */
export const administratorLogin = (deps: Deps, jumpServer: string): Promise<Login & { version: string }> =>
  ensureLogin(deps.vaults.control, controlSecrets.mysqlAdministrator(jumpServer), accountNames.administrator);

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
      await attempt.permit();
      const host = outputs.mysqlServer?.fullyQualifiedDomainName ?? '';
      const nodeVault = deps.vaults.at(outputs.vault?.vaultUri ?? '');
      const { control } = deps.vaults;
      const [administrator, controlAccount, guacadmin, nodes] = await Promise.all([
        administratorLogin(deps, jumpServer),
        ensureLogin(control, controlSecrets.controlAccount(jumpServer), accountNames.control[0]),
        ensureLogin(control, controlSecrets.guacadmin(jumpServer), 'guacadmin'),
        nodeLogins(deps, jumpServer, nodeVault),
      ]);
      try {
        await withDatabase(host, administrator, undefined, async (server) => {
          await ensureDatabase(server, databaseName);
          const accounts = [
            { ...controlAccount, privileges: 'control-plane' as const },
            ...nodes.logins.map((login) => ({ ...login, privileges: 'node' as const })),
          ];
          for (const account of accounts) await ensureAccount(server, { ...account, database: databaseName });
        });
        await withDatabase(host, controlAccount, databaseName, async (guacamole) => {
          await migrate(guacamole);
          await ensureAdministrator(guacamole, guacadmin);
        });
      } catch (error) {
        if (!refusesLogin(error)) return notYet(error);
        return repairAdministrator(deps, jumpServer, administrator, attempt);
      }
      await deps.databases.forget(jumpServer);
      return {
        state: 'ready',
        output: { nodeAccountVersion: nodes.version, controlAccountVersion: controlAccount.version },
      };
    },
  };
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
async function nodeLogins(deps: Deps, jumpServer: string, vault: Vault): Promise<{ version: string; logins: Login[] }> {
  const newest = await ensureLogin(vault, nodeSecrets.database, accountNames.node[0]);
  const [inventory, nodes] = await Promise.all([
    listInventory(deps.tables, jumpServer),
    listNodes(deps.tables, jumpServer),
  ]);
  const common = inventory.find(({ key }) => key === 'database')?.output.nodeAccountVersion;
  const versions = new Set([common, ...nodes.map(({ account }) => account)].filter((one) => one !== undefined));
  versions.delete(newest.version);
  const found = await Promise.all([...versions].map((version) => vault.findVersion(nodeSecrets.database, version)));
  const older = found.filter((secret) => secret !== undefined);
  return {
    // A version that cannot be read any more is no use to a node.
    version: older.find(({ version }) => version === common)?.version ?? newest.version,
    logins: [...older.map(({ value }) => JSON.parse(value) as Login), newest],
  };
}

/** Every failure here may pass: the endpoint's name takes a while to resolve, the server a while to answer. */
function notYet(error: unknown): Outcome {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'Unknown';
  // The message of a MySQL error can quote the statement, which holds a password where accounts are made.
  const failure = { code, message: `The database cannot be set up yet (${code}).` };
  return { state: 'pending', detail: failure.message, lookAgainSeconds: 2, failure };
}
