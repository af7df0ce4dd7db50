import { type Kysely, sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dropAccount, ensureAccount, ensureDatabase } from '../../shared/guacamole/accounts.ts';
import { ensureAdministrator } from '../../shared/guacamole/administrator.ts';
import { type DatabaseLogin, openDatabase } from '../../shared/guacamole/database.ts';
import { migrate } from '../../shared/guacamole/migrate.ts';
import { hashPassword } from '../../shared/guacamole/passwords.ts';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';
import { startMariadb, type TestServer } from './mariadb.ts';

let server: TestServer;
let admin: Kysely<GuacamoleDatabase>;
const open: Kysely<GuacamoleDatabase>[] = [];
let counter = 0;
let database: string;

const connect = (login: Partial<DatabaseLogin>): Kysely<GuacamoleDatabase> => {
  const db = openDatabase({ ...server.login, ...login });
  open.push(db);
  return db;
};

beforeAll(async () => {
  server = await startMariadb();
  admin = connect({});
}, 60_000);
afterAll(async () => {
  for (const db of open) await db.destroy();
  await server.stop();
});
beforeEach(async () => {
  counter += 1;
  database = `guaca_mole_${counter}`;
  await ensureDatabase(admin, database);
});

describe('accounts of the database', () => {
  it('lets the control plane migrate and a node only read and write rows', async () => {
    await ensureAccount(admin, { username: 'control', password: 'p1', database, privileges: 'control-plane' });
    await ensureAccount(admin, { username: 'node', password: "it's \\ 2", database, privileges: 'node' });
    await migrate(connect({ user: 'control', password: 'p1', database }));
    const node = connect({ user: 'node', password: "it's \\ 2", database });
    await node.insertInto('guacamole_entity').values({ name: 'a', type: 'USER' }).execute();
    await node.updateTable('guacamole_entity').set({ name: 'b' }).execute();
    expect(await node.selectFrom('guacamole_entity').select('name').execute()).toEqual([{ name: 'b' }]);
    await node.deleteFrom('guacamole_entity').execute();
    await expect(sql`CREATE TABLE x (a int)`.execute(node)).rejects.toThrow(/denied/);
    await expect(sql`DROP TABLE guacamole_entity`.execute(node)).rejects.toThrow(/denied/);
    await expect(sql`SELECT * FROM mysql.global_priv`.execute(node)).rejects.toThrow(/denied/);
  });

  it('takes away what an account has too many of, without a moment in which it has too few', async () => {
    await ensureAccount(admin, { username: 'shrinks', password: 'p', database, privileges: 'control-plane' });
    await ensureAccount(admin, { username: 'shrinks', password: 'p', database, privileges: 'node' });
    const db = connect({ user: 'shrinks', password: 'p', database });
    await expect(sql`CREATE TABLE x (a int)`.execute(db)).rejects.toThrow(/denied/);
  });

  it('reaches no database whose name only looks alike', async () => {
    await ensureDatabase(admin, database.replaceAll('_', 'x'));
    await ensureAccount(admin, { username: 'exact', password: 'p', database, privileges: 'node' });
    const db = connect({ user: 'exact', password: 'p', database: database.replaceAll('_', 'x') });
    await expect(sql`SELECT 1`.execute(db)).rejects.toThrow(/denied/);
  });

  it('changes the password of an account that exists, and removes accounts', async () => {
    await ensureAccount(admin, { username: 'rotates', password: 'old', database, privileges: 'node' });
    await ensureAccount(admin, { username: 'rotates', password: 'new', database, privileges: 'node' });
    await sql`SELECT 1`.execute(connect({ user: 'rotates', password: 'new', database }));
    await expect(sql`SELECT 1`.execute(connect({ user: 'rotates', password: 'old', database }))).rejects.toThrow(
      /denied/,
    );
    await dropAccount(admin, 'rotates');
    await dropAccount(admin, 'rotates');
    await expect(sql`SELECT 1`.execute(connect({ user: 'rotates', password: 'new', database }))).rejects.toThrow(
      /denied/,
    );
  });

  it('are not used against a server whose certificate is for another name', async () => {
    const impostor = await startMariadb([], 'other.test');
    try {
      const db = connect(impostor.login);
      await expect(sql`SELECT 1`.execute(db)).rejects.toThrow(/does not match certificate/);
    } finally {
      await impostor.stop();
    }
  });
});

describe('the first administrator', () => {
  const logins = async (db: Kysely<GuacamoleDatabase>) =>
    db
      .selectFrom('guacamole_user as u')
      .innerJoin('guacamole_entity as e', 'e.entity_id', 'u.entity_id')
      .select(['name', 'password_hash', 'password_salt', 'u.entity_id'])
      .execute();

  it('is made exactly once by twenty callers, with every system permission', async () => {
    const db = connect({ database });
    await migrate(db);
    const results = await Promise.all(
      Array.from({ length: 20 }, () => ensureAdministrator(db, { username: 'guacadmin', password: 'secret' })),
    );
    expect(results.filter((result) => result === 'created')).toHaveLength(1);
    expect(results.filter((result) => result === 'unchanged')).toHaveLength(19);
    const [user, ...more] = await logins(db);
    expect(more).toEqual([]);
    expect(user?.password_hash).toEqual(hashPassword('secret', user?.password_salt ?? null));
    expect(await db.selectFrom('guacamole_system_permission').select('permission').execute()).toHaveLength(7);
  });

  it('loses the well-known password of a database that was taken over', async () => {
    const db = connect({ database });
    await migrate(db);
    await ensureAdministrator(db, { username: 'guacadmin', password: 'guacadmin' });
    expect(await ensureAdministrator(db, { username: 'guacadmin', password: 'random' })).toBe('changed');
    const [user] = await logins(db);
    expect(user?.password_hash).toEqual(hashPassword('random', user?.password_salt ?? null));
    expect(await db.selectFrom('guacamole_user_password_history').selectAll().execute()).toHaveLength(1);
  });

  it("has a hash that Guacamole's own algorithm gives", () => {
    // The well-known row of Guacamole's 002-create-admin-user.sql: guacadmin/guacadmin.
    const salt = Buffer.from('FE24ADC5E11E2B25288D1704ABE67A79E342ECC26064CE69C5B3177795A82264', 'hex');
    expect(hashPassword('guacadmin', salt).toString('hex').toUpperCase()).toBe(
      'CA458A7D494E3BE824F5E1E175A1556C0F8EEF2C2D7DF3633BEC4A29C4411960',
    );
  });
});
