import type { Outcome, Step } from '../azure/engine.ts';
import { databaseAdministrator, databaseName } from '../azure/names.ts';
import { databasePort } from '../databases.ts';
import type { Deps } from '../deps.ts';
import { ensureAccount, ensureDatabase } from '../guacamole/accounts.ts';
import { ensureAdministrator } from '../guacamole/administrator.ts';
import { openDatabase } from '../guacamole/database.ts';
import { migrate } from '../guacamole/migrate.ts';
import { controlSecrets, ensureLogin, type Login, nodeSecrets } from '../secrets/vaults.ts';

/** The MySQL accounts of every jump server. Guacamole's own administrator is a row, not one of these. */
export const accountNames = {
  administrator: databaseAdministrator,
  control: 'molcajete_control',
  node: 'molcajete_node',
} as const;

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
      const [administrator, controlAccount, guacadmin, node] = await Promise.all([
        administratorLogin(deps, jumpServer),
        ensureLogin(control, controlSecrets.controlAccount(jumpServer), accountNames.control),
        ensureLogin(control, controlSecrets.guacadmin(jumpServer), 'guacadmin'),
        ensureLogin(nodeVault, nodeSecrets.database, accountNames.node),
      ]);
      try {
        await withDatabase(host, administrator, undefined, async (server) => {
          await ensureDatabase(server, databaseName);
          const accounts = [
            { ...controlAccount, privileges: 'control-plane' as const },
            { ...node, privileges: 'node' as const },
          ];
          for (const account of accounts) await ensureAccount(server, { ...account, database: databaseName });
        });
        await withDatabase(host, controlAccount, databaseName, async (guacamole) => {
          await migrate(guacamole);
          await ensureAdministrator(guacamole, guacadmin);
        });
      } catch (error) {
        return notYet(error);
      }
      await deps.databases.forget(jumpServer);
      return {
        state: 'ready',
        output: { nodeAccountVersion: node.version, controlAccountVersion: controlAccount.version },
      };
    },
  };
}

async function withDatabase<T>(
  host: string,
  login: Login,
  database: string | undefined,
  work: (db: ReturnType<typeof openDatabase>) => Promise<T>,
): Promise<T> {
  const { username: user, password } = login;
  const db = openDatabase({
    host,
    port: databasePort,
    user,
    password,
    connectionLimit: 1,
    ...(database === undefined ? {} : { database }),
  });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

/** Every failure here may pass: the endpoint's name takes a while to resolve, the server a while to answer. */
function notYet(error: unknown): Outcome {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'Unknown';
  // The message of a MySQL error can quote the statement, which holds a password where accounts are made.
  const failure = { code, message: `The database cannot be set up yet (${code}).` };
  return { state: 'pending', detail: failure.message, lookAgainSeconds: 2, failure };
}
