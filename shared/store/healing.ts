import type { Repair } from '../healing/repairs.ts';
import { deleteRow, listAllRows, listRows, type Row, type Tables } from './tables.ts';

/** What a person should know or do. */
export interface Condition {
  type: string;
  message: string;
}

/** What healing remembers of one node between its minutes; there is no row for a node that has been well for long. */
export interface NodeMemory {
  number: number;
  /** The repair tried last. */
  repair?: Repair;
  /** The operation that the last repair was sent by, and when; empty: it was not accepted. Nothing is sent twice by one operation. */
  operationId?: string;
  sentAt?: Date;
  /** The unique id of the virtual machine that a rebuild deletes: the one made after it has the same name. */
  vmId?: string;
  /** When Azure had carried it out. */
  settledAt?: Date;
  /** What had been tried before that one: it counts again when Azure does not take the last one up. */
  former?: Tried;
  /** Since when the node has been heard to be unwell; the beginning of time: it is well. */
  unwellSince?: Date;
  /** The same for the balancer's probe. */
  probeDownSince?: Date;
  /** When a sweep last saw that its machine did not run and nothing was heard of it: a boot begins no earlier, whoever asked for it. */
  notRunningAt?: Date;
}

type Tried = Pick<NodeMemory, 'repair' | 'sentAt' | 'settledAt'>;

/** What healing remembers of one jump server. */
export interface ServerMemory {
  /** When repairs were begun within the last hour; the breaker counts them. */
  repairs: Date[];
  /** The same of those that the breaker does not count: they ended before anything was written, or Azure had no room. */
  fruitless: Date[];
  /** The last heal operation that has written anything to Azure. */
  wrote?: string;
  /** Since when the circuit breaker has been open. */
  breakerSince?: Date;
  conditions: Condition[];
  /** What the comparison found last and left alone. */
  noticed: Condition[];
  /** How the last heal operation failed; empty after one that did not. */
  failure: Condition[];
  /** When it ended. */
  failedAt?: Date;
  /** When a heal operation last succeeded. */
  healedAt?: Date;
  /** When its resources were last compared with its spec. */
  comparedAt?: Date;
  /** When its nodes were last looked at more closely. */
  lookedAt?: Date;
  /** Nodes whose sessions ended with them, and when: their history is still open. */
  losses: Loss[];
}

export interface Loss {
  number: number;
  at: Date;
}

export interface HealingMemory {
  server: ServerMemory;
  nodes: NodeMemory[];
}

export const nothingToHeal: HealingMemory = {
  server: { repairs: [], fruitless: [], conditions: [], noticed: [], failure: [], losses: [] },
  nodes: [],
};

/** Stands for "not": a merge cannot take a member away. */
export const never = new Date(0);

type ServerTimes = 'breakerSince' | 'failedAt' | 'healedAt' | 'comparedAt' | 'lookedAt';
type ServerRow = Pick<ServerMemory, ServerTimes | 'wrote'> & {
  [Key in 'repairs' | 'fruitless' | 'conditions' | 'noticed' | 'failure']?: string;
};
type NodeRow = Omit<NodeMemory, 'number' | 'repair' | 'former'> & {
  /** Empty: none. */
  repair?: Repair | '';
  former?: string;
};

const serverRow = 'server';
/** The number under which the MySQL server's repairs are remembered; nodes begin at 1. */
export const databaseNumber = 0;
const heartbeat = { partitionKey: '-', rowKey: 'heartbeat' };

/** Of every jump server that has any, in one scan. */
export async function listHealing(tables: Tables): Promise<Map<string, HealingMemory>> {
  const rows = await listAllRows<ServerRow & NodeRow>(tables.healing);
  const grouped = Map.groupBy(rows, ({ partitionKey }) => partitionKey ?? '');
  return new Map([...grouped].map(([jumpServer, own]) => [jumpServer, toMemory(own)]));
}

