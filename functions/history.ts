import { z } from 'zod';
import { ApiError } from '../shared/errors.ts';
import { read } from '../shared/guacamole/change.ts';
import { csvLine, textStream } from '../shared/guacamole/csvText.ts';
import { type HistoryKind, type HistoryRecord, listHistory } from '../shared/guacamole/history.ts';
import { failures } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { type ListQuery, listQuery } from '../shared/guacamole/listing.ts';
import { recordShape } from '../shared/guacamole/shapes.ts';
import { isStorable } from '../shared/guacamole/times.ts';
import { readUsage, usageShape } from '../shared/guacamole/usage.ts';
import { listOf, type Route, type RouteAnswer } from '../shared/http.ts';

const historyQuery = listQuery.extend({ format: z.enum(['json', 'csv']).optional() });

const usageQuery = z.strictObject({
  by: z.enum(['connection', 'user']).default('connection'),
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
  $top: z.coerce.number().int().min(1).max(1000).default(100),
});

const dayMilliseconds = 24 * 3600 * 1000;

/** What was used, when and by whom. */
export function historyRoutes(deps: DatabaseDeps): Route[] {
  return [
    historyRoute(deps, 'connections', 'History_ListConnections', 'Lists sessions, newest first; CSV with format=csv'),
    historyRoute(deps, 'users', 'History_ListUsers', 'Lists logins, newest first; CSV with format=csv'),
    databaseRoute(
      deps,
      {
        operationId: 'History_GetUsage',
        summary: 'Adds up sessions per connection or user over a period, by default the last 30 days',
        method: 'GET',
        path: '/jump-servers/{name}/usage',
        role: 'Reader',
        query: usageQuery,
        responses: { 200: { description: 'Most used first', schema: listOf(usageShape) }, ...failures },
      },
      async ({ db, query }) => {
        const to = query.to === undefined ? deps.now() : new Date(query.to);
        const from = query.from === undefined ? new Date(to.getTime() - 30 * dayMilliseconds) : new Date(query.from);
        if (!isStorable(from) || !isStorable(to))
          throw new ApiError(400, 'InvalidPeriod', 'The period must lie in the years 1000 to 9999.', {
            target: 'from',
          });
        if (from >= to)
          throw new ApiError(400, 'InvalidPeriod', 'The period ends before it begins.', { target: 'from' });
        return { body: { value: await read(db, (on) => readUsage(on, query.by, from, to, query.$top)) } };
      },
    ),
  ];
}

function historyRoute(deps: DatabaseDeps, kind: 'connections' | 'users', operationId: string, summary: string): Route {
  return databaseRoute(
    deps,
    {
      operationId,
      summary,
      method: 'GET',
      path: `/jump-servers/{name}/history/${kind}`,
      role: 'Reader',
      query: historyQuery,
      responses: { 200: { description: 'Records', schema: listOf(recordShape) }, ...failures },
    },
    async ({ db, query: { format, ...query }, url, headers }) => {
      const page = (one: ListQuery) => read(db, (on) => listHistory(on, kind, one, url));
      if (format === 'csv' || (format === undefined && headers.get('accept')?.startsWith('text/csv')))
        return answerCsv(kind, query, page);
      return { body: await page(query) };
    },
  );
}

const csvColumns = {
  connections: [
    'identifier',
    'startDate',
    'endDate',
    'username',
    'remoteHost',
    'connectionIdentifier',
    'connectionName',
    'sharingProfileName',
  ],
  users: ['identifier', 'startDate', 'endDate', 'username', 'remoteHost'],
} as const;

/** Everything from where the caller's page begins, however much it is, a page in memory at a time. */
async function answerCsv(
  kind: Exclude<HistoryKind, 'sessions'>,
  query: ListQuery,
  page: (query: ListQuery) => ReturnType<typeof listHistory>,
): Promise<RouteAnswer> {
  const columns = csvColumns[kind];
  async function* lines(): AsyncGenerator<string> {
    let next: string | undefined = query.$skiptoken;
    let head = csvLine(columns);
    do {
      const { value, nextLink }: Awaited<ReturnType<typeof listHistory>> = await page({
        ...query,
        $top: 1000,
        ...(next === undefined ? {} : { $skiptoken: next }),
      });
      yield head + value.map((record) => csvLine(columns.map((column) => cellOf(record, column)))).join('');
      head = '';
      next = nextLink === undefined ? undefined : (new URL(nextLink).searchParams.get('$skiptoken') ?? undefined);
    } while (next !== undefined);
  }
  return {
    body: await textStream(lines()),
    headers: {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="history-${kind}.csv"`,
    },
  };
}

function cellOf(record: HistoryRecord, column: keyof HistoryRecord): string | undefined {
  const value = record[column];
  if (value === undefined) return undefined;
  return typeof value === 'number' ? new Date(value).toISOString() : String(value);
}
