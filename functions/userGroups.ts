import { z } from 'zod';
import { change, read } from '../shared/guacamole/change.ts';
import { type EntityType, getEntity } from '../shared/guacamole/entities.ts';
import { refuseAdministrators } from '../shared/guacamole/guards.ts';
import { failures } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { type Directory, directoryRoutes, noWriteQuery } from '../shared/guacamole/http/directory.ts';
import { grantPatch } from '../shared/guacamole/http/grantPatch.ts';
import { patchGroupsOf, patchMembers, readGroupsOf, readMembers } from '../shared/guacamole/members.ts';
import { userGroupBody, userGroupPatch, userGroupReplacement, userGroupShape } from '../shared/guacamole/shapes.ts';
import {
  createUserGroup,
  deleteUserGroup,
  getUserGroup,
  listUserGroups,
  lockUserGroup,
  mergeUserGroup,
  replaceUserGroup,
  type StoredUserGroup,
  type UserGroupBody,
  type UserGroupPatch,
  type UserGroupReplacement,
} from '../shared/guacamole/userGroups.ts';
import type { Route } from '../shared/http.ts';

const directory: Directory<StoredUserGroup, UserGroupBody, UserGroupReplacement, UserGroupPatch> = {
  path: 'user-groups',
  name: 'UserGroups',
  word: 'user group',
  shape: userGroupShape,
  body: userGroupBody,
  replacement: userGroupReplacement,
  patch: userGroupPatch,
  writeQuery: noWriteQuery,
  list: listUserGroups,
  get: getUserGroup,
  lock: lockUserGroup,
  version: ({ group, etag }) => ({ value: group, etag }),
  create: async (tx, body) => {
    await createUserGroup(tx, body);
    return body.identifier;
  },
  replace: async (tx, stored, body, { caller }) => {
    await refuseAdministrators(tx, caller, [stored.entityId]);
    await replaceUserGroup(tx, stored, body);
  },
  merge: async (tx, stored, patch, { caller }) => {
    await refuseAdministrators(tx, caller, [stored.entityId]);
    await mergeUserGroup(tx, stored, patch);
  },
  remove: async (tx, stored, { caller }) => {
    await refuseAdministrators(tx, caller, [stored.entityId]);
    await deleteUserGroup(tx, stored);
  },
};

const membersShape = z.object({ memberUsers: z.array(z.string()), memberUserGroups: z.array(z.string()) });

/** User groups, who is in them, and which of them a user or group is in. */
export function userGroupsRoutes(deps: DatabaseDeps): Route[] {
  return [
    ...directoryRoutes(deps, directory),
    ...membersRoutes(deps),
    ...groupsOfRoutes(deps, 'users', 'Users', 'USER'),
    ...groupsOfRoutes(deps, 'user-groups', 'UserGroups', 'USER_GROUP'),
  ];
}

function membersRoutes(deps: DatabaseDeps): Route[] {
  const path = '/jump-servers/{name}/user-groups/{id}/members';
  const answer = { 200: { description: 'Who is directly in the group', schema: membersShape }, ...failures };
  return [
    databaseRoute(
      deps,
      {
        operationId: 'UserGroups_GetMembers',
        summary: 'Lists who is in a user group',
        method: 'GET',
        path,
        role: 'Reader',
        responses: answer,
      },
      async ({ db, params }) => ({
        body: await read(db, async (on) => readMembers(on, (await getEntity(on, 'USER_GROUP', params.id)).id)),
      }),
    ),
    databaseRoute(
      deps,
      {
        operationId: 'UserGroups_UpdateMembers',
        summary: 'Adds and removes members, all or none: paths /memberUsers and /memberUserGroups',
        ...grantPatch,
        path,
        responses: answer,
      },
      async ({ db, auditId, params, body, caller }) =>
        change(db, auditId, async (tx) => {
          const group = await lockUserGroup(tx, params.id);
          await patchMembers(tx, caller, group, body);
          return { body: await readMembers(tx, group.groupId) };
        }),
    ),
  ];
}

function groupsOfRoutes(deps: DatabaseDeps, kind: 'users' | 'user-groups', name: string, type: EntityType): Route[] {
  const path = `/jump-servers/{name}/${kind}/{id}/groups` as const;
  const answer = {
    200: { description: 'Names of the groups that it is directly in', schema: z.array(z.string()) },
    ...failures,
  };
  return [
    databaseRoute(
      deps,
      {
        operationId: `${name}_GetGroups`,
        summary: 'Lists the user groups it is in',
        method: 'GET',
        path,
        role: 'Reader',
        responses: answer,
      },
      async ({ db, params }) => ({
        body: await read(db, async (on) => readGroupsOf(on, (await getEntity(on, type, params.id)).entityId)),
      }),
    ),
    databaseRoute(
      deps,
      {
        operationId: `${name}_UpdateGroups`,
        summary: 'Puts it into user groups and takes it out, all or none: path /',
        ...grantPatch,
        path,
        responses: answer,
      },
      async ({ db, auditId, params, body, caller }) =>
        change(db, auditId, async (tx) => {
          const { entityId } = await getEntity(tx, type, params.id);
          await patchGroupsOf(tx, caller, entityId, body);
          return { body: await readGroupsOf(tx, entityId) };
        }),
    ),
  ];
}
