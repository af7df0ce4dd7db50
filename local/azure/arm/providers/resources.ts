import type { Stored } from '../../state.ts';
import { seconds } from '../durations.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import type { Faults } from '../faults.ts';
import { groupName, key, within } from '../ids.ts';
import type { ArmAnswer, ArmRequest } from '../kind.ts';
import { checkLocks } from '../locks.ts';
import type { Provider } from '../provider.ts';
import { page, parseFilter } from '../read.ts';
import { bodyErrors, readBody, type Shape } from '../shape.ts';
import { show } from '../show.ts';
import { acceptedAnswer } from '../styles.ts';
import { checkTags } from '../tags.ts';
import { subscriptionRoutes } from './subscriptions.ts';

const groupType = 'Microsoft.Resources/resourceGroups';
const permission = 'Microsoft.Resources/subscriptions/resourceGroups';
const groupPath = '/subscriptions/{subscription}/resourceGroups/{group}';

const groupShape: { readonly [property: string]: Shape } = {
  id: 'ro',
  name: 'ro',
  type: 'ro',
  location: 'string',
  managedBy: 'string',
  tags: { '*': 'string' },
  properties: { provisioningState: 'ro' },
};

const idOfGroup = (env: ArmEnv, name: string): string =>
  `/subscriptions/${env.context.subscriptionId}/resourceGroups/${name}`;

