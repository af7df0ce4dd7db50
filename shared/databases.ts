import type { Kysely } from 'kysely';
import { databaseName, databasePort } from './azure/names.ts';
import { ApiError, notFound } from './errors.ts';
import { type DatabaseLogin, openDatabase, poolGraceMilliseconds } from './guacamole/database.ts';
import type { GuacamoleDatabase } from './guacamole/schema/tables.ts';
import { hibernated } from './scaling/hibernated.ts';
import { controlSecrets, type Login, type Vaults } from './secrets/vaults.ts';
import { listOutputs } from './store/inventory.ts';
import { findJumpServer } from './store/jumpServers.ts';
import type { Tables } from './store/tables.ts';

export interface Databases {
  /** See `Deps.guacamole`. */
  forRequests(jumpServer: string): Promise<Kysely<GuacamoleDatabase>>;
  /** Drops the cached pool, but for requests under way: the server or its account has changed. */
  forget(jumpServer: string): Promise<void>;
}

interface Pool {
  /** Host and secret version it was opened with. */
  identity: string;
  db: Kysely<GuacamoleDatabase>;
  checkedAt: number;
}

/** For this long a pool is used without asking the store whether its server and account are still the same. Milliseconds. */
const trustedFor = 15_000;

/** Requests under way go on with the pool they have. Azure's front end ends them after 230 s, so none is left then. Milliseconds. */
const requestMilliseconds = 2 * poolGraceMilliseconds;

const destroyLater = ({ db }: Pool): void => {
  setTimeout(() => void db.destroy().catch(() => undefined), requestMilliseconds).unref();
};

/** This long after a new account has been published every pool of every process has gone over to it. Seconds. */
export const poolsMoveWithinSeconds = trustedFor / 1000 + 5;

/** Pools of the Guacamole databases, one a jump server, opened with the control plane's own account. */
export function createDatabases(tables: Tables, vaults: Vaults): Databases {
  const pools = new Map<string, Promise<Pool>>();
  const open = async (jumpServer: string, previous: Pool | undefined): Promise<Pool> => {
    const { host, login, version } = await findAccount(tables, vaults, jumpServer);
    const identity = `${host} ${version}`;
    if (previous?.identity === identity) return { ...previous, checkedAt: Date.now() };
    const db = openDatabase(databaseLogin(host, login), async () => {
      const found = await findAccount(tables, vaults, jumpServer);
      return found.version === version ? undefined : databaseLogin(found.host, found.login);
    });
    if (previous !== undefined) destroyLater(previous);
    return { identity, db, checkedAt: Date.now() };
  };
  const renew = (jumpServer: string, previous: Pool | undefined): Promise<Pool> => {
    const made = open(jumpServer, previous);
    pools.set(jumpServer, made);
    made.catch(() => pools.get(jumpServer) === made && pools.delete(jumpServer));
    return made;
  };
  return {
    async forRequests(jumpServer) {
      const known = await pools.get(jumpServer);
      if (known !== undefined && Date.now() - known.checkedAt < trustedFor) return known.db;
      return (await renew(jumpServer, known)).db;
    },
    async forget(jumpServer) {
      const known = pools.get(jumpServer);
      pools.delete(jumpServer);
      // Not waited for: it may be the opening of it that hangs.
      void known?.then(destroyLater, () => undefined);
    },
  };
}

const databaseLogin = (host: string, { username: user, password }: Login): DatabaseLogin => ({
  host,
  port: databasePort,
  user,
  password,
  database: databaseName,
});

async function findAccount(
  tables: Tables,
  vaults: Vaults,
  jumpServer: string,
): Promise<{ host: string; login: Login; version: string }> {
  const [server, outputs] = await Promise.all([findJumpServer(tables, jumpServer), listOutputs(tables, jumpServer)]);
  if (server === undefined) throw notFound('jump server', jumpServer);
  if (server.state === 'Hibernated') throw hibernated(jumpServer);
  const host = outputs.mysqlServer?.fullyQualifiedDomainName;
  const bootstrapped = outputs.database?.nodeAccountVersion !== undefined;
  const secret = bootstrapped ? await vaults.control.find(controlSecrets.controlAccount(jumpServer)) : undefined;
  if (host === undefined || secret === undefined) {
    const message = `The jump server '${jumpServer}' has no database yet. Wait for its operation ${server.lastOperation} to succeed.`;
    throw new ApiError(409, 'JumpServerNotReady', message);
  }
  return { host, login: JSON.parse(secret.value) as Login, version: secret.version };
}
