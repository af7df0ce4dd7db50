import { z } from 'zod';
import { read } from '../shared/guacamole/change.ts';
import { failures, flag } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { importFormat, readImport } from '../shared/guacamole/import/readFile.ts';
import { dryRunImport, importReport, runImport } from '../shared/guacamole/import/runImport.ts';
import type { Route } from '../shared/http.ts';

const query = z.strictObject({
  dryRun: flag,
  replaceConnections: flag,
  resetPermissions: flag,
  createGroups: flag,
  allowUnknownParameters: flag,
  fileName: z.string().max(260).optional(),
});

/** Guacamole's import files. */
export function importsRoutes(deps: DatabaseDeps): Route[] {
  return [
    databaseRoute(
      deps,
      {
        operationId: 'Imports_Run',
        summary:
          "Imports connections from Guacamole's CSV, JSON or YAML, all or none, or says what that would do (dryRun)",
        method: 'POST',
        path: '/jump-servers/{name}/imports',
        role: 'Connection.Admin',
        query,
        responses: { 200: { description: 'What was done with every record', schema: importReport }, ...failures },
      },
      async ({ db, auditId, caller, stream, headers, query: { dryRun, fileName, ...options } }) => {
        const format = importFormat(headers.get('content-type'), fileName);
        const records = await readImport(stream, format, headers.get('content-length'), options.allowUnknownParameters);
        const body = dryRun
          ? await read(db, (on) => dryRunImport(on, caller, records, options))
          : await runImport(db, auditId, caller, records, options);
        return { body };
      },
    ),
  ];
}
