import type { ArmEnv } from '../env.ts';
import { ArmError, resourceNotFound } from '../failure.ts';
import { key, lastName, within } from '../ids.ts';
import type { ArmAnswer, ArmRequest, Draft } from '../kind.ts';
import type { Provider } from '../provider.ts';
import { assignmentType } from '../rbac.ts';
import { show } from '../show.ts';
import { asText, sameJson } from '../values.ts';
import { definitionId, guid, roleDefinitionKind, roleDefinitionRoutes, roleOf } from './roleDefinitions.ts';

const scopeOf = (id: string, type: string): string =>
  id.slice(0, id.toLowerCase().lastIndexOf(`/providers/${type.toLowerCase()}/`)) || '/';

function prepareAssignment({ resource, existing, env, caller }: Draft): void {
  const { properties } = resource;
  const scope = scopeOf(resource.id, assignmentType);
  if (!guid.test(resource.name))
    throw new ArmError(
      400,
      'InvalidRoleAssignmentId',
      `The role assignment ID '${resource.name}' is not valid. The role assignment ID must be a GUID.`,
    );
  const role = roleOf(env, asText(properties.roleDefinitionId));
  if (scope.split('/').length > 5 && env.state.get(scope) === undefined)
    throw resourceNotFound('scope', scope, undefined);
  const same = env.state
    .list(assignmentType)
    .find(
      (other) =>
        key(other.id) !== key(resource.id) &&
        other.properties.principalId === properties.principalId &&
        key(asText(other.properties.scope)) === key(scope) &&
        lastName(asText(other.properties.roleDefinitionId)) === role.id,
    );
  if (same)
    throw new ArmError(
      409,
      'RoleAssignmentExists',
      `The role assignment already exists. The ID of the conflicting role assignment is ${same.name.replaceAll('-', '')}.`,
    );
  checkPrincipal(env, properties);
  if (existing) checkUnchanged(existing.properties, properties);
  Object.assign(properties, {
    scope,
    roleDefinitionId: definitionId(env, role.id),
    principalType: properties.principalType ?? 'ServicePrincipal',
    createdOn: existing?.properties.createdOn ?? new Date(env.clock.wall()).toISOString(),
    updatedOn: new Date(env.clock.wall()).toISOString(),
    createdBy: existing?.properties.createdBy ?? caller.objectId,
    updatedBy: caller.objectId,
  });
  resource.internal.since = existing?.internal.since ?? env.clock.wall();
}

// Azure updates nothing but description and condition of an assignment.
function checkUnchanged(before: Record<string, unknown>, now: Record<string, unknown>): void {
  const same =
    before.principalId === now.principalId &&
    sameJson(lastName(asText(before.roleDefinitionId)), lastName(asText(now.roleDefinitionId)));
  if (!same)
    throw new ArmError(
      409,
      'RoleAssignmentUpdateNotPermitted',
      'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.',
    );
}

/** A principal that was made a moment ago is not yet known to Entra ID's replicas: only `principalType` skips the look-up. */
function checkPrincipal(env: ArmEnv, properties: Record<string, unknown>): void {
  const principalId = asText(properties.principalId);
  if (!guid.test(principalId))
    throw new ArmError(400, 'InvalidPrincipalId', `A valid principal ID must be provided for role assignment.`);
  if (properties.principalType !== undefined) return;
  const owner = env.state
    .all()
    .filter(({ type }) => type !== assignmentType)
    .find(({ identity, properties: own }) => identity?.principalId === principalId || own.principalId === principalId);
  const age = owner === undefined ? 0 : env.clock.wall() - Date.parse(asText(owner.internal.created));
  if (owner !== undefined && age > 60_000 * env.options.factor) return;
  throw new ArmError(
    400,
    'PrincipalNotFound',
    `Principal ${principalId.replaceAll('-', '')} does not exist in the directory ${env.context.tenantId}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.`,
  );
}

/** At, above and (without `atScope()`) below the scope, as Azure lists them. */
function listAssignments(env: ArmEnv, params: Record<string, string>, request: ArmRequest): ArmAnswer {
  const scope = `/${params.scope ?? ''}`.replace(/\/$/, '').replace(/^\/\//, '/');
  const filter = request.query.get('$filter') ?? '';
  const principal = /(?:principalId eq|assignedTo\()\s*'([^']+)'/i.exec(filter)?.[1];
  const atScope = /atScope\(\)/i.test(filter);
  const value = env.state
    .list(assignmentType)
    .filter(({ properties }) => {
      const own = asText(properties.scope);
      if (principal !== undefined && properties.principalId !== principal) return false;
      return within(scope, own) || (!atScope && within(own, scope));
    })
    .map((assignment) => show(assignment, env));
  return { status: 200, body: { value } };
}

export const authorization: Provider = {
  namespace: 'Microsoft.Authorization',
  kinds: [
    {
      type: assignmentType,
      style: 'sync',
      location: 'none',
      properties: {
        'roleDefinitionId!': 'string',
        'principalId!': 'string',
        principalType: 'User|Group|ServicePrincipal|ForeignGroup|Device',
        description: 'string',
        condition: 'string',
        conditionVersion: 'string',
        delegatedManagedIdentityResourceId: 'string',
        scope: 'ro',
        createdOn: 'ro',
        updatedOn: 'ro',
        createdBy: 'ro',
        updatedBy: 'ro',
      },
      prepare: prepareAssignment,
    },
    roleDefinitionKind,
    {
      type: 'Microsoft.Authorization/locks',
      style: 'sync',
      location: 'none',
      properties: { 'level!': 'CanNotDelete|ReadOnly', notes: 'string', owners: ['any'] },
    },
  ],
  routes: [
    ...roleDefinitionRoutes,
    {
      method: 'GET',
      pattern: `/{scope*}/providers/${assignmentType}`,
      permission: `${assignmentType}/read`,
      handle: listAssignments,
    },
  ],
};
