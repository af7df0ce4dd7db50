import { type Kysely, sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dropAccount, ensureAccount, ensureDatabase } from '../../shared/guacamole/accounts.ts';
import { type DatabaseLogin, openDatabase } from '../../shared/guacamole/database.ts';
import { refusesLogin } from '../../shared/guacamole/databaseErrors.ts';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';
import { startMariadb, type TestServer } from '../guacamole/mariadb.ts';

const database = 'guacamole';
let server: TestServer;
let admin: Kysely<GuacamoleDatabase>;
const open: Kysely<GuacamoleDatabase>[] = [];
beforeAll(async () => {
  server = await startMariadb();
  admin = openDatabase(server.login);
  await ensureDatabase(admin, database);
}, 60_000);
afterAll(async () => {
  for (const db of [...open, admin]) await db.destroy();
  await server.stop();
});

async function make(username: string): Promise<DatabaseLogin> {
  const password = `Word-of-${username}.1`;
  await ensureAccount(admin, { username, password, database, privileges: 'control-plane' });
  return { ...server.login, user: username, password, database };
}

/** A pool for this login that asks `renewed` for another one when it is refused. */
function pool(login: DatabaseLogin, renewed: () => Promise<DatabaseLogin | undefined>): Kysely<GuacamoleDatabase> {
  const db = openDatabase({ ...login, connectionLimit: 3 }, renewed);
  open.push(db);
  return db;
}

const whoAmI = async (db: Kysely<GuacamoleDatabase>): Promise<string | undefined> =>
  (await sql<{ me: string }>`SELECT CURRENT_USER() AS me`.execute(db)).rows[0]?.me.split('@')[0];

test('a pool whose account is dropped goes on with the one that has been published, and statements under way go on', async () => {
  const former = await make('pair_a');
  const next = await make('pair_b');
  let asked = 0;
  const db = pool(former, async () => {
    asked++;
    return next;
  });
  const results = await db.transaction().execute(async (tx) => {
    const before = await whoAmI(tx);
    await dropAccount(admin, 'pair_a');
    // Beside the connection of this transaction new ones are made, which the server refuses.
    const others = await Promise.all([whoAmI(db), whoAmI(db)]);
    return [before, ...others, await whoAmI(tx)];
  });
  expect(results).toEqual(['pair_a', 'pair_b', 'pair_b', 'pair_a']);
  expect(asked).toBeGreaterThan(0);
});

test('where nothing newer has been published, the refusal is what the caller gets', async () => {
  const login = await make('alone');
  await dropAccount(admin, 'alone');
  const db = pool(login, async () => undefined);
  const error = await whoAmI(db).catch((thrown: unknown) => thrown);
  expect(refusesLogin(error)).toBe(true);
});

test('where the vault cannot be asked, the refusal is what the caller gets', async () => {
  const login = await make('cut');
  await dropAccount(admin, 'cut');
  const db = pool(login, () => Promise.reject(new Error('no vault')));
  const error = await whoAmI(db).catch((thrown: unknown) => thrown);
  expect(refusesLogin(error)).toBe(true);
});