export async function findHealing(tables: Tables, jumpServer: string): Promise<HealingMemory> {
  return toMemory(await listRows<ServerRow & NodeRow>(tables.healing, jumpServer));
}

/** Changes the members given and leaves the others: the sweep and an operation write different ones. */
export async function rememberServer(
  tables: Tables,
  jumpServer: string,
  change: Partial<Omit<ServerMemory, 'losses'>>,
): Promise<void> {
  const row: ServerRow = Object.fromEntries(
    Object.entries(change).map(([name, value]) => [name, Array.isArray(value) ? JSON.stringify(value) : value]),
  );
  await tables.healing.upsertEntity<ServerRow>({ partitionKey: jumpServer, rowKey: serverRow, ...row }, 'Merge');
}

/** A heal or a PUT has succeeded: nothing that healing failed at before counts any more. */
export async function rememberHealed(tables: Tables, jumpServer: string, now: Date): Promise<void> {
  const { server, nodes } = await findHealing(tables, jumpServer);
  const { failure, repairs, fruitless, healedAt = never } = server;
  // One by hand is not counted, and what it did to a node has helped all the same.
  const repaired = nodes.some(({ settledAt = never }) => settledAt > healedAt);
  if (repaired || failure.length > 0 || repairs.length > 0 || fruitless.length > 0)
    await rememberServer(tables, jumpServer, { failure: [], healedAt: now });
}

/**
 * What was noticed before an operation may be over: the next comparison begins with it, and its condition does not wait for its turn.
 * @param allWell the operation has looked at everything and found or made it well: then it is over now
 */
export async function compareAgain(tables: Tables, jumpServer: string, allWell: boolean): Promise<void> {
  const { noticed } = (await findHealing(tables, jumpServer)).server;
  if (noticed.length === 0) return;
  await rememberServer(tables, jumpServer, { comparedAt: never, ...(allWell ? { noticed: [] } : {}) });
}

export async function rememberNode(tables: Tables, jumpServer: string, change: NodeMemory): Promise<void> {
  const { number, former, ...more } = change;
  const row: NodeRow = former === undefined ? more : { ...more, former: JSON.stringify(former) };
  await tables.healing.upsertEntity<NodeRow>({ partitionKey: jumpServer, rowKey: String(number), ...row }, 'Merge');
}

/**
 * Azure did not take up the repair that this operation sent: nobody has lost a session by it, and what had been tried before it counts again.
 * Repeating it changes nothing.
 */
export async function takeBackRepair(
  tables: Tables,
  jumpServer: string,
  number: number,
  operationId: string,
): Promise<void> {
  const memory = (await findHealing(tables, jumpServer)).nodes.find((one) => one.number === number);
  if (memory?.operationId !== operationId) return;
  // First: a loss that was none would close the history of sessions that go on.
  if (memory.sentAt !== undefined) await forgetLoss(tables, jumpServer, { number, at: memory.sentAt });
  const { repair = '', sentAt = never, settledAt = never } = memory.former ?? {};
  const row: NodeRow = { repair, operationId: '', sentAt, settledAt };
  await tables.healing.upsertEntity<NodeRow>({ partitionKey: jumpServer, rowKey: String(number), ...row }, 'Merge');
}

/** A row of its own each: several repairs of one operation begin at once, and none may overwrite another's. */
export async function rememberLoss(tables: Tables, jumpServer: string, { number, at }: Loss): Promise<void> {
  await tables.healing.upsertEntity({ partitionKey: jumpServer, rowKey: lossKey({ number, at }) }, 'Replace');
}

export const forgetLoss = (tables: Tables, jumpServer: string, loss: Loss): Promise<void> =>
  deleteRow(tables.healing, jumpServer, lossKey(loss));

const lossKey = ({ number, at }: Loss): string => `loss-${number}-${at.getTime()}`;

