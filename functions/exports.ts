import { z } from 'zod';
import { textStream } from '../shared/guacamole/csvText.ts';
import { writeExport } from '../shared/guacamole/export/writeFile.ts';
import { failures } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import type { ImportFormat } from '../shared/guacamole/import/readFile.ts';
import type { Route } from '../shared/http.ts';

const contentTypes: Record<ImportFormat, string> = {
  csv: 'text/csv; charset=utf-8',
  json: 'application/json',
  yaml: 'application/yaml',
};

/** Everything that an import brings, back in the same formats. */
export function exportsRoutes(deps: DatabaseDeps): Route[] {
  return [
    databaseRoute(
      deps,
      {
        operationId: 'Exports_Get',
        summary: 'Writes all connections, secrets included, as a file that an import takes; every call is audited',
        method: 'GET',
        path: '/jump-servers/{name}/exports',
        role: 'Connection.Admin',
        audited: true,
        query: z.strictObject({ format: z.enum(['csv', 'json', 'yaml']).default('json') }),
        responses: { 200: { description: 'The file' }, ...failures },
      },
      async ({ db, params, query: { format } }) => ({
        body: await textStream(writeExport(db, format)),
        headers: {
          'content-type': contentTypes[format],
          'content-disposition': `attachment; filename="${params.name}.${format}"`,
        },
      }),
    ),
  ];
}
