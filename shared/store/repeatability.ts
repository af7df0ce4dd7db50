import { deleteRow, findRow, type Row, type Tables, writeRow } from './tables.ts';

/** A POST that its caller may send again (OASIS Repeatable Requests 1.0): the first one's answer is kept for the repeats. */
export interface RepeatableRequest {
  /** Hash of the caller and the id that the caller chose. */
  key: string;
  /** Hash of the operation, its target and its body: a repeat must be the same request. */
  fingerprint: string;
  /** Its answer is kept until it is forgotten by name, not for some time only: nobody can say how late it comes again. */
  lasting?: true;
}

export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  /** JSON text without secrets; undefined when there was none. */
  body: string | undefined;
  /** Hash of a request's body that was read while it was worked on; the fingerprint could not hold it. */
  stream?: string;
}

interface RepeatabilityRow {
  fingerprint: string;
  startedAt: Date;
  /** Empty while the first request is being worked on. */
  answer: string;
}

export type Repeated =
  | { state: 'first'; etag?: string }
  | { state: 'other' }
  | { state: 'running'; startedAt: Date }
  | { state: 'answered'; answer: KeptAnswer };

const partition = 'repeatability';
const partitionOf = ({ lasting }: RepeatableRequest): string => (lasting === true ? 'lasting' : partition);

/** Says whether this is the first request of that key, and if not, what became of the first. Exactly one caller gets `first`. */
export async function beginRepeatable(tables: Tables, request: RepeatableRequest, now: Date): Promise<Repeated> {
  const row: RepeatabilityRow = { fingerprint: request.fingerprint, startedAt: now, answer: '' };
  const entity = { partitionKey: partitionOf(request), rowKey: request.key, ...row };
  if (await writeRow<RepeatabilityRow>(tables.repeatability, entity, undefined)) return { state: 'first' };
  return (await findAnswer(tables, request)) ?? beginRepeatable(tables, request, now);
}

/** What is known of an earlier request of that key. */
export async function findAnswer(tables: Tables, request: RepeatableRequest): Promise<Repeated | undefined> {
  const known = await findRow<RepeatabilityRow>(tables.repeatability, partitionOf(request), request.key);
  return known && readRepeated(known, request);
}

function readRepeated(known: Row<RepeatabilityRow>, request: RepeatableRequest): Repeated {
  if (known.fingerprint !== request.fingerprint) return { state: 'other' };
  if (known.answer === '') return { state: 'running', startedAt: known.startedAt };
  return { state: 'answered', answer: JSON.parse(known.answer) as KeptAnswer };
}

/** Keeps the answer. */
export async function keepAnswer(tables: Tables, request: RepeatableRequest, answer: KeptAnswer): Promise<void> {
  const kept = { partitionKey: partitionOf(request), rowKey: request.key, answer: JSON.stringify(answer) };
  await tables.repeatability.updateEntity(kept, 'Merge');
}

/** The first request was refused and changed nothing: the next one counts as the first. */
export async function forgetRepeatable(tables: Tables, request: RepeatableRequest): Promise<void> {
  await deleteRow(tables.repeatability, partitionOf(request), request.key);
}

/** Forgets what no caller repeats any more; what lasts stays. */
export async function forgetRepeatablesBefore(tables: Tables, before: Date): Promise<void> {
  const filter = `PartitionKey eq '${partition}' and startedAt lt datetime'${before.toISOString()}'`;
  for await (const row of tables.repeatability.listEntities({ queryOptions: { filter } })) {
    await tables.repeatability.deleteEntity(partition, row.rowKey ?? '');
  }
}
