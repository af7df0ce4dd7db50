import { z } from 'zod';
import type { Deps } from '../shared/deps.ts';
import { listOf, type Route, route } from '../shared/http.ts';
import { listAudit } from '../shared/store/audit.ts';

const entryShape = z.object({
  id: z.string(),
  time: z.iso.datetime(),
  caller: z.object({ objectId: z.string(), name: z.string() }),
  operation: z.string().describe('The operation id of the call.'),
  target: z.string().describe('The path that was called; a dry run has ?dryRun=true behind it.'),
  outcome: z.enum(['open', 'succeeded', 'refused', 'failed', 'unknown']),
  status: z.int().optional(),
  code: z.string().optional(),
});

const query = z.strictObject({
  caller: z.string().max(200).optional().describe('Object id.'),
  operation: z.string().max(200).optional(),
  outcome: entryShape.shape.outcome.optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  $top: z.coerce.number().int().min(1).max(1000).default(100),
  $skiptoken: z.string().max(4000).optional(),
});

export const auditRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'Audit_List',
      summary: 'Who changed what, when, and how it ended; newest first.',
      method: 'GET',
      path: '/jump-servers/{name}/audit',
      role: 'Reader',
      query,
      responses: { 200: { description: 'The entries.', schema: listOf(entryShape) } },
    },
    async ({ params, query: { from, to, $top, $skiptoken, ...terms }, url }) => {
      const filter = {
        ...terms,
        ...(from === undefined ? {} : { from: new Date(from) }),
        ...(to === undefined ? {} : { to: new Date(to) }),
      };
      const { entries, continuation } = await listAudit(deps.tables, params.name, filter, $top, $skiptoken);
      const value = entries.map(({ jumpServer: _, time, ...entry }) => ({ ...entry, time: time.toISOString() }));
      if (continuation === undefined) return { body: { value } };
      url.searchParams.set('$skiptoken', continuation);
      return { body: { value, nextLink: url.href } };
    },
  ),
];
