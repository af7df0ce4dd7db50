import type { Stored } from '../state.ts';
import type { ArmEnv } from './env.ts';
import { ArmError } from './failure.ts';
import { key, lastName } from './ids.ts';
import type { ArmRequest, Draft, Kind } from './kind.ts';
import { checkLocation } from './preconditions.ts';
import { bodyErrors, readBody, type Shape } from './shape.ts';
import { checkTags } from './tags.ts';
import { asObject, getAt, type Json, merge, objects, sameJson, setAt } from './values.ts';

const errorsOf = (kind: Kind) =>
  kind.style === 'network'
    ? bodyErrors.network
    : kind.style.startsWith('compute')
      ? bodyErrors.compute
      : bodyErrors.arm;

const envelope = {
  id: 'ro',
  name: 'ro',
  type: 'ro',
  etag: 'ro',
  systemData: 'ro',
  location: 'string',
  tags: { '*': 'string' },
} as const;

/** The resource that a PUT or PATCH asks for, not yet completed. Throws ArmError for a body that cannot be read. */
export function draftOf(env: ArmEnv, kind: Kind, id: string, existing: Stored | undefined, request: ArmRequest): Draft {
  const partial = request.method === 'PATCH';
  // ARM looks at the location before the provider looks at anything.
  if (!partial && kind.location !== 'none') checkLocation(env, kind, existing, asObject(request.body).location, id);
  const body = readBody(shapeOf(kind, request.method), request.body, errorsOf(kind), partial);
  const full = partial ? patched(kind, existing, body) : body;
  return makeDraft(env, kind, id, existing, full, request);
}

function shapeOf(kind: Kind, method: string): { readonly [property: string]: Shape } {
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
  // The tags of a PATCH replace all tags; its properties are merged, where it may have any.
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
  return {
    resource,
    existing,
    body,
    method: request.method,
    apiVersion: request.apiVersion,
    caller: request.caller,
    env,
  };
}

/** The parent as the write of one of its parts leaves it. */
export function draftOfPart(env: ArmEnv, kind: Kind, id: string, parent: Stored, request: ArmRequest): Draft {
  const body = readBody(shapeOf(kind, 'PUT'), request.body, errorsOf(kind));
  const list = kind.type.slice(kind.type.lastIndexOf('/') + 1);
  const copy = structuredClone(parent);
  const parts = objects(copy.properties[list]);
  const position = parts.findIndex((part) => key(String(part.id)) === key(id));
  const name = position < 0 ? lastName(id) : parts[position]?.name;
  const { location: _location, ...rest } = body;
  const element = { ...rest, name, properties: asObject(body.properties) };
  copy.properties[list] = position < 0 ? [...parts, element] : parts.with(position, element);
  return {
    resource: copy,
    existing: parent,
    body: { properties: copy.properties },
    method: request.method,
    apiVersion: request.apiVersion,
    caller: request.caller,
    env,
  };
}

/** What cannot be changed keeps its value when it is left out, and is refused when it is another one. */
export function keepImmutable(kind: Kind, { resource, existing }: Draft): void {
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

/** Takes the write-only members out of the resource; keyed by their own names. */
export function takeSecrets(kind: Kind, resource: Stored): Json {
  const secrets: Json = {};
  for (const path of kind.secrets ?? []) {
    const value = getAt(resource, path);
    if (value === undefined) continue;
    secrets[path.split('.').at(-1) ?? path] = value;
    setAt(resource as unknown as Json, path, undefined);
  }
  return secrets;
}

/** Parts need names, each its own. */
export function checkParts(kind: Kind, resource: Stored): void {
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
