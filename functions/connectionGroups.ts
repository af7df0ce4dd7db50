import { z } from 'zod';
import { read } from '../shared/guacamole/change.ts';
import {
  type ConnectionGroupBody,
  type ConnectionGroupPatch,
  createConnectionGroup,
  deleteConnectionGroup,
  getConnectionGroup,
  listConnectionGroups,
  lockConnectionGroup,
  mergeConnectionGroup,
  replaceConnectionGroup,
  type StoredConnectionGroup,
} from '../shared/guacamole/connectionGroups.ts';
import { failures, flag } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { type Directory, directoryRoutes } from '../shared/guacamole/http/directory.ts';
import { connectionGroupBody, connectionGroupPatch, connectionGroupShape } from '../shared/guacamole/shapes.ts';
import { readTree, treeShape } from '../shared/guacamole/tree.ts';
import type { Route } from '../shared/http.ts';

const directory: Directory<StoredConnectionGroup, ConnectionGroupBody, ConnectionGroupBody, ConnectionGroupPatch> = {
  path: 'connection-groups',
  name: 'ConnectionGroups',
  word: 'connection group',
  shape: connectionGroupShape,
  body: connectionGroupBody,
  replacement: connectionGroupBody,
  patch: connectionGroupPatch,
  writeQuery: z.strictObject({ recursive: flag }),
  list: listConnectionGroups,
  get: getConnectionGroup,
  lock: lockConnectionGroup,
  version: ({ group, etag }) => ({ value: group, etag }),
  create: createConnectionGroup,
  replace: (tx, stored, body) => replaceConnectionGroup(tx, stored, body),
  merge: mergeConnectionGroup,
  remove: (tx, stored, { recursive }) => deleteConnectionGroup(tx, stored, recursive === true),
};

/** Connection groups, and the tree below one of them or `ROOT`. */
export function connectionGroupsRoutes(deps: DatabaseDeps): Route[] {
  return [
    ...directoryRoutes(deps, directory),
    databaseRoute(
      deps,
      {
        operationId: 'ConnectionGroups_GetTree',
        summary: 'Reads a group with everything below it',
        method: 'GET',
        path: '/jump-servers/{name}/connection-groups/{id}/tree',
        role: 'Reader',
        responses: { 200: { description: 'The group, nested', schema: treeShape }, ...failures },
      },
      async ({ db, params }) => ({ body: await read(db, (on) => readTree(on, params.id)) }),
    ),
  ];
}