function toLoss(rowKey: string): Loss[] {
  const [, number, time] = /^loss-(\d+)-(\d+)$/.exec(rowKey) ?? [];
  return time === undefined ? [] : [{ number: Number(number), at: new Date(Number(time)) }];
}

export const forgetNode = (tables: Tables, jumpServer: string, number: number): Promise<void> =>
  deleteRow(tables.healing, jumpServer, String(number));

export async function forgetHealing(tables: Tables, jumpServer: string): Promise<void> {
  const rows = await listRows(tables.healing, jumpServer);
  await Promise.all(rows.map(({ rowKey }) => deleteRow(tables.healing, jumpServer, rowKey ?? '')));
}

/** When a sweep was last at work, and until when it only watches because it had not run for a while. */
export interface Heartbeat {
  at: Date;
  quietUntil: Date;
}

export async function findHeartbeat(tables: Tables): Promise<Heartbeat | undefined> {
  const [row] = await listRows<Heartbeat>(tables.healing, heartbeat.partitionKey);
  return row && { at: row.at, quietUntil: row.quietUntil };
}

export async function putHeartbeat(tables: Tables, beat: Heartbeat): Promise<void> {
  await tables.healing.upsertEntity<Heartbeat>({ ...heartbeat, ...beat }, 'Replace');
}

function toMemory(rows: Row<ServerRow & NodeRow>[]): HealingMemory {
  const own = rows.find(({ rowKey }) => rowKey === serverRow);
  const nodes = rows.filter(({ rowKey }) => /^\d+$/.test(rowKey ?? '')).map(toNode);
  const losses = rows.flatMap(({ rowKey }) => toLoss(rowKey ?? ''));
  losses.sort((a, b) => a.at.getTime() - b.at.getTime());
  return { server: { ...(own === undefined ? nothingToHeal.server : toServer(own)), losses }, nodes };
}

function toServer(row: ServerRow): Omit<ServerMemory, 'losses'> {
  const times = (text = '[]') => (JSON.parse(text) as string[]).map((time) => new Date(time));
  const conditions = (text = '[]') => JSON.parse(text) as Condition[];
  return {
    repairs: times(row.repairs),
    fruitless: times(row.fruitless),
    conditions: conditions(row.conditions),
    noticed: conditions(row.noticed),
    failure: conditions(row.failure),
    ...(row.wrote === undefined ? {} : { wrote: row.wrote }),
    ...at('breakerSince', row.breakerSince),
    ...at('failedAt', row.failedAt),
    ...at('healedAt', row.healedAt),
    ...at('comparedAt', row.comparedAt),
    ...at('lookedAt', row.lookedAt),
  };
}

function toNode(row: Row<NodeRow>): NodeMemory {
  const { repair = '', operationId, vmId, former } = row;
  return {
    number: Number(row.rowKey),
    ...(repair === '' ? {} : { repair }),
    ...(former === undefined ? {} : { former: toTried(former) }),
    ...(operationId === undefined ? {} : { operationId }),
    ...(vmId === undefined ? {} : { vmId }),
    ...at('sentAt', row.sentAt),
    ...at('settledAt', row.settledAt),
    ...at('unwellSince', row.unwellSince),
    ...at('probeDownSince', row.probeDownSince),
    ...at('notRunningAt', row.notRunningAt),
  };
}

function toTried(text: string): Tried {
  const { repair, sentAt, settledAt } = JSON.parse(text) as { [Key in keyof Tried]?: string };
  const time = (value: string | undefined) => (value === undefined ? undefined : new Date(value));
  return {
    ...(repair === undefined ? {} : { repair: repair as Repair }),
    ...at('sentAt', time(sentAt)),
    ...at('settledAt', time(settledAt)),
  };
}

const at = <Key extends string>(key: Key, time: Date | undefined): { [K in Key]?: Date } =>
  (time === undefined || time <= never ? {} : { [key]: time }) as { [K in Key]?: Date };
