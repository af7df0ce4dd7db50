import { existsSync, readFileSync } from 'node:fs';
import { type Kysely, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../shared/guacamole/database.ts';
import { migrate } from '../../shared/guacamole/migrate.ts';
import { guacamoleTables } from '../../shared/guacamole/schema/create.ts';
import { migrations } from '../../shared/guacamole/schema/migrations.ts';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';
import { freshDatabase, startMariadb, type TestServer } from './mariadb.ts';
import { describeSchema } from './schemaOf.ts';

const OFFICIAL = new URL('../../../shared/facts/guacamole-mysql-schema-1.6.json', import.meta.url);

let server: TestServer;
const open: Kysely<GuacamoleDatabase>[] = [];
beforeAll(async () => {
  server = await startMariadb();
}, 60_000);
afterAll(async () => {
  for (const db of open) await db.destroy();
  await server.stop();
});

async function fresh() {
  const { db, login } = await freshDatabase(server);
  open.push(db);
  return { db, login };
}

/** What Guacamole's own script of 1.0 to 1.5 leaves: all tables, but no AUDIT permission. */
async function makeOldGuacamole(db: Kysely<GuacamoleDatabase>): Promise<void> {
  for (const table of guacamoleTables) {
    await sql.raw(table.sql.replace("'AUDIT',", '')).execute(db);
  }
}

describe('the schema', () => {
  it.skipIf(!existsSync(OFFICIAL))(
    'equals the official one of Guacamole 1.6, column by column and key by key',
    async () => {
      const { db } = await fresh();
      await migrate(db);
      const official: unknown = JSON.parse(readFileSync(OFFICIAL, 'utf8')).tables;
      expect(await describeSchema(db)).toEqual(official);
    },
  );

  it('is made once when two runners start together', async () => {
    const { db, login } = await fresh();
    const other = openDatabase(login);
    open.push(other);
    const outcomes = await Promise.all([migrate(db), migrate(other)]);
    expect(outcomes.map((outcome) => outcome.applied).sort((a, b) => a.length - b.length)).toEqual([[], [1, 2, 3]]);
    const locks = await db.selectFrom('molcajete_lock').selectAll().execute();
    expect(locks).toEqual([{ name: 'tree' }]);
  });

  it('is finished by the next run when a run is cut off after any statement', async () => {
    const whole = await fresh();
    await migrate(whole.db);
    const expected = await describeSchema(whole.db);
    const { db } = await fresh();
    let cuts = 0;
    for (let statement = 1; ; statement++) {
      const ended = await migrate(cutAt(db, statement)).then(
        () => true,
        () => false,
      );
      if (ended) break;
      cuts += 1;
    }
    // Each attempt gets further, so the cuts spread over the whole run.
    expect(cuts).toBeGreaterThan(15);
    expect(await describeSchema(db)).toEqual(expected);
    expect((await migrate(db)).applied).toEqual([]);
  }, 30_000);

  it('takes over a database that Guacamole 1.0 to 1.5 made, rows untouched', async () => {
    const { db } = await fresh();
    await makeOldGuacamole(db);
    await db.insertInto('guacamole_entity').values({ name: 'guacadmin', type: 'USER' }).execute();
    await sql`INSERT INTO guacamole_system_permission SELECT entity_id, 'ADMINISTER' FROM guacamole_entity`.execute(db);
    expect((await migrate(db)).found).toBe('took-over');
    expect(await db.selectFrom('guacamole_system_permission').select('permission').execute()).toEqual([
      { permission: 'ADMINISTER' },
    ]);
    await sql`INSERT INTO guacamole_system_permission SELECT entity_id, 'AUDIT' FROM guacamole_entity`.execute(db);
    expect((await migrate(db)).found).toBe('ours');
  });

  it('is refused on a database with only some of the tables, and nothing is changed', async () => {
    const { db } = await fresh();
    for (const table of guacamoleTables.slice(0, 5)) await sql.raw(table.sql).execute(db);
    await expect(migrate(db)).rejects.toThrow(/not all of version 1\.0 or newer.*guacamole_user_group_member/);
    expect(Object.keys(await describeSchema(db))).toHaveLength(5);
  });

  it.each([
    [
      'a permission',
      "MODIFY permission enum('CREATE_CONNECTION','ADMINISTER','AUDIT','FLY') NOT NULL",
      "permission = 'FLY'",
    ],
    ['a column', 'ADD COLUMN granted_at datetime NULL', 'guacamole_system_permission.granted_at'],
  ])(
    'is refused on a database of a newer Guacamole, which has %s more, and nothing is changed',
    async (_what, more, named) => {
      const { db } = await fresh();
      for (const table of guacamoleTables) await sql.raw(table.sql).execute(db);
      await sql.raw(`ALTER TABLE guacamole_system_permission ${more}`).execute(db);
      const before = await describeSchema(db);
      await expect(migrate(db)).rejects.toThrow(named);
      expect(await describeSchema(db)).toEqual(before);
    },
  );

  it('is refused on a database with a table that no Guacamole up to 1.6 has', async () => {
    const { db } = await fresh();
    for (const table of guacamoleTables) await sql.raw(table.sql).execute(db);
    await sql`CREATE TABLE guacamole_folder (folder_id int NOT NULL)`.execute(db);
    await expect(migrate(db)).rejects.toThrow(/guacamole_folder\.folder_id.*newer Guacamole/);
  });

  it('has migrations whose versions count up from one', () => {
    expect(migrations.map((migration) => migration.version)).toEqual(migrations.map((_, index) => index + 1));
  });
});

/** The same database, whose nth statement fails as if the process had died there. */
function cutAt(db: Kysely<GuacamoleDatabase>, nth: number): Kysely<GuacamoleDatabase> {
  let count = 0;
  return db.withPlugin({
    transformQuery: ({ node }) => {
      count += 1;
      if (count === nth) throw new Error('cut');
      return node;
    },
    transformResult: async ({ result }) => result,
  });
}
