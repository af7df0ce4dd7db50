import { type Kysely, sql } from 'kysely';
import { databasePort } from './databases.ts';
import { type GuacamoleDatabase, openDatabase } from './guacamole/database.ts';
import { refusesLogin } from './guacamole/databaseErrors.ts';
import type { Login } from './secrets/vaults.ts';

/** One connection for one piece of work. @param database undefined: an administrator's, without one */
export async function withDatabase<T>(
  host: string,
  login: Login,
  database: string | undefined,
  work: (db: Kysely<GuacamoleDatabase>) => Promise<T>,
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
