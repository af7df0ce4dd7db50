import { deleteRow, findRow, listAllRows, listRows, type Row, type Tables } from './tables.ts';

/**
 * What a node is meant to be. `starting` becomes `running` once it is healthy behind the balancer; `draining` keeps the sessions
 * it has, then becomes `deallocated`: its machine is switched off and costs its disk only.
 */
export type NodeState = 'starting' | 'running' | 'draining' | 'deallocated';

/** One node of a jump server, whether or not its machine exists. */
export interface NodeRecord {
  number: number;
  state: NodeState;
  since: Date;
  /** When its sessions are ended, for a draining node. */
  drainUntil?: Date;
  /** When the draining node itself was first heard to drain: the balancer finds out a few probes later. */
  drainingSince?: Date;
  /** It drains only to take another database account, and comes back then. */
  rotates?: boolean;
  /** Since when a rotation waits for the sessions of a lone node, which does not drain; gone with the next change of its state. */
  waitsSince?: Date;
  /** The version of the database account's secret that it is to use; default: the one that all nodes use. */
  account?: string;
}

type NodeRow = Omit<NodeRecord, 'number'>;

/** Writes a node's row as a whole, but for its account: who does not name one leaves the node the one it has. */
export async function putNode(tables: Tables, jumpServer: string, node: NodeRecord): Promise<void> {
  const { number, ...given } = node;
  const account = node.account ?? (await findRow<NodeRow>(tables.nodes, jumpServer, String(number)))?.account;
  const row: NodeRow = { ...given, ...(account === undefined ? {} : { account }) };
  await tables.nodes.upsertEntity<NodeRow>({ partitionKey: jumpServer, rowKey: String(number), ...row }, 'Replace');
}

/** By number. Empty for a jump server whose nodes were never counted: `fleetOf` then gives `web.count` that are starting. */
export async function listNodes(tables: Tables, jumpServer: string): Promise<NodeRecord[]> {
  return inOrder((await listRows<NodeRow>(tables.nodes, jumpServer)).map(toNode));
}

/** The nodes of every jump server that has rows. */
export async function listAllNodes(tables: Tables): Promise<Map<string, NodeRecord[]>> {
  const rows = await listAllRows<NodeRow>(tables.nodes);
  const grouped = Map.groupBy(rows, ({ partitionKey }) => partitionKey ?? '');
  return new Map([...grouped].map(([jumpServer, own]) => [jumpServer, inOrder(own.map(toNode))]));
}

export const deleteNode = (tables: Tables, jumpServer: string, number: number): Promise<void> =>
  deleteRow(tables.nodes, jumpServer, String(number));

export async function deleteNodes(tables: Tables, jumpServer: string): Promise<void> {
  const nodes = await listNodes(tables, jumpServer);
  await Promise.all(nodes.map(({ number }) => deleteNode(tables, jumpServer, number)));
}

const inOrder = (nodes: NodeRecord[]): NodeRecord[] => nodes.sort((a, b) => a.number - b.number);

function toNode({ rowKey, state, since, account, ...more }: Row<NodeRow>): NodeRecord {
  const { drainUntil, drainingSince, rotates, waitsSince } = more;
  return {
    number: Number(rowKey),
    state,
    since,
    ...(drainUntil === undefined ? {} : { drainUntil }),
    ...(drainingSince === undefined ? {} : { drainingSince }),
    ...(rotates === undefined ? {} : { rotates }),
    ...(waitsSince === undefined ? {} : { waitsSince }),
    ...(account === undefined ? {} : { account }),
  };
}
