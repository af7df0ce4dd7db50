import type { Transaction } from 'kysely';
import type { GuacamoleDatabase } from './schema/tables.ts';

type Tx = Transaction<GuacamoleDatabase>;

/** Tables of names and values, by the column that says whose they are. */
const TABLES = {
  guacamole_connection_attribute: ['connection_id', 'attribute'],
  guacamole_connection_group_attribute: ['connection_group_id', 'attribute'],
  guacamole_sharing_profile_attribute: ['sharing_profile_id', 'attribute'],
  guacamole_user_attribute: ['user_id', 'attribute'],
  guacamole_user_group_attribute: ['user_group_id', 'attribute'],
  guacamole_connection_parameter: ['connection_id', 'parameter'],
  guacamole_sharing_profile_parameter: ['sharing_profile_id', 'parameter'],
} as const;

export type ValuesTable = keyof typeof TABLES;

/** Rows of one insert: a statement stays well below MySQL's default packet size. */
const ROWS = 1000;

/** Puts down values of things that have none yet: `[owner, name, value]`. */
export async function insertValues(
  tx: Tx,
  table: ValuesTable,
  rows: readonly [number, string, string][],
): Promise<void> {
  const [owner, kind] = TABLES[table];
  for (let start = 0; start < rows.length; start += ROWS) {
    const values = rows.slice(start, start + ROWS).map(([id, name, value]) => ({
      [owner]: id,
      [`${kind}_name`]: name,
      [`${kind}_value`]: value,
    }));
    // The columns' names are computed from the table's; Kysely can only type them written out.
    await tx
      .insertInto(table)
      .values(values as never)
      .execute();
  }
}

/** Replaces all values of one thing. Their names have been checked to differ. */
export async function replaceValues(
  tx: Tx,
  table: ValuesTable,
  id: number,
  values: Record<string, string>,
): Promise<void> {
  const [owner] = TABLES[table];
  await tx
    .deleteFrom(table)
    .where(owner as never, '=', id as never)
    .execute();
  await insertValues(
    tx,
    table,
    Object.entries(values).map(([name, value]) => [id, name, value]),
  );
}
