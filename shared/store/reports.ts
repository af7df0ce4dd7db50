import { type NodeReport, partNames } from '../node/report.ts';
import { secondsAfter } from '../time.ts';
import { deleteRow, findRow, listAllRows, listRows, type Row, type Tables } from './tables.ts';

/** The last that was heard of a node. */
export interface StoredReport {
  node: string;
  report: NodeReport;
  receivedAt: Date;
}

/** Seconds: three intervals of an agent that reports as seldom as any may (`MOLCAJETE_REPORT_SECONDS`). */
const staleAfter = 90;

/** Says it nothing about now any more? Healing, which must not wait for the slowest agent there may be, has `silentAfter`. */
export const isStale = ({ receivedAt }: Pick<StoredReport, 'receivedAt'>, now: Date): boolean =>
  secondsAfter(receivedAt, staleAfter) <= now;

interface ReportRow {
  report: string;
  receivedAt: Date;
  /** For `listTroubledReports`: every part is healthy. */
  happy: boolean;
}

/** The parts that do not work, by the node's own word. */
export const brokenParts = (report: NodeReport) =>
  partNames.filter((part) => !report[part].healthy && report[part].works !== true);

/** The parts that work, and whose last change failed. */
export const unchangedParts = (report: NodeReport) =>
  partNames.filter((part) => !report[part].healthy && report[part].works === true);

export async function putReport(tables: Tables, jumpServer: string, stored: StoredReport): Promise<void> {
  const { report, receivedAt } = stored;
  const row: ReportRow = {
    report: JSON.stringify(report),
    receivedAt,
    happy: partNames.every((part) => report[part].healthy),
  };
  await tables.reports.upsertEntity({ partitionKey: jumpServer, rowKey: stored.node, ...row }, 'Replace');
}

export async function findReport(tables: Tables, jumpServer: string, node: string): Promise<StoredReport | undefined> {
  const row = await findRow<ReportRow>(tables.reports, jumpServer, node);
  return row && toReport(row);
}

export async function listReports(tables: Tables, jumpServer: string): Promise<StoredReport[]> {
  return (await listRows<ReportRow>(tables.reports, jumpServer)).map(toReport);
}

/** The reports of every jump server. */
export async function listAllReports(tables: Tables): Promise<Map<string, StoredReport[]>> {
  const grouped = Map.groupBy(await listAllRows<ReportRow>(tables.reports), ({ partitionKey }) => partitionKey ?? '');
  return new Map([...grouped].map(([jumpServer, rows]) => [jumpServer, rows.map(toReport)]));
}

/** The reports of every jump server that came in before a time, or in which something does not work: one query. */
export async function listTroubledReports(tables: Tables, before: Date): Promise<Map<string, StoredReport[]>> {
  const filter = `receivedAt lt datetime'${before.toISOString()}' or happy eq false`;
  const found: Row<ReportRow>[] = [];
  for await (const row of tables.reports.listEntities<ReportRow>({ queryOptions: { filter } })) found.push(row);
  const grouped = Map.groupBy(found, ({ partitionKey }) => partitionKey ?? '');
  return new Map([...grouped].map(([jumpServer, rows]) => [jumpServer, rows.map(toReport)]));
}

/** The nodes of every jump server that have ever reported: names only. */
export async function listReporters(tables: Tables): Promise<Map<string, Set<string>>> {
  const found: Row<object>[] = [];
  const queryOptions = { select: ['PartitionKey', 'RowKey'] };
  for await (const row of tables.reports.listEntities<object>({ queryOptions })) found.push(row);
  const grouped = Map.groupBy(found, ({ partitionKey }) => partitionKey ?? '');
  return new Map(
    [...grouped].map(([jumpServer, rows]) => [jumpServer, new Set(rows.map(({ rowKey }) => rowKey ?? ''))]),
  );
}

export const deleteReport = (tables: Tables, jumpServer: string, node: string): Promise<void> =>
  deleteRow(tables.reports, jumpServer, node);

export async function deleteReports(tables: Tables, jumpServer: string): Promise<void> {
  const reports = await listReports(tables, jumpServer);
  await Promise.all(reports.map(({ node }) => deleteReport(tables, jumpServer, node)));
}

const toReport = (row: Row<ReportRow>): StoredReport => ({
  node: row.rowKey ?? '',
  report: JSON.parse(row.report) as NodeReport,
  receivedAt: row.receivedAt,
});
