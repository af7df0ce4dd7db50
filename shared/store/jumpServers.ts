import type { JumpServerSpec } from '../spec.ts';
import { deleteRow, findRow, listRows, type Row, type Tables, writeRow } from './tables.ts';

/** Where a jump server stands. `Failed` is carried on by the next PUT; a hibernating one has no node and no database running. */
export type JumpServerState = 'Provisioning' | 'Ready' | 'Hibernated' | 'Failed' | 'Deleting';

/** An operation that did not come to its end, for people. */
export interface Setback {
  kind: 'provision' | 'scale' | 'teardown';
  /** The failure's code. */
  type: string;
  message: string;
}

export interface JumpServer {
  name: string;
  spec: JumpServerSpec;
  state: JumpServerState;
  createdAt: Date;
  /** Id of the operation that ran last or runs now. */
  lastOperation: string;
  /** The last PUT or DELETE, or else the last scale, if it did not come to its end; undefined once one of that kind has. */
  setback?: Setback;
  etag: string;
}

interface JumpServerRow {
  spec: string;
  state: JumpServerState;
  createdAt: Date;
  lastOperation: string;
  setback?: string;
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

/** Writes what an operation set out to make, if nobody has changed it since `etag` (none: since it did not exist). */
export function putJumpServer(tables: Tables, server: Omit<JumpServer, 'etag'>, etag?: string): Promise<boolean> {
  const { name, spec, state, createdAt, lastOperation, setback } = server;
  const row: JumpServerRow = { spec: JSON.stringify(spec), state, createdAt, lastOperation, ...stored(setback) };
  return writeRow<JumpServerRow>(tables.jumpServers, { partitionKey: partition, rowKey: name, ...row }, etag);
}

const stored = (setback: Setback | undefined): Pick<JumpServerRow, 'setback'> =>
  setback === undefined ? {} : { setback: JSON.stringify(setback) };

/** Moves the state, and with it what went wrong, on behalf of its last operation; false when another operation has taken over. */
export async function moveJumpServer(
  tables: Tables,
  name: string,
  operation: string,
  state: JumpServerState,
  next = (setback: Setback | undefined): Setback | undefined => setback,
): Promise<boolean> {
  for (;;) {
    const row = await findRow<JumpServerRow>(tables.jumpServers, partition, name);
    if (row === undefined || row.lastOperation !== operation) return false;
    const { spec, createdAt, lastOperation } = row;
    const setback = stored(next(setbackOf(row)));
    const moved = { partitionKey: partition, rowKey: name, spec, createdAt, lastOperation, state, ...setback };
    if (await writeRow<JumpServerRow>(tables.jumpServers, moved, row.etag)) return true;
  }
}

export const deleteJumpServer = (tables: Tables, name: string): Promise<void> =>
  deleteRow(tables.jumpServers, partition, name);

const setbackOf = ({ setback }: JumpServerRow): Setback | undefined =>
  setback === undefined ? undefined : (JSON.parse(setback) as Setback);

function toJumpServer(row: Row<JumpServerRow>): JumpServer {
  const setback = setbackOf(row);
  return {
    name: row.rowKey ?? '',
    spec: JSON.parse(row.spec) as JumpServerSpec,
    state: row.state,
    createdAt: row.createdAt,
    lastOperation: row.lastOperation,
    ...(setback === undefined ? {} : { setback }),
    etag: row.etag,
  };
}
