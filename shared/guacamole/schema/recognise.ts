import { type Kysely, sql } from 'kysely';
import { GUACAMOLE_TABLES } from './create.ts';
import type { GuacamoleDatabase } from './tables.ts';

/**
 * Says what a database without our record holds: nothing of Guacamole's, or a complete Guacamole 1.0–1.6. Tables are told by
 * their columns, because Guacamole records no version. Throws for anything between, naming what is missing.
 */
export async function describeForeignTables(db: Kysely<GuacamoleDatabase>): Promise<'empty' | 'took-over'> {
  const rows = await sql<{ t: string; c: string }>`
    SELECT table_name AS t, column_name AS c FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name LIKE 'guacamole\\_%'`.execute(db);
  if (rows.rows.length === 0) return 'empty';
  const present = new Set(rows.rows.map((row) => `${row.t}.${row.c}`));
  const missing = expectedColumns().filter((column) => !present.has(column));
  if (missing.length > 0) {
    throw new Error(
      `This database holds Guacamole tables, but not all of version 1.0 or newer: ${missing.slice(0, 5).join(', ')}` +
        `${missing.length > 5 ? ` and ${missing.length - 5} more columns are` : ' missing: is'} not there. ` +
        `Bring it to 1.0 with Guacamole's own upgrade scripts first, or use an empty database.`,
    );
  }
  return 'took-over';
}

/** `table.column` of everything 1.0 already had; 1.6 added none. */
function expectedColumns(): string[] {
  return GUACAMOLE_TABLES.flatMap(({ name, sql: text }) =>
    [...text.matchAll(/^ {4}([a-z_]+) (?:int|varchar|enum|tinyint|binary|datetime|date|time)\b/gm)].map(
      (match) => `${name}.${match[1]}`,
    ),
  );
}
