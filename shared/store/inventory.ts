import type { Outputs } from '../azure/resource.ts';
import { deleteRow, fromRowKey, listRows, type Tables, toRowKey } from './tables.ts';

/**
 * One thing that a jump server owns. It is recorded before it is asked for, so that whatever a crash leaves behind is known and
 * can be removed; its output is filled in when it is ready.
 */
export interface InventoryItem {
  key: string;
  type: string;
  /** ARM id; empty for what is no ARM resource. */
  id: string;
  dependsOn: string[];
  /** Writes of this queue, deletions among them, go one at a time. */
  writeQueue?: string;
  /** `foundAt`, if any, is its ARM id where that is another one than a new one would get. */
  output: Record<string, string>;
}

interface InventoryRow {
  type: string;
  id: string;
  dependsOn: string;
  writeQueue?: string;
  output: string;
}

export async function putInventory(tables: Tables, jumpServer: string, item: InventoryItem): Promise<void> {
  const { key, type, id, dependsOn, writeQueue, output } = item;
  const row: InventoryRow = {
    type,
    id,
    dependsOn: JSON.stringify(dependsOn),
    ...(writeQueue === undefined ? {} : { writeQueue }),
    output: JSON.stringify(output),
  };
  await tables.inventory.upsertEntity({ partitionKey: jumpServer, rowKey: toRowKey(key), ...row }, 'Replace');
}

export async function listInventory(tables: Tables, jumpServer: string): Promise<InventoryItem[]> {
  return (await listRows<InventoryRow>(tables.inventory, jumpServer)).map((row) => ({
    key: fromRowKey(row.rowKey ?? ''),
    type: row.type,
    id: row.id,
    dependsOn: JSON.parse(row.dependsOn) as string[],
    ...(row.writeQueue === undefined ? {} : { writeQueue: row.writeQueue }),
    output: JSON.parse(row.output) as Record<string, string>,
  }));
}

/** What these have told their dependants, by key. */
export const outputsOf = (items: readonly InventoryItem[]): Outputs =>
  Object.fromEntries(items.map(({ key, output }) => [key, output]));

/** What the finished resources and steps of a jump server have told their dependants, by key. */
export const listOutputs = async (tables: Tables, jumpServer: string): Promise<Outputs> =>
  outputsOf(await listInventory(tables, jumpServer));

export const deleteInventory = (tables: Tables, jumpServer: string, key: string): Promise<void> =>
  deleteRow(tables.inventory, jumpServer, toRowKey(key));
