import { sql, type Transaction } from 'kysely';
import { insertRows, slices } from './bulk.ts';
import { collationKeys } from './collation.ts';
import { refuseProblems, sameNames } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { Values } from './text.ts';

type Tx = Transaction<GuacamoleDatabase>;

/** Tables of names and values, by the column that says whose they are. */
const tables = {
  guacamole_connection_attribute: ['connection_id', 'attribute'],
  guacamole_connection_group_attribute: ['connection_group_id', 'attribute'],
  guacamole_sharing_profile_attribute: ['sharing_profile_id', 'attribute'],
  guacamole_user_attribute: ['user_id', 'attribute'],
  guacamole_user_group_attribute: ['user_group_id', 'attribute'],
  guacamole_connection_parameter: ['connection_id', 'parameter'],
  guacamole_sharing_profile_parameter: ['sharing_profile_id', 'parameter'],
} as const;

export type ValuesTable = keyof typeof tables;

/** `[owner, name, value]`. */
export type ValueRow = [number, string, string];

/** One thing's values as rows. */
export const valueRows = (owner: number, values: Record<string, string>): ValueRow[] =>
  Object.entries(values).map(([name, value]) => [owner, name, value]);

/** What of a body's values is kept: null and '' mean "not set". */
export const setValues = (values: Values): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => !!entry[1]));

/** JSON Merge Patch of one map; null takes all away. */
export function mergeValues(stored: Record<string, string>, patch: Values | null | undefined): Values {
  if (patch === undefined) return stored;
  return patch === null ? {} : { ...stored, ...patch };
}

/** Puts down values of things that have none yet; which names are one name to the database has been seen to. */
export async function insertValues(tx: Tx, table: ValuesTable, rows: Iterable<ValueRow>): Promise<void> {
  const [owner, kind] = tables[table];
  await insertRows(tx, `${table} (${owner}, ${kind}_name, ${kind}_value)`, rows);
}

/** Takes away all values of some things. */
export async function deleteValues(tx: Tx, table: ValuesTable, owners: readonly number[]): Promise<void> {
  const [owner] = tables[table];
  for (const some of slices(owners)) {
    await sql`DELETE FROM ${sql.table(table)} WHERE ${sql.ref(owner)} IN (${sql.join(some)})`.execute(tx);
  }
}

/** Puts down the values of one thing that has none yet. ApiError 400 when two of their names are one to the database. */
export async function createValues(
  tx: Tx,
  table: ValuesTable,
  owner: number,
  values: Record<string, string>,
): Promise<void> {
  const [, kind] = tables[table];
  refuseProblems(sameNames(`${kind}s`, values, await collationKeys(tx, Object.keys(values))));
  await insertValues(tx, table, valueRows(owner, values));
}

/** Replaces all values of one thing. */
export async function replaceValues(
  tx: Tx,
  table: ValuesTable,
  owner: number,
  values: Record<string, string>,
): Promise<void> {
  await deleteValues(tx, table, [owner]);
  await createValues(tx, table, owner, values);
}
