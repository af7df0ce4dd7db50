import { change, read } from '../shared/guacamole/change.ts';
import { type EntityType, getEntity } from '../shared/guacamole/entities.ts';
import { failures } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { grantPatch } from '../shared/guacamole/http/grantPatch.ts';
import { patchPermissions } from '../shared/guacamole/permissionPatch.ts';
import { getEffectivePermissions, getPermissions } from '../shared/guacamole/permissions.ts';
import { permissionsShape } from '../shared/guacamole/shapes.ts';
import type { Route } from '../shared/http.ts';

const answer = { 200: { description: 'Identifiers to permissions', schema: permissionsShape }, ...failures };

/** What users and user groups are granted, and what they may do in the end. */
export function permissionsRoutes(deps: DatabaseDeps): Route[] {
  return [...routesOf(deps, 'users', 'Users', 'USER'), ...routesOf(deps, 'user-groups', 'UserGroups', 'USER_GROUP')];
}

function routesOf(deps: DatabaseDeps, kind: 'users' | 'user-groups', name: string, type: EntityType): Route[] {
  const below = `/jump-servers/{name}/${kind}/{id}` as const;
  return [
    databaseRoute(
      deps,
      {
        operationId: `${name}_GetPermissions`,
        summary: 'Reads what is granted to it directly',
        method: 'GET',
        path: `${below}/permissions`,
        role: 'Reader',
        responses: answer,
      },
      async ({ db, params }) => ({
        body: await read(db, (on) => getPermissions(on, type, params.id)),
      }),
    ),
    databaseRoute(
      deps,
      {
        operationId: `${name}_GetEffectivePermissions`,
        summary: 'Reads what it may do in the end, through all its groups',
        method: 'GET',
        path: `${below}/effective-permissions`,
        role: 'Reader',
        responses: answer,
      },
      async ({ db, params }) => ({
        body: await read(db, (on) => getEffectivePermissions(on, type, params.id)),
      }),
    ),
    databaseRoute(
      deps,
      {
        operationId: `${name}_UpdatePermissions`,
        summary: "Grants and revokes, all or none, in Guacamole's JSON Patch",
        ...grantPatch,
        path: `${below}/permissions`,
        responses: answer,
      },
      async ({ db, auditId, params, body, caller }) =>
        change(db, auditId, async (tx) => {
          const { entityId } = await getEntity(tx, type, params.id);
          await patchPermissions(tx, caller, entityId, body);
          return { body: await getPermissions(tx, type, params.id) };
        }),
    ),
  ];
}
