import { requireMatch } from '../shared/etag.ts';
import { change } from '../shared/guacamole/change.ts';
import { refuseAdministrators } from '../shared/guacamole/guards.ts';
import { versionedFailures } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { type Directory, directoryRoutes, noWriteQuery } from '../shared/guacamole/http/directory.ts';
import { passwordChange, userBody, userPatch, userReplacement, userShape } from '../shared/guacamole/shapes.ts';
import {
  createUser,
  deleteUser,
  getUser,
  listUsers,
  lockUser,
  mergeUser,
  replaceUser,
  requirePassword,
  type StoredUser,
  setPassword,
  type UserBody,
  type UserPatch,
  type UserReplacement,
} from '../shared/guacamole/users.ts';
import type { Route } from '../shared/http.ts';

const directory: Directory<StoredUser, UserBody, UserReplacement, UserPatch> = {
  path: 'users',
  name: 'Users',
  word: 'user',
  shape: userShape,
  body: userBody,
  replacement: userReplacement,
  patch: userPatch,
  writeQuery: noWriteQuery,
  list: listUsers,
  get: getUser,
  lock: lockUser,
  version: ({ user, etag }) => ({ value: user, etag }),
  create: async (tx, body) => {
    await createUser(tx, body);
    return body.username;
  },
  replace: async (tx, stored, body, { caller }) => {
    await refuseAdministrators(tx, caller, [stored.entityId]);
    await replaceUser(tx, stored, body);
  },
  merge: async (tx, stored, patch, { caller }) => {
    await refuseAdministrators(tx, caller, [stored.entityId]);
    await mergeUser(tx, stored, patch);
  },
  remove: async (tx, stored, { caller }) => {
    await refuseAdministrators(tx, caller, [stored.entityId]);
    await deleteUser(tx, stored);
  },
};

/** Users and their passwords. */
export function usersRoutes(deps: DatabaseDeps): Route[] {
  return [
    ...directoryRoutes(deps, directory),
    databaseRoute(
      deps,
      {
        operationId: 'Users_SetPassword',
        summary: "Sets a user's password; with oldPassword only when that is right",
        method: 'PUT',
        path: '/jump-servers/{name}/users/{id}/password',
        role: 'Connection.Admin',
        body: passwordChange,
        responses: { 204: { description: 'Set' }, ...versionedFailures },
      },
      async ({ db, auditId, params, body, caller, headers }) =>
        change(db, auditId, async (tx) => {
          const stored = await lockUser(tx, params.id);
          requireMatch(headers, stored.etag);
          await refuseAdministrators(tx, caller, [stored.entityId]);
          if (body.oldPassword) requirePassword(stored, body.oldPassword);
          await setPassword(tx, stored, body.newPassword);
          return { status: 204 };
        }),
    ),
  ];
}
