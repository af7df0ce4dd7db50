import { RestError } from '@azure/data-tables';
import { ApiError } from '../errors.ts';
import { deleteRow, findRow, listRows, type Row, type Tables } from './tables.ts';

/** How a change ended. `open` until known; a sweep settles what a crash left open. */
export type AuditOutcome = 'open' | 'succeeded' | 'refused' | 'failed' | 'unknown';

/** One change: the intent is written before it, the outcome after it. Never holds a body, so never a secret. */
export interface AuditEntry {
  id: string;
  jumpServer: string;
  time: Date;
  caller: { objectId: string; name: string };
  /** The route's operation id, `Connections_Create`. */
  operation: string;
  /** What it is about: the path; of the query only `?dryRun=true`. */
  target: string;
  outcome: AuditOutcome;
  status?: number;
  /** The error code where the outcome is not `succeeded`. */
  code?: string;
}

interface AuditRow {
  time: Date;
  callerObjectId: string;
  callerName: string;
  operation: string;
  target: string;
  outcome: AuditOutcome;
  status?: number;
  code?: string;
}

/** Row keys count down, so that a partition lists the newest first. The id at the end makes them unique. */
const endOfTime = 10_000_000_000_000;
export const auditId = (time: Date, unique: string): string =>
  `${String(endOfTime - time.getTime()).padStart(14, '0')}-${unique}`;

/** Names no jump server: what is about all of them. */
export const noJumpServer = '-';

/**
 * One partition, of no jump server, points at the intents without an outcome: looking through all that ever happened for them
 * would take longer every day. A row of it stands before its intent and goes after the outcome.
 */
const openPartition = '~open';

interface OpenRow {
  jumpServer: string;
  id: string;
  time: Date;
}

const openKey = (jumpServer: string, id: string): string => `${jumpServer}|${id}`;

/** Throws when the store does not answer; then the change must not be made. */
export async function writeIntent(tables: Tables, entry: Omit<AuditEntry, 'outcome'>): Promise<void> {
  const { jumpServer, id, time } = entry;
  const rowKey = openKey(jumpServer, id);
  await tables.audit.createEntity<OpenRow>({ partitionKey: openPartition, rowKey, jumpServer, id, time });
  await tables.audit.createEntity<AuditRow>({
    partitionKey: entry.jumpServer,
    rowKey: entry.id,
    time: entry.time,
    callerObjectId: entry.caller.objectId,
    callerName: entry.caller.name,
    operation: entry.operation,
    target: entry.target,
    outcome: 'open',
  });
}

/** Closes the intent; the pointer to it goes last. */
export async function writeOutcome(
  tables: Tables,
  jumpServer: string,
  id: string,
  outcome: { outcome: AuditOutcome; status?: number; code?: string },
): Promise<void> {
  await tables.audit.updateEntity({ partitionKey: jumpServer, rowKey: id, ...outcome }, 'Merge');
  await deleteRow(tables.audit, openPartition, openKey(jumpServer, id));
}

/** Filters of `GET …/audit`, ANDed. */
export interface AuditFilter {
  caller?: string;
  operation?: string;
  outcome?: AuditOutcome;
  from?: Date;
  to?: Date;
}

/** Newest first, one page of at most `top`; `continuation` is opaque and comes from the page before. ApiError 400 when it does not. */
export async function listAudit(
  tables: Tables,
  jumpServer: string,
  filter: AuditFilter,
  top: number,
  continuation: string | undefined,
): Promise<{ entries: AuditEntry[]; continuation: string | undefined }> {
  const pages = tables.audit
    .listEntities<AuditRow>({ queryOptions: { filter: auditQuery(jumpServer, filter) } })
    .byPage({ maxPageSize: top, ...(continuation === undefined ? {} : { continuationToken: continuation }) });
  if (continuation !== undefined && !isContinuation(continuation)) throw notContinuation();
  const page = await pages.next().then(
    ({ value }) => value,
    (error: unknown) => {
      // What only looks like one is refused by the service.
      const refused = continuation !== undefined && error instanceof RestError && error.statusCode === 400;
      throw refused ? notContinuation() : error;
    },
  );
  if (page === undefined) return { entries: [], continuation: undefined };
  return { entries: page.map(toEntry), continuation: page.continuationToken };
}

const notContinuation = (): ApiError =>
  new ApiError(400, 'InvalidSkipToken', 'The $skiptoken is none of this list; begin again without one.', {
    target: '$skiptoken',
  });

/** The client's own form: JSON in base64. */
function isContinuation(text: string): boolean {
  try {
    const { nextPartitionKey, nextRowKey } = JSON.parse(Buffer.from(text, 'base64').toString()) as Record<
      string,
      unknown
    >;
    return typeof nextPartitionKey === 'string' && (nextRowKey === undefined || typeof nextRowKey === 'string');
  } catch {
    return false;
  }
}

function auditQuery(jumpServer: string, filter: AuditFilter): string {
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  const terms = [`PartitionKey eq ${text(jumpServer)}`];
  if (filter.caller !== undefined) terms.push(`callerObjectId eq ${text(filter.caller)}`);
  if (filter.operation !== undefined) terms.push(`operation eq ${text(filter.operation)}`);
  if (filter.outcome !== undefined) terms.push(`outcome eq ${text(filter.outcome)}`);
  // Row keys count down in time: the later bound is the smaller key.
  if (filter.to !== undefined) terms.push(`RowKey ge ${text(auditId(filter.to, ''))}`);
  if (filter.from !== undefined) terms.push(`RowKey le ${text(auditId(filter.from, '~'))}`);
  return terms.join(' and ');
}

/** Changes whose outcome was never written and that began before this time. */
export async function listOpenIntents(tables: Tables, before: Date): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (const { rowKey, jumpServer, id, time } of await listRows<OpenRow>(tables.audit, openPartition)) {
    if (time >= before) continue;
    const row = await findRow<AuditRow>(tables.audit, jumpServer, id);
    if (row?.outcome === 'open') entries.push(toEntry(row));
    // The crash came before the intent was written, or after the outcome was.
    else await deleteRow(tables.audit, openPartition, rowKey ?? '');
  }
  return entries;
}

function toEntry(row: Row<AuditRow>): AuditEntry {
  return {
    id: row.rowKey ?? '',
    jumpServer: row.partitionKey ?? '',
    time: row.time,
    caller: { objectId: row.callerObjectId, name: row.callerName },
    operation: row.operation,
    target: row.target,
    outcome: row.outcome,
    ...(row.status === undefined ? {} : { status: row.status }),
    ...(row.code === undefined ? {} : { code: row.code }),
  };
}
