import { setTimeout as delay } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { databasePort } from './azure/names.ts';
import type { Deps } from './deps.ts';
import { openDatabase } from './guacamole/database.ts';
import { refusesLogin } from './guacamole/databaseErrors.ts';
import type { GuacamoleDatabase } from './guacamole/schema/tables.ts';
import type { Login } from './secrets/vaults.ts';

/** The longest piece of work is a migration that waits two minutes for another one's lock. Milliseconds. */
const workMilliseconds = 300_000;

/**
 * One connection for one piece of work, which ends after five minutes: mysql2's statements have no time-out of their own, and one that
 * hangs would hold its operation and its lease for ever.
 * @param database undefined: an administrator's, without one
 */
export async function withDatabase<T>(
  host: string,
  login: Login,
  database: string | undefined,
  work: (db: Kysely<GuacamoleDatabase>) => Promise<T>,
  milliseconds = workMilliseconds,
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
    return await inTime(work(db), milliseconds);
  } finally {
    // A connection that hangs does not say goodbye either.
    await Promise.race([db.destroy(), delay(goodbyeMilliseconds, undefined, { ref: false })]);
  }
}

const goodbyeMilliseconds = 5_000;

/** Nobody waits for such a question, and what asks it has other jump servers to look at. Milliseconds. */
const questionMilliseconds = 15_000;

/**
 * A question to a jump server's database, or a change that may be asked for again, that ends after fifteen seconds. Then the pool is
 * forgotten, too: its other connections may hang as well. Throws what `work` and `Deps.guacamole` throw, or an Error with the code `ETIMEDOUT`.
 */
export async function askDatabase<T>(
  { guacamole, databases }: Pick<Deps, 'guacamole' | 'databases'>,
  jumpServer: string,
  work: (db: Kysely<GuacamoleDatabase>) => Promise<T>,
): Promise<T> {
  try {
    return await inTime(guacamole(jumpServer).then(work), questionMilliseconds);
  } catch (error) {
    if (error instanceof DatabaseTimeout) await databases.forget(jumpServer);
    throw error;
  }
}

async function inTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  const time = Promise.withResolvers<never>();
  const timer = setTimeout(() => time.reject(new DatabaseTimeout(milliseconds)), milliseconds);
  try {
    return await Promise.race([work, time.promise]);
  } finally {
    clearTimeout(timer);
  }
}

class DatabaseTimeout extends Error {
  readonly code = 'ETIMEDOUT';
  constructor(milliseconds: number) {
    super(`The database did not finish within ${milliseconds / 1000} seconds.`);
  }
}

/** Whether the server lets this login in: a real one. Throws when it cannot be asked. */
export async function acceptsLogin(host: string, login: Login, database: string | undefined): Promise<boolean> {
  try {
    await withDatabase(host, login, database, (db) => sql`SELECT 1`.execute(db));
    return true;
  } catch (error) {
    if (refusesLogin(error)) return false;
    throw error;
  }
}
