import type { Stored } from '../state.ts';
import { checkLinked, checkReferences, checkRemovedParts } from './checks.ts';
import { checkParts, draftOf, draftOfPart, keepImmutable, takeSecrets } from './draft.ts';
import { seconds } from './durations.ts';
import { type ArmEnv, kindOf, planeOf } from './env.ts';
import { ArmError, resourceNotFound } from './failure.ts';
import type { Faults } from './faults.ts';
import { groupName, lastName, parentId } from './ids.ts';
import type { ArmAnswer, ArmRequest, Draft, Kind } from './kind.ts';
import { checkNotBusy, locksOf } from './locks.ts';
import { made, makes } from './made.ts';
import { checkEtag } from './preconditions.ts';
import { completeParts, show } from './show.ts';
import { acceptedAnswer } from './styles.ts';
import type { Json } from './values.ts';

/** PUT or PATCH of one resource: checked, then accepted, then (in an operation) done. */
export async function write(
  env: ArmEnv,
  faults: Faults,
  kind: Kind,
  id: string,
  request: ArmRequest,
): Promise<ArmAnswer> {
  const existing = env.state.get(id);
  if (request.method === 'PATCH' && existing === undefined && !kind.implicit)
    throw resourceNotFound(kind.type, lastName(id), groupName(id));
  checkEtag(existing, request, env);
  if (kind.embedded) return writePart(env, faults, kind, id, request);
  const draft = draftOf(env, kind, id, existing, request);
  if (existing !== undefined) checkNotBusy(env, kind, existing, request.method);
  return accept(env, faults, kind, draft, request);
}

/** A part's own URL: the parent is written with that part changed. */
async function writePart(env: ArmEnv, faults: Faults, kind: Kind, id: string, request: ArmRequest): Promise<ArmAnswer> {
  if (kind.made) throw new ArmError(405, 'HttpMethodNotAllowed', `'${kind.type}' is written with its parent.`);
  const parent = env.state.get(parentId(id));
  const parentKind = parent && kindOf(env, parent.type);
  if (parent === undefined || parentKind === undefined) throw resourceNotFound(kind.type, lastName(id), groupName(id));
  const existed = env.state.get(id) !== undefined;
  const draft = draftOfPart(env, kind, id, parent, request);
  checkNotBusy(env, parentKind, parent, request.method);
  const answer = await accept(env, faults, parentKind, draft, request);
  const stored = env.state.get(id);
  return { ...answer, status: existed ? 200 : 201, body: stored && show(stored, env, request) };
}

/** Second half: everything from here to the stored acceptance happens in one go. */
async function accept(env: ArmEnv, faults: Faults, kind: Kind, draft: Draft, request: ArmRequest): Promise<ArmAnswer> {
  const secrets = check(env, kind, draft, request);
  const { resource, existing } = draft;
  const tagsOnly = request.method === 'PATCH' && kind.patch === 'tags';
  const instant = kind.style === 'sync' || tagsOnly || kind.instant?.includes(request.method as 'PUT') === true;
  const creates = makes(env, existing, request.method);
  setState(kind, resource, instant ? 'ready' : creates ? 'creating' : 'updating');
  if (existing === undefined) resource.internal.unmade = true;
  env.state.put(resource);
  kind.accepted?.(draft);
  if (instant || kind.early) await applyNow(env, kind, draft, secrets);
  if (instant) {
    const stored = env.state.get(resource.id) ?? resource;
    await kind.realise?.(stored, env);
    const status = existing === undefined ? (kind.created ?? 201) : 200;
    return { status, body: show(env.state.get(resource.id) ?? stored, env, request) };
  }
  return startWrite(env, faults, kind, draft, secrets, request);
}

/** Everything that can be wrong with a write; completes the resource. Returns what goes to the data plane only. */
function check(env: ArmEnv, kind: Kind, draft: Draft, request: ArmRequest): Json {
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
  return secrets;
}

function setState(kind: Kind, resource: Stored, word: 'ready' | 'creating' | 'updating'): void {
  if (kind.state !== undefined) resource.properties[kind.state.property] = kind.state[word];
  else if (kind.style !== 'sync')
    resource.properties.provisioningState = { ready: 'Succeeded', creating: 'Creating', updating: 'Updating' }[word];
  completeParts(kind, resource);
}

/** Before the answer; what cannot be made is not kept. */
async function applyNow(env: ArmEnv, kind: Kind, { resource, existing }: Draft, secrets: Json): Promise<void> {
  try {
    const learned = await env.operations.queued(
      resource.id,
      async () => await planeOf(env, kind.type)?.apply(env.state.get(resource.id) ?? resource, secrets),
    );
    made(env, resource.id);
    if (learned) env.state.update(resource.id, (copy) => Object.assign(copy.properties, learned));
  } catch (error) {
    if (existing === undefined) env.state.delete(resource.id);
    throw error;
  }
}

async function startWrite(
  env: ArmEnv,
  faults: Faults,
  kind: Kind,
  { resource, existing }: Draft,
  secrets: Json,
  request: ArmRequest,
): Promise<ArmAnswer> {
  const creates = makes(env, existing, request.method);
  const verb = creates ? (kind.createVerb?.(resource) ?? 'create') : 'update';
  const operation = env.operations.start(
    {
      kind: 'put',
      resourceId: resource.id,
      locks: locksOf(kind, resource.id),
      type: kind.type,
      method: request.method,
      apiVersion: request.apiVersion,
      style: kind.style,
      location: resource.location ?? env.state.get(parentId(resource.id))?.location,
      existed: existing !== undefined,
      failWith: faults.operation(request, kind, resource.id, creates),
    },
    seconds(kind.type, verb) * 1000 * env.options.factor,
    secrets,
  );
  if (kind.inline) {
    await env.operations.ended(operation);
    const { error } = operation;
    // What Azure has failed at itself is no bad request.
    if (error) throw new ArmError(error.code.includes('Internal') ? 500 : 400, error.code, error.message);
  }
  const stored = env.state.get(resource.id);
  return acceptedAnswer(operation, stored && show(stored, env, request), request.origin, env);
}
