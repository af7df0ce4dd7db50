import { act, actionOf } from './actions.ts';
import { type ArmEnv, kindOf } from './env.ts';
import { ArmError, methodNotAllowed, resourceNotFound } from './failure.ts';
import type { Faults } from './faults.ts';
import { checkGroup } from './groups.ts';
import { type ArmPath, groupName, key, lastName, parsePath } from './ids.ts';
import type { ActionRule, ArmAnswer, ArmRequest, Kind } from './kind.ts';
import { checkLocks } from './locks.ts';
import { matchRoute, type Route } from './provider.ts';
import { pageOf } from './read.ts';
import { checkRegistered } from './registration.ts';
import { remove } from './remove.ts';
import { show } from './show.ts';
import { pollAnswer } from './styles.ts';
import { write } from './write.ts';

/** What a request is about, found from its path alone. */
export interface Destination {
  /** For faults, throttling and the permission: the resource type, or the namespace of other calls. */
  type: string;
  namespace: string;
  /** Id or collection. */
  scope: string;
  permission: string;
  action?: string;
  answer(): Promise<ArmAnswer> | ArmAnswer;
  /** Operation polls need no permission on the resource. */
  poll?: string;
}

const operationWords = new Set([
  'operations',
  'operationresults',
  'azureasyncoperation',
  'privatednsoperationstatuses',
  'privatednsoperationresults',
]);
const readWords: Record<string, string> = { GET: 'read', HEAD: 'read', PUT: 'write', PATCH: 'write', DELETE: 'delete' };

export function findDestination(env: ArmEnv, routes: Route[], faults: Faults, request: ArmRequest): Destination {
  const path = parsePath(request.path);
  const poll = findPoll(env, path, request);
  if (poll) return poll;
  if (path.subscription !== undefined && key(path.subscription) !== key(env.context.subscriptionId))
    throw new ArmError(404, 'SubscriptionNotFound', `The subscription '${path.subscription}' could not be found.`);
  const special = matchRoute(routes, request.method, request.path);
  if (special) return routeDestination(env, special, path, faults, request);
  if (path.namespace === undefined) throw new ArmError(404, 'ResourceNotFound', `Nothing is at '${request.path}'.`);
  return resourceDestination(env, path, faults, request);
}

function findPoll(env: ArmEnv, path: ArmPath, request: ArmRequest): Destination | undefined {
  const word = path.segments.at(-2)?.toLowerCase() ?? '';
  if (request.method !== 'GET' || !operationWords.has(word)) return undefined;
  const namespace = path.namespace ?? 'Microsoft.Resources';
  const id = path.segments.at(-1) ?? '';
  return {
    type: `${namespace}/locations/operations`,
    namespace,
    scope: `/subscriptions/${path.subscription}`,
    permission: '',
    poll: id,
    answer() {
      const operation = env.operations.get(id);
      if (operation === undefined)
        throw new ArmError(404, 'OperationNotFound', `The operation '${id}' could not be found.`);
      const atResult = word.endsWith('results') || request.query.get('monitor') === 'true';
      const result = () => {
        if (operation.method === 'POST') return operation.result;
        const stored = env.state.get(operation.resourceId);
        return stored && show(stored, env, request);
      };
      return pollAnswer(operation, atResult ? 'result' : 'status', result, request.origin, env);
    },
  };
}

function routeDestination(
  env: ArmEnv,
  [route, params]: [Route, Record<string, string>],
  path: ArmPath,
  faults: Faults,
  request: ArmRequest,
): Destination {
  // A provider's registration is ARM's own matter.
  const own = path.tail.length === 0 || (path.tail.length === 1 && path.tail[0]?.toLowerCase() === 'register');
  const namespace = own ? 'Microsoft.Resources' : (path.namespace ?? 'Microsoft.Resources');
  const last = path.segments.at(-1);
  return {
    type: route.permission?.split('/').slice(0, -1).join('/') ?? namespace,
    namespace,
    scope: `/${path.segments.join('/')}`,
    permission: route.permission ?? '',
    ...(request.method === 'POST' && last ? { action: last } : {}),
    answer: () => route.handle(env, params, request, faults),
  };
}

function resourceDestination(env: ArmEnv, path: ArmPath, faults: Faults, request: ArmRequest): Destination {
  const namespace = path.namespace ?? '';
  const words = path.tail.filter((_, i) => i % 2 === 0);
  const whole = path.tail.length % 2 === 0;
  const isAction = !whole && request.method === 'POST';
  const typeWords = isAction ? words.slice(0, -1) : words;
  const kind = kindOf(env, [namespace, ...typeWords].join('/'));
  if (kind === undefined) throw unknownType(env, namespace, typeWords.join('/'));
  if (isAction) return actionDestination(env, kind, path, faults, request);
  const id = canonicalId(env, kind, path, whole);
  const verb = readWords[request.method];
  if (verb === undefined || (!whole && request.method !== 'GET')) throw methodNotAllowed(request.method, kind.type);
  return {
    type: kind.type,
    namespace: kind.type.slice(0, kind.type.indexOf('/')),
    scope: id,
    permission: `${kind.type}/${verb}`,
    answer: () => (whole ? answerResource(env, kind, id, faults, request) : answerList(env, kind, id, request)),
  };
}

