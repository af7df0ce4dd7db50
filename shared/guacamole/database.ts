import { Kysely, MysqlDialect, type MysqlPool } from 'kysely';
import { createPool, type Pool } from 'mysql2';
import { refusesLogin } from './databaseErrors.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';

/** Where a MySQL server is and who we are there. `database` may be missing for an administrator's connection. */
export interface DatabaseLogin {
  host: string;
  port: number;
  user: string;
  password: string;
  database?: string;
  /** Connections kept at most; 10 unless told. */
  connectionLimit?: number;
}

/**
 * Every session speaks UTC and strict SQL, and reads what is committed: writers here lock rows by name (`lockTree`), so gap
 * locks would only add deadlocks. `NO_BACKSLASH_ESCAPES` must stay off: mysql2 escapes values with backslashes.
 * MariaDB cuts JSON aggregates at `group_concat_max_len`. Recursive queries end after 1,000 levels, in MySQL with an error and in
 * MariaDB without a word, which could hide an administrator behind a chain of groups; only each server itself runs what stands in
 * its own kind of comment.
 */
const SESSION = [
  "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 20, group_concat_max_len = 16777216 /*!80003 , cte_max_recursion_depth = 100000 */ /*M!100600 , max_recursive_iterations = 100000 */",
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
];

/** Statements under way may go on with the connections of a pool that is not used any more for this long. Milliseconds. */
export const poolGraceMilliseconds = 120_000;

/**
 * Opens a pool. Connections are made when first used, always over TLS 1.2 or newer with the server's certificate and name
 * verified against the authorities that Node trusts. The caller ends it with `destroy()`. `datetime` comes back as text.
 * @param renewed asked when the server refuses the login: another one, or undefined when there is none
 */
export function openDatabase(
  login: DatabaseLogin,
  renewed?: () => Promise<DatabaseLogin | undefined>,
): Kysely<GuacamoleDatabase> {
  const pool = renewed === undefined ? poolFor(login) : renewingPool(login, renewed);
  return new Kysely<GuacamoleDatabase>({ dialect: new MysqlDialect({ pool }) });
}

/** A pool that goes on with another login when its own is refused: a rotation has dropped the account. */
function renewingPool(login: DatabaseLogin, renewed: () => Promise<DatabaseLogin | undefined>): MysqlPool {
  let pool = poolFor(login);
  const renew = async (refused: Pool): Promise<boolean> => {
    const next = await renewed();
    if (pool !== refused) return true;
    if (next === undefined) return false;
    pool = poolFor(next);
    setTimeout(() => refused.end(() => undefined), poolGraceMilliseconds).unref();
    return true;
  };
  return {
    getConnection(callback) {
      const used = pool;
      used.getConnection((error, connection) => {
        if (!refusesLogin(error)) return callback(error, connection);
        renew(used).then(
          (again) => (again ? pool.getConnection(callback) : callback(error, connection)),
          () => callback(error, connection),
        );
      });
    },
    end: (callback) => pool.end(callback),
  };
}

/** A connection that nobody has used for this long is closed: a server has few, and there may be a thousand servers. Milliseconds. */
const idleMilliseconds = 60_000;

function poolFor(login: DatabaseLogin): Pool {
  const { connectionLimit = 10 } = login;
  const pool = createPool({
    host: login.host,
    port: login.port,
    user: login.user,
    password: login.password,
    database: login.database,
    ssl: { minVersion: 'TLSv1.2', rejectUnauthorized: true, verifyIdentity: true },
    charset: 'utf8mb4_general_ci',
    timezone: 'Z',
    dateStrings: true,
    connectTimeout: 10_000,
    connectionLimit,
    // mysql2 looks for idle connections only where fewer than all may be idle, and closes what is beyond that number at once.
    maxIdle: Math.max(1, connectionLimit - 1),
    idleTimeout: idleMilliseconds,
    enableKeepAlive: true,
  });
  pool.on('connection', (connection) => {
    for (const statement of SESSION) connection.query(statement);
  });
  return pool;
}
