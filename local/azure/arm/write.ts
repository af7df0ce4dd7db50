import type { Stored } from '../state.ts';
import { checkLinked, checkReferences, checkRemovedParts } from './checks.ts';
import { seconds } from './durations.ts';
import { type ArmEnv, planeOf } from './env.ts';
import { ArmError, resourceNotFound } from './failure.ts';
import type { Faults } from './faults.ts';
import { groupName, key, lastName, parentId } from './ids.ts';
import type { ArmAnswer, ArmRequest, Draft, Kind } from './kind.ts';
import { checkNotBusy, locksOf } from './locks.ts';
import type { NewOperation } from './operations.ts';
import { bodyErrors, readBody } from './shape.ts';
import { completeParts, show } from './show.ts';
import { acceptedAnswer } from './styles.ts';
import { checkTags } from './tags.ts';
import { asObject, getAt, type Json, merge, objects, sameJson, setAt } from './values.ts';

export const errorsOf = (kind: Kind) =>
  kind.style === 'network' ? bodyErrors.network : kind.style === 'compute' ? bodyErrors.compute : bodyErrors.arm;

const envelope = {
  id: 'ro',
  name: 'ro',
  type: 'ro',
  etag: 'ro',
  systemData: 'ro',
  location: 'string',
  tags: { '*': 'string' },
} as const;

/** PUT or PATCH of one resource: checked, then accepted, then (in an operation) done. */
export async function write(
  env: ArmEnv,
  faults: Faults,
  kind: Kind,
  id: string,
  request: ArmRequest,
): Promise<ArmAnswer> {
  if (kind.embedded) return writeEmbedded(env, faults, kind, id, request);
  const existing = env.state.get(id);
  if (request.method === 'PATCH' && existing === undefined)
    throw resourceNotFound(kind.type, lastName(id), groupName(id));
  checkEtag(existing, request, env);
  const body = readBody(shapeOf(kind, request.method), request.body, errorsOf(kind));
  const full = request.method === 'PATCH' ? patched(kind, existing, body) : body;
  if (existing !== undefined) checkNotBusy(env, kind, existing, request.method);
  const draft = makeDraft(env, kind, id, existing, full, request);
  return accept(env, faults, kind, draft, request);
}

function shapeOf(kind: Kind, method: string): { readonly [property: string]: import('./shape.ts').Shape } {
  if (method === 'PATCH' && kind.patch !== 'merge') return { tags: { '*': 'string' } };
  return {
    ...envelope,
    ...kind.extra,
    properties: { provisioningState: 'ro', resourceGuid: 'ro', ...kind.properties },
  };
}

function patched(kind: Kind, existing: Stored | undefined, body: Json): Json {
  if (existing === undefined) return body;
  const { internal: _internal, id: _id, name: _name, type: _type, etag: _etag, ...rest } = existing;
  const base = structuredClone(rest) as unknown as Json;
  // Tags in a network PATCH replace all tags; elsewhere they are merged.
  if (kind.patch !== 'merge') return { ...base, tags: body.tags };
  const tags = body.tags === undefined ? base.tags : body.tags;
  return { ...merge(base, body), tags };
}

function makeDraft(
  env: ArmEnv,
  kind: Kind,
  id: string,
  existing: Stored | undefined,
  body: Json,
  request: ArmRequest,
): Draft {
  const { properties, location, tags, ...rest } = structuredClone(body);
  const resource: Stored = {
    id: existing?.id ?? id,
    name: existing?.name ?? lastName(id),
    type: kind.type,
    ...(kind.location === 'none' ? {} : { location: checkLocation(env, kind, existing, location, id) }),
    ...(tags === undefined ? {} : { tags: checkTags(tags) }),
    ...rest,
    properties: asObject(properties),
    internal: {
      created: new Date(env.clock.wall()).toISOString(),
      ...existing?.internal,
      changed: new Date(env.clock.wall()).toISOString(),
    },
  };
  return { resource, existing, body, apiVersion: request.apiVersion, caller: request.caller, env };
}

function checkLocation(env: ArmEnv, kind: Kind, existing: Stored | undefined, given: unknown, id: string): string {
  const wanted = typeof given === 'string' ? given.toLowerCase().replaceAll(' ', '') : undefined;
  if (wanted === undefined) {
    if (existing?.location !== undefined) return existing.location;
    throw new ArmError(400, 'LocationRequired', 'The location property is required for this definition.');
  }
  if (existing?.location !== undefined && existing.location !== wanted)
    throw new ArmError(
      409,
      'InvalidResourceLocation',
      `The resource '${lastName(id)}' already exists in location '${existing.location}' in resource group '${groupName(id)}'. A resource with the same name cannot be created in location '${wanted}'. Please select a new resource name.`,
    );
  const offered = kind.location === 'global' ? 'global' : env.context.location;
  if (wanted !== offered)
    throw new ArmError(
      400,
      'LocationNotAvailableForResourceType',
      `The provided location '${wanted}' is not available for resource type '${kind.type}'. List of available regions for the resource type is '${offered}'.`,
    );
  return wanted;
}

