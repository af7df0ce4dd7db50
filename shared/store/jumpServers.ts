import type { JumpServerSpec } from '../spec.ts';
import { deleteRow, findRow, listRows, type Row, type Tables, writeRow } from './tables.ts';

/** Where a jump server stands. `Failed` is carried on by the next PUT; a hibernating one has no node and no database running. */
export type JumpServerState = 'Provisioning' | 'Ready' | 'Hibernated' | 'Failed' | 'Deleting';

export interface JumpServer {
  name: string;
  spec: JumpServerSpec;
  state: JumpServerState;
  createdAt: Date;
  /** Id of the operation that ran last or runs now. */
  lastOperation: string;
  etag: string;
}

interface JumpServerRow {
  spec: string;
  state: JumpServerState;
  createdAt: Date;
  lastOperation: string;
}

/** One partition for all: a list is one scan, and a thousand rows are five pages. */
const partition = 'jumpServer';

export async function findJumpServer(tables: Tables, name: string): Promise<JumpServer | undefined> {
  const row = await findRow<JumpServerRow>(tables.jumpServers, partition, name);
  return row && toJumpServer(row);
}

export async function listJumpServers(tables: Tables): Promise<JumpServer[]> {
  return (await listRows<JumpServerRow>(tables.jumpServers, partition)).map(toJumpServer);
}

/** Writes what an operation set out to make. Idempotent: the operation that repeats it writes the same. */
export async function putJumpServer(tables: Tables, server: Omit<JumpServer, 'etag'>): Promise<void> {
  const { name, spec, state, createdAt, lastOperation } = server;
  const row: JumpServerRow = { spec: JSON.stringify(spec), state, createdAt, lastOperation };
  await tables.jumpServers.upsertEntity({ partitionKey: partition, rowKey: name, ...row }, 'Replace');
}

/** Moves the state on behalf of its last operation; false when another operation has taken over. */
export async function moveJumpServer(
  tables: Tables,
  name: string,
  operation: string,
  state: JumpServerState,
): Promise<boolean> {
  for (;;) {
    const row = await findRow<JumpServerRow>(tables.jumpServers, partition, name);
    if (row === undefined || row.lastOperation !== operation) return false;
    const { spec, createdAt, lastOperation } = row;
    const moved = { partitionKey: partition, rowKey: name, spec, createdAt, lastOperation, state };
    if (await writeRow<JumpServerRow>(tables.jumpServers, moved, row.etag)) return true;
  }
}

export const deleteJumpServer = (tables: Tables, name: string): Promise<void> =>
  deleteRow(tables.jumpServers, partition, name);

function toJumpServer(row: Row<JumpServerRow>): JumpServer {
  return {
    name: row.rowKey ?? '',
    spec: JSON.parse(row.spec) as JumpServerSpec,
    state: row.state,
    createdAt: row.createdAt,
    lastOperation: row.lastOperation,
    etag: row.etag,
  };
}
