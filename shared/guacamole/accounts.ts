import { type Kysely, sql } from 'kysely';
import type { GuacamoleDatabase } from './schema/tables.ts';

type Db = Kysely<GuacamoleDatabase>;

/** `node`: Guacamole itself, rows only. `control-plane`: that, and what our migrations need. */
export type AccountKind = 'node' | 'control-plane';

const privilegesOf: Record<AccountKind, readonly string[]> = {
  node: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  'control-plane': ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'ALTER', 'INDEX', 'REFERENCES'],
};

export interface Account {
  /** At most 32 characters (MySQL's limit). */
  username: string;
  password: string;
  /** The one database it may use. */
  database: string;
  privileges: AccountKind;
}

/** Makes the database if it is not there. `db` is an administrator's connection without a database. */
export async function ensureDatabase(db: Db, name: string): Promise<void> {
  await sql`CREATE DATABASE IF NOT EXISTS ${sql.id(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci`.execute(db);
}

/**
 * Makes a MySQL account or brings it to this password and these privileges; it may log in from anywhere, by TLS only. What it
 * has too many of is revoked one by one, so that an account in use is never without what it needs. Idempotent.
 */
export async function ensureAccount(db: Db, account: Account): Promise<void> {
  const { username, password, database, privileges } = account;
  await sql`CREATE USER IF NOT EXISTS ${username}@'%' IDENTIFIED BY ${password} REQUIRE SSL`.execute(db);
  await sql`ALTER USER ${username}@'%' IDENTIFIED BY ${password} REQUIRE SSL`.execute(db);
  const wanted = privilegesOf[privileges];
  await sql`GRANT ${sql.raw(wanted.join(', '))} ON ${sql.id(escapedName(database))}.* TO ${username}@'%'`.execute(db);
  for (const extra of await findExtraPrivileges(db, account)) {
    await sql`REVOKE ${sql.raw(extra)} ON ${sql.id(escapedName(database))}.* FROM ${username}@'%'`.execute(db);
  }
}

/** Removes a MySQL account; sessions that it has open go on until they end. No error when there is none. */
export async function dropAccount(db: Db, username: string): Promise<void> {
  await sql`DROP USER IF EXISTS ${username}@'%'`.execute(db);
}

/** In a GRANT, `_` and `%` of a database name are wildcards unless escaped. */
const escapedName = (database: string): string => database.replace(/[_%\\]/g, '\\$&');

async function findExtraPrivileges(db: Db, account: Account): Promise<string[]> {
  const grantee = `'${account.username}'@'%'`;
  const rows = await sql<{ privilege: string }>`
    SELECT privilege_type AS privilege FROM information_schema.schema_privileges
    WHERE grantee = ${grantee} AND table_schema IN (${account.database}, ${escapedName(account.database)})`.execute(db);
  const wanted = new Set(privilegesOf[account.privileges]);
  return rows.rows.map((row) => row.privilege).filter((privilege) => !wanted.has(privilege));
}
