import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key, lastName } from '../ids.ts';
import type { ArmAnswer, ArmRequest, Kind } from '../kind.ts';
import type { Route } from '../provider.ts';
import { assignmentType, customRoles, definitionType, findRole } from '../rbac.ts';
import { parseFilter } from '../read.ts';
import { builtInRoles, type Role } from '../roles.ts';
import { asText, objects } from '../values.ts';

export const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const definitionId = (env: ArmEnv, id: string): string =>
  `/subscriptions/${env.context.subscriptionId}/providers/${definitionType}/${id}`;

/** Throws 404 for a role that does not exist. */
export function roleOf(env: ArmEnv, id: string): Role {
  const role = findRole(env.state, id);
  if (role !== undefined) return role;
  throw new ArmError(
    404,
    'RoleDefinitionDoesNotExist',
    `The specified role definition with ID '${lastName(id)}' does not exist.`,
  );
}

const showRole = (env: ArmEnv, role: Role) => ({
  id: definitionId(env, role.id),
  name: role.id,
  type: definitionType,
  properties: {
    roleName: role.name,
    type: builtInRoles.includes(role) ? 'BuiltInRole' : 'CustomRole',
    description: role.name,
    assignableScopes: builtInRoles.includes(role) ? ['/'] : [`/subscriptions/${env.context.subscriptionId}`],
    permissions: [
      {
        actions: role.actions,
        notActions: role.notActions ?? [],
        dataActions: role.dataActions ?? [],
        notDataActions: [],
      },
    ],
  },
});

function list(env: ArmEnv, _params: Record<string, string>, request: ArmRequest): ArmAnswer {
  const name = parseFilter(request.query.get('$filter')).find(([member]) => member.toLowerCase() === 'rolename')?.[1];
  const roles = [...builtInRoles, ...customRoles(env.state)];
  const wanted = roles.filter((role) => name === undefined || key(role.name) === key(name));
  return { status: 200, body: { value: wanted.map((role) => showRole(env, role)) } };
}

const get = (env: ArmEnv, { role = '' }: Record<string, string>): ArmAnswer => ({
  status: 200,
  body: showRole(env, roleOf(env, role)),
});

/** Custom roles: what a deployment defines for itself. */
export const roleDefinitionKind: Kind = {
  type: definitionType,
  style: 'sync',
  location: 'none',
  properties: {
    'roleName!': 'string',
    description: 'string',
    type: 'string',
    assignableScopes: ['string'],
    'permissions!': [
      { actions: ['string'], notActions: ['string'], dataActions: ['string'], notDataActions: ['string'], '*': 'ro' },
    ],
    '*': 'ro',
  },
  prepare({ resource, env }) {
    if (!guid.test(resource.name))
      throw new ArmError(400, 'InvalidRoleDefinitionId', `The role definition ID '${resource.name}' must be a GUID.`);
    if (builtInRoles.some((role) => role.id === key(resource.name)))
      throw new ArmError(400, 'RoleDefinitionIsBuiltIn', `'${resource.name}' is a built-in role.`);
    const name = asText(resource.properties.roleName);
    const roles = [...builtInRoles, ...customRoles(env.state)];
    if (roles.some((role) => key(role.name) === key(name) && role.id !== key(resource.name)))
      throw new ArmError(
        409,
        'RoleDefinitionWithSameNameExists',
        `The specified role definition already exists with name '${name}'.`,
      );
    if (objects(resource.properties.permissions).length === 0)
      throw new ArmError(400, 'InvalidRoleDefinition', `The role '${name}' has no permissions.`);
    resource.properties.type = 'CustomRole';
  },
  checkDelete(role, env) {
    const used = env.state
      .list(assignmentType)
      .some(({ properties }) => key(lastName(asText(properties.roleDefinitionId))) === key(role.name));
    if (used)
      throw new ArmError(400, 'RoleDefinitionHasAssignments', 'There are existing role assignments referencing role.');
  },
};

const read = `${definitionType}/read`;

export const roleDefinitionRoutes: Route[] = [
  { method: 'GET', pattern: `/{scope*}/providers/${definitionType}`, permission: read, handle: list },
  { method: 'GET', pattern: `/providers/${definitionType}`, handle: list },
  { method: 'GET', pattern: `/{scope*}/providers/${definitionType}/{role}`, permission: read, handle: get },
  { method: 'GET', pattern: `/providers/${definitionType}/{role}`, handle: get },
];