function checkEtag(existing: Stored | undefined, request: ArmRequest, env: ArmEnv): void {
  const match = request.headers['if-match'];
  const noneMatch = request.headers['if-none-match'];
  if (noneMatch === '*' && existing !== undefined)
    throw new ArmError(412, 'PreconditionFailed', 'Precondition failed.', {
      details: [{ code: 'PreconditionFailed', message: `The resource ${existing.id} already exists.` }],
    });
  if (match === undefined || match === '*') return;
  const etag = existing === undefined ? undefined : show(existing, env).etag;
  if (etag !== match)
    throw new ArmError(412, 'PreconditionFailed', 'Precondition failed.', {
      details: [
        {
          code: 'PreconditionFailedEtagMismatch',
          message: `Etag provided in if-match header ${match} does not match etag ${etag ?? '<none>'} of resource ${existing?.id ?? request.path} in NRP data store.`,
        },
      ],
    });
}

/** Second half: everything from here to the stored acceptance happens in one go. */
async function accept(env: ArmEnv, faults: Faults, kind: Kind, draft: Draft, request: ArmRequest): Promise<ArmAnswer> {
  const { resource, existing } = draft;
  keepImmutable(kind, draft);
  const secrets = takeSecrets(kind, resource);
  checkParts(kind, resource);
  completeParts(kind, resource);
  kind.prepare?.(draft);
  completeParts(kind, resource);
  checkReferences(env, kind, resource);
  checkLinked(env, kind, resource, request.caller);
  checkRemovedParts(env, kind, existing, resource);
  const words = kind.state ?? {
    property: 'provisioningState',
    creating: 'Creating',
    updating: 'Updating',
    ready: 'Succeeded',
  };
  const instant = kind.style === 'sync' || kind.instant?.includes(request.method as 'PUT');
  const word = instant ? words.ready : existing === undefined ? words.creating : words.updating;
  if (kind.style !== 'sync' || kind.state !== undefined) resource.properties[words.property] = word;
  completeParts(kind, resource);
  env.state.put(resource);
  kind.accepted?.(draft);
  if (instant) return finishNow(env, kind, draft, secrets, request);
  const verb = existing === undefined ? createVerb(kind, resource) : 'update';
  const operation: NewOperation = {
    kind: 'put',
    resourceId: resource.id,
    locks: locksOf(kind, resource.id),
    type: kind.type,
    method: request.method,
    apiVersion: request.apiVersion,
    style: kind.style,
    location: resource.location ?? env.state.get(parentId(resource.id))?.location,
    existed: existing !== undefined,
    failWith: faults.operation(request, kind, resource.id),
  };
  return startWrite(env, kind, resource.id, resource.id, operation, seconds(kind.type, verb), secrets, request);
}

const createVerb = (kind: Kind, resource: Stored): string =>
  kind.type === 'Microsoft.DBforMySQL/flexibleServers' &&
  (getAt(resource, 'properties.highAvailability.mode') ?? 'Disabled') !== 'Disabled'
    ? 'createWithHa'
    : 'create';

async function startWrite(
  env: ArmEnv,
  kind: Kind,
  id: string,
  shownId: string,
  draft: NewOperation,
  length: number,
  secrets: Json,
  request: ArmRequest,
): Promise<ArmAnswer> {
  const operation = env.operations.start(draft, length * 1000 * env.options.factor, secrets);
  if (kind.early) await learnEarly(env, kind, id);
  if (kind.inline) {
    await env.operations.ended(operation);
    if (operation.error) throw new ArmError(400, operation.error.code, operation.error.message);
  }
  const stored = env.state.get(shownId) ?? env.state.get(id);
  return acceptedAnswer(operation, stored && show(stored, env, request), request.origin, env);
}

async function learnEarly(env: ArmEnv, kind: Kind, id: string): Promise<void> {
  const learned = await env.operations.queued(id, async () => {
    const stored = env.state.get(id);
    return stored && planeOf(env, kind.type)?.apply(stored, {});
  });
  if (learned) env.state.update(id, (copy) => Object.assign(copy.properties, learned));
}

