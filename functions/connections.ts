import { z } from 'zod';
import { read } from '../shared/guacamole/change.ts';
import {
  type ConnectionBody,
  type ConnectionPatch,
  createConnection,
  deleteConnection,
  getConnection,
  listConnections,
  lockConnection,
  mergeConnection,
  replaceConnection,
  type StoredConnection,
} from '../shared/guacamole/connections.ts';
import { failures, flag } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { type Directory, directoryRoutes } from '../shared/guacamole/http/directory.ts';
import { connectionBody, connectionPatch, connectionShape } from '../shared/guacamole/shapes.ts';
import type { Route } from '../shared/http.ts';

const directory: Directory<StoredConnection, ConnectionBody, ConnectionBody, ConnectionPatch> = {
  path: 'connections',
  name: 'Connections',
  word: 'connection',
  shape: connectionShape,
  body: connectionBody,
  replacement: connectionBody,
  patch: connectionPatch,
  writeQuery: z.strictObject({ allowUnknownParameters: flag }),
  list: listConnections,
  get: getConnection,
  lock: lockConnection,
  version: ({ connection, etag }) => ({ value: connection, etag }),
  create: createConnection,
  replace: replaceConnection,
  merge: mergeConnection,
  remove: deleteConnection,
};

/** Connections, and their parameters for those who may change them. */
export function connectionsRoutes(deps: DatabaseDeps): Route[] {
  return [
    ...directoryRoutes(deps, directory),
    databaseRoute(
      deps,
      {
        operationId: 'Connections_GetParameters',
        summary: "Reads a connection's parameters, secrets included; every call is audited",
        method: 'GET',
        path: '/jump-servers/{name}/connections/{id}/parameters',
        role: 'Connection.Admin',
        audited: true,
        responses: { 200: { description: 'Names to values', schema: z.record(z.string(), z.string()) }, ...failures },
      },
      async ({ db, params }) => ({ body: (await read(db, (on) => getConnection(on, params.id))).parameters }),
    ),
  ];
}
