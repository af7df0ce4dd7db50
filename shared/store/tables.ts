import type { TokenCredential } from '@azure/core-auth';
import { RestError, TableClient, type TableEntity, type TableEntityResult } from '@azure/data-tables';
import { deadlinePolicy } from '../azure/deadline.ts';

/** Every table of the control plane. What each holds stands in the file of its name. */
const tableNames = [
  'jumpServers',
  'leases',
  'operations',
  'steps',
  'inventory',
  'nodes',
  'scaling',
  'healing',
  'rotations',
  'reports',
  'audit',
  'repeatability',
] as const;
type TableName = (typeof tableNames)[number];

/** Characters of one text that a row keeps for certain: a property takes 32 Ki (understanding-the-table-service-data-model). */
export const longestText = 30_000;

export type Tables = Readonly<Record<TableName, TableClient>>;

/** Clients of all tables. @param url the account's table endpoint. */
export function openTables(url: string, credential: TokenCredential): Tables {
  const options = { additionalPolicies: [{ policy: deadlinePolicy(), position: 'perCall' as const }] };
  const open = (name: TableName) => [name, new TableClient(url, name, credential, options)] as const;
  return Object.fromEntries(tableNames.map(open)) as unknown as Tables;
}

/** Makes the tables that are missing; the service answers "exists" as success to this client. */
export async function createTables(tables: Tables): Promise<void> {
  await Promise.all(Object.values(tables).map((table) => table.createTable()));
}

/** A row as the service returns it: what we wrote, with its etag. */
export type Row<T extends object> = TableEntityResult<T>;

const hasStatus = (error: unknown, ...statuses: number[]): boolean =>
  error instanceof RestError && error.statusCode !== undefined && statuses.includes(error.statusCode);

/** The row, or undefined when there is none. */
export async function findRow<T extends object>(
  table: TableClient,
  partitionKey: string,
  rowKey: string,
): Promise<Row<T> | undefined> {
  try {
    return await table.getEntity<T>(partitionKey, rowKey);
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Writes a new row, or replaces the one with this etag. False when somebody else was first. */
export async function writeRow<T extends object>(
  table: TableClient,
  row: TableEntity<T>,
  etag: string | undefined,
): Promise<boolean> {
  try {
    if (etag === undefined) await table.createEntity(row);
    else await table.updateEntity(row, 'Replace', { etag });
    return true;
  } catch (error) {
    if (hasStatus(error, 409, 412, 404)) return false;
    throw error;
  }
}

/** All rows of a partition in the order of their row keys. */
export async function listRows<T extends object>(table: TableClient, partitionKey: string): Promise<Row<T>[]> {
  const rows: Row<T>[] = [];
  const filter = `PartitionKey eq '${partitionKey.replaceAll("'", "''")}'`;
  for await (const row of table.listEntities<T>({ queryOptions: { filter } })) rows.push(row);
  return rows;
}

/** All rows of a table, whatever their partition: a thousand a page. */
export async function listAllRows<T extends object>(table: TableClient): Promise<Row<T>[]> {
  const rows: Row<T>[] = [];
  for await (const row of table.listEntities<T>()) rows.push(row);
  return rows;
}

/** Deletes a row; one that is gone already is fine. */
export async function deleteRow(table: TableClient, partitionKey: string, rowKey: string): Promise<void> {
  try {
    await table.deleteEntity(partitionKey, rowKey);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** Row keys may not hold a slash (Table service, "Characters disallowed in key fields"); resource keys do. */
export const toRowKey = (key: string): string => key.replaceAll('/', '|');
export const fromRowKey = (rowKey: string): string => rowKey.replaceAll('|', '/');
