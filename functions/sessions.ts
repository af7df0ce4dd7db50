import { read } from '../shared/guacamole/change.ts';
import { listHistory } from '../shared/guacamole/history.ts';
import { failures } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { listQuery } from '../shared/guacamole/listing.ts';
import { recordShape } from '../shared/guacamole/shapes.ts';
import { listOf, type Route } from '../shared/http.ts';

/** Sessions that are open on any node. */
export function sessionsRoutes(deps: DatabaseDeps): Route[] {
  return [
    databaseRoute(
      deps,
      {
        operationId: 'Sessions_List',
        summary: 'Lists open sessions of all nodes, oldest first',
        method: 'GET',
        path: '/jump-servers/{name}/sessions',
        role: 'Reader',
        query: listQuery,
        responses: { 200: { description: 'Records without an end', schema: listOf(recordShape) }, ...failures },
      },
      async ({ db, query, url }) => ({ body: await read(db, (on) => listHistory(on, 'sessions', query, url)) }),
    ),
  ];
}
