import type { NodeReport } from '../node/report.ts';
import { deleteRow, findRow, listAllRows, listRows, type Row, type Tables } from './tables.ts';

/** The last that was heard of a node. */
export interface StoredReport {
  node: string;
  report: NodeReport;
  receivedAt: Date;
}

interface ReportRow {
  report: string;
  receivedAt: Date;
}

export async function putReport(tables: Tables, jumpServer: string, stored: StoredReport): Promise<void> {
  const row: ReportRow = { report: JSON.stringify(stored.report), receivedAt: stored.receivedAt };
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