const notFound = (name: string): ArmError =>
  new ArmError(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`);

function findGroup(env: ArmEnv, name: string | undefined): Stored {
  const group = env.state.get(idOfGroup(env, name ?? ''));
  if (group === undefined) throw notFound(name ?? '');
  return group;
}

function putGroup(env: ArmEnv, params: Record<string, string>, request: ArmRequest): ArmAnswer {
  const name = params.group ?? '';
  if (name.length > 90 || !/^[-\w._()]+$/.test(name) || name.endsWith('.'))
    throw new ArmError(
      400,
      'InvalidResourceGroup',
      `The provided resource group name '${name}' has these invalid characters or length: 1 to 90 of letters, digits, - _ ( ) . and no dot at the end.`,
    );
  const body = readBody(groupShape, request.body, bodyErrors.arm);
  const existing = env.state.get(idOfGroup(env, name));
  if (existing) checkLocks(env, existing.id, 'PUT');
  if (existing?.properties.provisioningState === 'Deleting')
    throw new ArmError(
      409,
      'ResourceGroupBeingDeleted',
      `The resource group '${name}' is in deprovisioning state and cannot perform this operation.`,
    );
  const location =
    typeof body.location === 'string' ? body.location.toLowerCase().replaceAll(' ', '') : existing?.location;
  if (location === undefined)
    throw new ArmError(400, 'LocationRequired', 'The location property is required for this definition.');
  if (location !== env.context.location && existing === undefined)
    throw new ArmError(
      400,
      'LocationNotAvailableForResourceGroup',
      `The provided location '${location}' is not available for resource group. List of available regions is '${env.context.location}'.`,
    );
  if (existing && location !== existing.location)
    throw new ArmError(
      409,
      'InvalidResourceGroupLocation',
      `Invalid resource group location '${location}'. The Resource group already exists in location '${existing.location}'.`,
    );
  const tags = body.tags ?? (request.method === 'PATCH' ? existing?.tags : undefined);
  env.state.put({
    id: existing?.id ?? idOfGroup(env, name),
    name: existing?.name ?? name,
    type: groupType,
    location,
    ...(tags === undefined ? {} : { tags: checkTags(tags) }),
    properties: { provisioningState: 'Succeeded' },
    internal: existing?.internal ?? { created: new Date(env.clock.wall()).toISOString() },
  });
  return { status: existing ? 200 : 201, body: show(findGroup(env, name), env) };
}

function deleteGroup(env: ArmEnv, params: Record<string, string>, request: ArmRequest, faults: Faults): ArmAnswer {
  const group = findGroup(env, params.group);
  const running = env.operations.running(group.id);
  if (running) return acceptedAnswer(running, undefined, request.origin, env);
  checkLocks(env, group.id, 'DELETE');
  env.state.update(group.id, (copy) => {
    copy.properties.provisioningState = 'Deleting';
  });
  const kind = { type: groupType, style: 'sync', location: 'required', properties: {} } as const;
  const operation = env.operations.start(
    {
      kind: 'deleteGroup',
      resourceId: group.id,
      locks: [key(group.id)],
      type: groupType,
      method: 'DELETE',
      apiVersion: request.apiVersion,
      style: 'group',
      location: group.location,
      existed: true,
      failWith: faults.operation(request, kind, group.id),
    },
    seconds(groupType, 'delete') * 1000 * env.options.factor,
  );
  return acceptedAnswer(operation, undefined, request.origin, env);
}

/** GET resources of the subscription or of a group: the envelope only, with the filters that ARM knows. */
function listResources(env: ArmEnv, params: Record<string, string>, request: ArmRequest): ArmAnswer {
  if (params.group !== undefined) findGroup(env, params.group);
  const filters = parseFilter(request.query.get('$filter'));
  const expand = (request.query.get('$expand') ?? '').toLowerCase();
  const scope =
    params.group === undefined ? `/subscriptions/${env.context.subscriptionId}` : idOfGroup(env, params.group);
  const found = env.state
    .all()
    .filter((resource) => isTopLevel(resource) && within(resource.id, scope))
    .filter((resource) => filters.every(([name, value]) => passes(resource, name, value, filters)))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((resource) => ({
      id: resource.id,
      name: resource.name,
      type: resource.type,
      location: resource.location,
      ...(resource.sku ? { sku: resource.sku } : {}),
      ...(resource.identity ? { identity: resource.identity } : {}),
      ...(resource.tags ? { tags: resource.tags } : {}),
      ...(expand.includes('createdtime') ? { createdTime: resource.internal.created } : {}),
      ...(expand.includes('changedtime') ? { changedTime: resource.internal.changed } : {}),
      ...(expand.includes('provisioningstate')
        ? { provisioningState: resource.properties.provisioningState ?? 'Succeeded' }
        : {}),
    }));
  return page(found, request);
}

const trackedChildren = [
  'microsoft.network/privatednszones/virtualnetworklinks',
  'microsoft.compute/virtualmachines/extensions',
];

/** Tracked resources: groups, role assignments and records are not in the list. */
function isTopLevel(resource: Stored): boolean {
  if (resource.type === groupType || resource.type.startsWith('Microsoft.Authorization/')) return false;
  if (/\/deletedVaults$/i.test(resource.type)) return false;
  return resource.type.split('/').length === 2 || trackedChildren.includes(resource.type.toLowerCase());
}

const sameText = (a: string | undefined, b: string): boolean => a?.toLowerCase() === b.toLowerCase();

function passes(resource: Stored, name: string, value: string, all: [string, string][]): boolean {
  const tags = Object.entries(resource.tags ?? {});
  const tagName = all.find(([other]) => other.toLowerCase() === 'tagname')?.[1];
  const rules: Record<string, () => boolean> = {
    resourcetype: () => sameText(resource.type, value),
    name: () => sameText(resource.name, value),
    location: () => sameText(resource.location, value),
    resourcegroup: () => sameText(groupName(resource.id), value),
    tagname: () => tags.some(([tag]) => sameText(tag, value)),
    tagvalue: () =>
      tags.some(([tag, content]) => content === value && (tagName === undefined || sameText(tag, tagName))),
  };
  const rule = rules[name.toLowerCase()];
  if (rule === undefined)
    throw new ArmError(
      400,
      'InvalidFilterInQueryString',
      `Invalid $filter specified in the query string: '${name}' is not known.`,
    );
  return rule();
}

function listGroups(env: ArmEnv, _params: Record<string, string>, request: ArmRequest): ArmAnswer {
  const filters = parseFilter(request.query.get('$filter'));
  const groups = env.state
    .list(groupType)
    .filter((group) => filters.every(([name, value]) => passes(group, name, value, filters)))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return page(
    groups.map((group) => show(group, env)),
    request,
  );
}

export const resources: Provider = {
  namespace: 'Microsoft.Resources',
  kinds: [{ type: groupType, style: 'sync', location: 'required', properties: {}, made: true }],
  routes: [
    { method: 'PUT', pattern: groupPath, permission: `${permission}/write`, handle: putGroup },
    {
      method: 'PATCH',
      pattern: groupPath,
      permission: `${permission}/write`,
      handle: (env, params, request) => {
        findGroup(env, params.group);
        return putGroup(env, params, request);
      },
    },
    {
      method: 'GET',
      pattern: groupPath,
      permission: `${permission}/read`,
      handle: (env, params) => ({ status: 200, body: show(findGroup(env, params.group), env) }),
    },
    {
      method: 'HEAD',
      pattern: groupPath,
      permission: `${permission}/read`,
      // A HEAD has no body, also when the answer is no.
      handle: (env, params) => ({ status: env.state.get(idOfGroup(env, params.group ?? '')) ? 204 : 404 }),
    },
    { method: 'DELETE', pattern: groupPath, permission: `${permission}/delete`, handle: deleteGroup },
    {
      method: 'GET',
      pattern: '/subscriptions/{subscription}/resourceGroups',
      permission: `${permission}/read`,
      handle: listGroups,
    },
    {
      method: 'GET',
      pattern: '/subscriptions/{subscription}/resources',
      permission: 'Microsoft.Resources/subscriptions/resources/read',
      handle: listResources,
    },
    {
      method: 'GET',
      pattern: `${groupPath}/resources`,
      permission: 'Microsoft.Resources/subscriptions/resources/read',
      handle: listResources,
    },
    ...subscriptionRoutes,
  ],
};
