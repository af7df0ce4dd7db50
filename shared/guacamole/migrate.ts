import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { type Migration, migrations } from './schema/migrations.ts';
import { describeForeignTables } from './schema/recognise.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';

/** What `migrate` found and did. `took-over`: the tables had been made by Guacamole's own script. */
export interface MigrationOutcome {
  found: 'empty' | 'took-over' | 'ours';
  /** Versions that were completed by this call. */
  applied: number[];
  version: number;
}

type Db = Kysely<GuacamoleDatabase>;

/** Seconds a second runner waits for the first. */
const lockWaitSeconds = 120;

/**
 * Brings the database to the newest schema. Several runners may call it at once: a named lock of the server lets one work while
 * the others wait. A run that was cut off is resumed statement by statement. A database made by Guacamole's own scripts (1.0 to
 * 1.6) is recognised, brought to 1.6 and recorded as ours, its rows untouched. Throws when the database holds Guacamole
 * tables that are not those of a known version, or when another runner holds the lock for two minutes.
 */
export async function migrate(db: Db): Promise<MigrationOutcome> {
  return db.connection().execute(async (connection) => {
    const lock = await lockName(connection);
    const taken = await sql<{ taken: number | null }>`SELECT GET_LOCK(${lock}, ${lockWaitSeconds}) AS taken`.execute(
      connection,
    );
    if (taken.rows[0]?.taken !== 1) {
      throw new Error(
        `Another migration of this database has been running for ${lockWaitSeconds} s; try again when it has ended.`,
      );
    }
    try {
      return await migrateLocked(connection);
    } finally {
      // A lost connection has released the lock already; that must not hide the error that lost it.
      await sql`DO RELEASE_LOCK(${lock})`.execute(connection).catch(() => undefined);
    }
  });
}

/** Named locks belong to the whole server and take at most 64 characters. */
async function lockName(db: Db): Promise<string> {
  const found = await sql<{ name: string | null }>`SELECT DATABASE() AS name`.execute(db);
  const name = found.rows[0]?.name;
  if (!name) throw new Error('migrate needs a connection with a database selected.');
  return `molcajete-migrate-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

async function migrateLocked(db: Db): Promise<MigrationOutcome> {
  const found = (await recordingStarted(db)) ? 'ours' : await describeForeignTables(db);
  await sql
    .raw(`CREATE TABLE IF NOT EXISTS molcajete_migration (
      version int NOT NULL,
      name varchar(128) NOT NULL,
      statements_done int NOT NULL,
      finished_at datetime NULL,
      PRIMARY KEY (version)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci`)
    .execute(db);
  const applied: number[] = [];
  for (const migration of migrations) {
    if (await applyMigration(db, migration)) applied.push(migration.version);
  }
  return { found, applied, version: migrations.at(-1)?.version ?? 0 };
}

/** True once our own record exists with its first row: before that, nothing of ours has been made. */
async function recordingStarted(db: Db): Promise<boolean> {
  const tables = await sql`
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'molcajete_migration'`.execute(db);
  if (tables.rows.length === 0) return false;
  const rows = await sql`SELECT version FROM molcajete_migration LIMIT 1`.execute(db);
  return rows.rows.length > 0;
}

/** Runs what is left of one migration; false when it had been finished before. */
async function applyMigration(db: Db, migration: Migration): Promise<boolean> {
  const { version, name, statements } = migration;
  await sql`INSERT IGNORE INTO molcajete_migration (version, name, statements_done) VALUES (${version}, ${name}, 0)`.execute(
    db,
  );
  const recorded = await sql<{ done: number; finished: string | null }>`
    SELECT statements_done AS done, finished_at AS finished FROM molcajete_migration WHERE version = ${version}`.execute(
    db,
  );
  const row = recorded.rows[0];
  if (!row || row.finished) return false;
  for (const [index, statement] of statements.entries()) {
    if (index < row.done) continue;
    await sql.raw(statement).execute(db);
    await sql`UPDATE molcajete_migration SET statements_done = ${index + 1} WHERE version = ${version}`.execute(db);
  }
  await sql`UPDATE molcajete_migration SET finished_at = UTC_TIMESTAMP() WHERE version = ${version}`.execute(db);
  return true;
}