function actionDestination(env: ArmEnv, kind: Kind, path: ArmPath, faults: Faults, request: ArmRequest): Destination {
  const name = path.tail.at(-1) ?? '';
  const found: [string, ActionRule] | undefined = actionOf(kind, name);
  if (found === undefined)
    throw new ArmError(404, 'InvalidResourceType', `The resource type '${kind.type}' has no action '${name}'.`);
  const id = canonicalId(env, kind, { ...path, tail: path.tail.slice(0, -1) }, true);
  return {
    type: kind.type,
    namespace: kind.type.slice(0, kind.type.indexOf('/')),
    scope: id,
    permission: `${kind.type}/${found[1].permission ?? `${found[0]}/action`}`,
    action: found[0],
    answer() {
      checkGroup(env, id, request.method);
      checkLocks(env, id, request.method);
      return act(env, faults, kind, id, found, request);
    },
  };
}

async function answerResource(
  env: ArmEnv,
  kind: Kind,
  id: string,
  faults: Faults,
  request: ArmRequest,
): Promise<ArmAnswer> {
  checkGroup(env, id, request.method);
  if (request.method === 'PUT' || request.method === 'PATCH') {
    checkRegistered(env, kind.type.slice(0, kind.type.indexOf('/')));
    checkLocks(env, id, request.method);
    checkParent(env, kind, id);
    if (kind.made && !kind.embedded && env.state.get(id) === undefined)
      throw methodNotAllowed(request.method, kind.type);
    checkName(kind, lastName(id));
    return write(env, faults, kind, id, request);
  }
  if (request.method === 'DELETE') {
    if (env.state.get(id) !== undefined) checkLocks(env, id, 'DELETE');
    return remove(env, faults, kind, id, request);
  }
  const stored = env.state.get(id);
  if (stored === undefined) throw resourceNotFound(kind.type, lastName(id), groupName(id));
  if (request.method === 'HEAD') return { status: 204 };
  return { status: 200, body: show(stored, env, request) };
}

function answerList(env: ArmEnv, kind: Kind, id: string, request: ArmRequest): ArmAnswer {
  checkGroup(env, id, 'GET');
  const path = parsePath(id);
  const below = path.tail.length > 1 ? `/${path.segments.slice(0, -1).join('/')}` : path.scope;
  if (path.tail.length > 1 && env.state.get(below) === undefined)
    throw new ArmError(404, 'ParentResourceNotFound', `The parent resource '${below}' could not be found.`);
  const resources = env.state.list(kind.type, below);
  return pageOf(resources, env, request);
}

function checkParent(env: ArmEnv, kind: Kind, id: string): void {
  if (kind.type.split('/').length < 3) return;
  const parent = id.split('/').slice(0, -2).join('/');
  if (env.state.get(parent) !== undefined) return;
  throw new ArmError(
    404,
    'ParentResourceNotFound',
    `Failed to perform 'write' on resource(s) of type '${kind.type.split('/').slice(1).join('/')}', because the parent resource '${parent}' could not be found.`,
  );
}

const reserved = /microsoft|windows|login|xbox/i;

function checkName(kind: Kind, name: string): void {
  // The exact list of reserved words is longer; LOGIN and XBOX may only not begin a name.
  const word = reserved.exec(name);
  if (word && (/^(microsoft|windows)$/i.test(word[0]) ? word[0].length === name.length : word.index === 0))
    throw new ArmError(
      400,
      'ReservedResourceName',
      `The resource name '${name}' or a part of the name is a trademarked or reserved word.`,
    );
  if (kind.namePattern && !kind.namePattern.test(name))
    throw new ArmError(
      400,
      'InvalidResourceName',
      `Resource name ${name} is invalid. The name must match ${kind.namePattern.source} for '${kind.type}'.`,
    );
}

/** The id in Azure's casing of the words and, for what exists, in the casing of its creation. */
function canonicalId(env: ArmEnv, kind: Kind, path: ArmPath, whole: boolean): string {
  const scope = path.scope.replace(/^\/subscriptions\/[^/]+/i, `/subscriptions/${env.context.subscriptionId}`);
  const group = /^(\/subscriptions\/[^/]+)\/resourcegroups\/([^/]+)/i.exec(scope);
  const known = group ? env.state.get(`${group[1]}/resourceGroups/${group[2]}`) : undefined;
  const fixed = group ? scope.replace(group[0], known?.id ?? `${group[1]}/resourceGroups/${group[2]}`) : scope;
  const [namespace, ...typeWords] = kind.type.split('/');
  const tail = path.tail.map((segment, i) => (i % 2 === 0 ? (typeWords[i / 2] ?? segment) : segment));
  const id = `${fixed}/providers/${namespace}/${tail.join('/')}`;
  return whole ? (env.state.get(id)?.id ?? id) : id;
}

function unknownType(env: ArmEnv, namespace: string, type: string): ArmError {
  const known = [...env.kinds.values()].some((kind) =>
    kind.type.toLowerCase().startsWith(`${namespace.toLowerCase()}/`),
  );
  return known
    ? new ArmError(
        404,
        'InvalidResourceType',
        `The resource type '${type}' could not be found in the namespace '${namespace}' for api version.`,
      )
    : new ArmError(404, 'InvalidResourceNamespace', `The resource namespace '${namespace}' is invalid.`);
}
