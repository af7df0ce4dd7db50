import type { Stored } from '../state.ts';
import { type ArmEnv, kindOf } from './env.ts';
import { ArmError, invalidReference } from './failure.ts';
import { key, parentId, within } from './ids.ts';
import type { Caller, Kind } from './kind.ts';
import { usesOf } from './references.ts';
import { partsOf, stateOf } from './show.ts';

/** Everything a resource names must be there, in its region and ready. Throws ArmError. */
export function checkReferences(env: ArmEnv, kind: Kind, resource: Stored): void {
  const own = new Set(partsOf(kind, resource).map((part) => key(String(part.id))));
  for (const { target, reference } of usesOf(kind, resource)) {
    if (within(target, resource.id)) {
      if (!own.has(key(target))) throw invalidReference(target, resource.id);
      continue;
    }
    const found = env.state.get(target);
    if (found === undefined || found.type.toLowerCase() !== reference.to.toLowerCase())
      throw invalidReference(target, resource.id);
    const elsewhere =
      found.location !== undefined && found.location !== 'global' && found.location !== resource.location;
    if (elsewhere && resource.location !== undefined && resource.location !== 'global' && !reference.anyRegion)
      throw invalidReference(target, resource.id);
    checkReady(env, found);
  }
}

/** The network provider refuses to build on what is itself being changed. */
function checkReady(env: ArmEnv, found: Stored): void {
  const row = kindOf(env, found.type)?.embedded ? env.state.get(parentId(found.id)) : found;
  const kind = row && kindOf(env, row.type);
  if (row === undefined || kind?.style !== 'network') return;
  const word = stateOf(kind, row);
  if (word === 'Succeeded') return;
  const type = row.type.split('/').at(-1) ?? '';
  const message = `Cannot proceed with operation because resource ${found.id} used by the request is not in Succeeded state. Resource is in ${word} state and the last operation that updated/is updating the resource is Put${type.charAt(0).toUpperCase()}${type.slice(1).replace(/s$/, '')}Operation.`;
  const detail = { code: 'ReferencedResourceNotProvisioned', message };
  if (word === 'Failed') throw new ArmError(400, detail.code, message);
  // No Retry-After: clients that rely on the SDK's own retries are refused at once, as in Azure.
  throw new ArmError(429, 'RetryableError', 'A retryable error occurred.', { details: [detail] });
}

/** Naming another resource needs a permission on that one (subnet join, identity assign). Throws LinkedAuthorizationFailed. */
export function checkLinked(env: ArmEnv, kind: Kind, resource: Stored, caller: Caller): void {
  for (const { target, reference } of usesOf(kind, resource)) {
    if (reference.linked === undefined || within(target, resource.id)) continue;
    if (env.context.rbac.allowed(caller.objectId, reference.linked, target)) continue;
    throw new ArmError(
      403,
      'LinkedAuthorizationFailed',
      `The client '${caller.clientId}' with object id '${caller.objectId}' has permission to perform action '${kind.type}/write' on scope '${resource.id}'; however, it does not have permission to perform action(s) '${reference.linked}' on the linked scope(s) '${target}' (respectively) or the linked scope(s) are invalid.`,
    );
  }
}

/** A write that drops a part (a subnet, a pool) is a delete of it. Throws what that delete would. */
export function checkRemovedParts(env: ArmEnv, kind: Kind, existing: Stored | undefined, resource: Stored): void {
  if (existing === undefined) return;
  const kept = new Set(partsOf(kind, resource).map((part) => key(String(part.id))));
  for (const part of partsOf(kind, existing)) {
    const id = String(part.id);
    if (kept.has(key(id))) continue;
    checkUnused(env, kindOf(env, String(part.type)), id, resource.id);
  }
}

/** Throws the kind's in-use error when anything outside `around` refers to `id`. */
export function checkUnused(env: ArmEnv, kind: Kind | undefined, id: string, around = id): void {
  if (kind?.inUse === undefined) return;
  const users = env.references.users(id).filter((user) => !within(user, around));
  if (users.length > 0) throw kind.inUse(id, users, env);
}
