import type { Row, Tables } from './tables.ts';

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
  /** What it is about: the path, without query. */
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

export async function writeIntent(tables: Tables, entry: Omit<AuditEntry, 'outcome'>): Promise<void> {
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

export async function writeOutcome(
  tables: Tables,
  jumpServer: string,
  id: string,
  outcome: { outcome: AuditOutcome; status?: number; code?: string },
): Promise<void> {
  await tables.audit.updateEntity({ partitionKey: jumpServer, rowKey: id, ...outcome }, 'Merge');
}

/** Filters of `GET …/audit`, ANDed. */
export interface AuditFilter {
  caller?: string;
  operation?: string;
  outcome?: AuditOutcome;
  from?: Date;
  to?: Date;
}

/** Newest first, one page of at most `top`; `continuation` is opaque and comes from the page before. */
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
  const page = (await pages.next()).value;
  if (page === undefined) return { entries: [], continuation: undefined };
  return { entries: page.map(toEntry), continuation: page.continuationToken };
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
  const filter = `outcome eq 'open' and time lt datetime'${before.toISOString()}'`;
  const entries: AuditEntry[] = [];
  for await (const row of tables.audit.listEntities<AuditRow>({ queryOptions: { filter } })) entries.push(toEntry(row));
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