async function finishNow(
  env: ArmEnv,
  kind: Kind,
  draft: Draft,
  secrets: Json,
  request: ArmRequest,
): Promise<ArmAnswer> {
  const { resource, existing } = draft;
  const plane = planeOf(env, kind.type);
  const learned = await plane?.apply(resource, secrets);
  if (learned !== undefined) env.state.update(resource.id, (copy) => Object.assign(copy.properties, learned));
  const stored = env.state.get(resource.id) ?? resource;
  await kind.realise?.(stored, env);
  return {
    status: existing === undefined ? (kind.created ?? 201) : 200,
    body: show(env.state.get(resource.id) ?? stored, env, request),
  };
}

function keepImmutable(kind: Kind, { resource, existing }: Draft): void {
  if (existing === undefined) return;
  const now = resource as unknown as Json;
  for (const path of [...(kind.hidden ?? []), ...(kind.immutable ?? [])]) {
    const before = getAt(existing, path);
    const wanted = getAt(now, path);
    if (wanted === undefined) {
      if (before !== undefined) setAt(now, path, before);
    } else if (kind.immutable?.includes(path) && !sameText(before, wanted)) {
      const short = path.replace(/^properties\./, '');
      throw new ArmError(409, 'PropertyChangeNotAllowed', `Changing property '${short}' is not allowed.`, {
        target: short,
      });
    }
  }
}

// References come back in other letter case; defaults that the service added may be missing.
const sameText = (a: unknown, b: unknown): boolean =>
  sameJson(JSON.parse(JSON.stringify(a ?? null).toLowerCase()), JSON.parse(JSON.stringify(b ?? null).toLowerCase()));

function takeSecrets(kind: Kind, resource: Stored): Json {
  const secrets: Json = {};
  for (const path of kind.secrets ?? []) {
    const value = getAt(resource, path);
    if (value === undefined) continue;
    secrets[path.split('.').at(-1) ?? path] = value;
    setAt(resource as unknown as Json, path, undefined);
  }
  return secrets;
}

function checkParts(kind: Kind, resource: Stored): void {
  for (const list of kind.parts ?? []) {
    const names = new Set<string>();
    for (const part of objects(resource.properties[list])) {
      const name = typeof part.name === 'string' ? part.name.toLowerCase() : '';
      if (name === '')
        throw new ArmError(400, 'InvalidRequestFormat', 'Cannot parse the request.', {
          details: [{ code: 'MissingNameOrIdProperty', message: `An item of properties.${list} has no name.` }],
        });
      if (names.has(name))
        throw new ArmError(400, 'InvalidRequestFormat', 'Cannot parse the request.', {
          details: [
            {
              code: 'DuplicateResourceName',
              message: `Resource ${resource.id}/${list}/ has two child resources with the same name (${String(part.name)}).`,
            },
          ],
        });
      names.add(name);
    }
  }
}

/** A part's own URL: the parent is written with that part changed. */
async function writeEmbedded(
  env: ArmEnv,
  faults: Faults,
  kind: Kind,
  id: string,
  request: ArmRequest,
): Promise<ArmAnswer> {
  const parentKind = env.kinds.get(kind.type.slice(0, kind.type.lastIndexOf('/')).toLowerCase());
  const parent = env.state.get(parentId(id));
  if (parentKind === undefined || parent === undefined)
    throw new ArmError(
      404,
      'ParentResourceNotFound',
      `Failed to perform 'write' on resource(s) of type '${kind.type}', because the parent resource '${parentId(id)}' could not be found.`,
    );
  if (kind.made) throw new ArmError(405, 'HttpMethodNotAllowed', `'${kind.type}' is written with its parent.`);
  const existing = env.state.get(id);
  checkEtag(existing ?? undefined, request, env);
  const body = readBody(
    { ...envelope, ...kind.extra, properties: { provisioningState: 'ro', ...kind.properties } },
    request.body,
    errorsOf(kind),
  );
  checkNotBusy(env, parentKind, parent, request.method);
  const list = kind.type.slice(kind.type.lastIndexOf('/') + 1);
  const copy = structuredClone(parent);
  const others = objects(copy.properties[list]).filter((part) => key(String(part.id)) !== key(id));
  const position = objects(parent.properties[list]).findIndex((part) => key(String(part.id)) === key(id));
  const { location: _location, ...rest } = body;
  const element = { ...rest, name: existing?.name ?? lastName(id), properties: asObject(body.properties) };
  copy.properties[list] = others.toSpliced(position < 0 ? others.length : position, 0, element);
  const draft: Draft = {
    resource: copy,
    existing: parent,
    body: { properties: copy.properties },
    apiVersion: request.apiVersion,
    caller: request.caller,
    env,
  };
  const answer = await accept(env, faults, parentKind, draft, request);
  const stored = env.state.get(id);
  const status = request.method === 'PUT' && existing === undefined ? 201 : 200;
  return { ...answer, status, body: stored && show(stored, env, request) };
}
