import { type Kysely, sql } from 'kysely';
import { guacamoleTables } from './create.ts';
import type { GuacamoleDatabase } from './tables.ts';

/**
 * Says what a database without our record holds: nothing of Guacamole's, or a complete Guacamole 1.0–1.6. Versions are told by
 * their columns, because Guacamole records none. Throws for anything between, naming what is missing, and for anything more: a
 * newer Guacamole's, whose values our migrations would take away.
 */
export async function describeForeignTables(db: Kysely<GuacamoleDatabase>): Promise<'empty' | 'took-over'> {
  const rows = await sql<{ t: string; c: string; ty: string }>`
    SELECT table_name AS t, column_name AS c, column_type AS ty FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name LIKE 'guacamole\\_%'`.execute(db);
  if (rows.rows.length === 0) return 'empty';
  const known = knownColumns();
  const present = new Set(rows.rows.map((row) => `${row.t}.${row.c}`));
  const missing = [...known.keys()].filter((column) => !present.has(column));
  if (missing.length > 0) {
    throw new Error(
      `This database holds Guacamole tables, but not all of version 1.0 or newer: ${missing.slice(0, 5).join(', ')}` +
        `${missing.length > 5 ? ` and ${missing.length - 5} more columns are` : ' missing: is'} not there. ` +
        `Bring it to 1.0 with Guacamole's own upgrade scripts first, or use an empty database.`,
    );
  }
  const foreign = rows.rows.flatMap(({ t, c, ty }) => unknownOf(`${t}.${c}`, ty, known.get(`${t}.${c}`)));
  if (foreign.length > 0) {
    throw new Error(
      `This database holds what Guacamole 1.6 does not know: ${foreign.slice(0, 5).join(', ')}` +
        `${foreign.length > 5 ? ` and ${foreign.length - 5} more` : ''}. It seems to be of a newer Guacamole, or changed; ` +
        'nothing was touched. Use an empty database, or a release of Molcajete that knows that version.',
    );
  }
  return 'took-over';
}

/** The column itself, or values of its `enum`, where 1.6 has none such. */
function unknownOf(column: string, type: string, known: string | undefined): string[] {
  if (known === undefined) return [column];
  const values = new Set(valuesOf(known));
  return valuesOf(type)
    .filter((value) => !values.has(value))
    .map((value) => `${column} = ${value}`);
}

const valuesOf = (type: string): string[] => (type.startsWith('enum') ? (type.match(/'[^']*'/g) ?? []) : []);

/** `table.column` and type of everything that 1.6 has, and 1.0 already had, but for values of an `enum`. */
function knownColumns(): Map<string, string> {
  return new Map(
    guacamoleTables.flatMap(({ name, sql: text }) =>
      [
        ...text.matchAll(/^ {4}([a-z_]+) ((?:int|varchar|enum|tinyint|binary|datetime|date|time)\b(?:\([^)]*\))?)/gm),
      ].map((match): [string, string] => [`${name}.${match[1]}`, match[2] ?? '']),
    ),
  );
}
