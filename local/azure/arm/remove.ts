import type { Stored } from '../state.ts';
import { checkUnused } from './checks.ts';
import { seconds } from './durations.ts';
import { type ArmEnv, kindOf, planeOf } from './env.ts';
import { ArmError } from './failure.ts';
import type { Faults } from './faults.ts';
import { key, parentId } from './ids.ts';
import type { ArmAnswer, ArmRequest, Kind } from './kind.ts';
import { checkNotBusy, locksOf } from './locks.ts';
import { checkEtag } from './preconditions.ts';
import { completeParts, partsOf, show } from './show.ts';
import { acceptedAnswer } from './styles.ts';
import { objects } from './values.ts';

/** DELETE of one resource; 204 when it is not there. */
export async function remove(
  env: ArmEnv,
  faults: Faults,
  kind: Kind,
  id: string,
  request: ArmRequest,
): Promise<ArmAnswer> {
  const stored = env.state.get(id);
  if (stored === undefined) return { status: 204 };
  if (kind.noDelete || (kind.embedded && kind.made))
    throw new ArmError(405, 'HttpMethodNotAllowed', `'${kind.type}' cannot be deleted by itself.`);
  checkEtag(stored, request, env);
  const same = env.operations.running(id);
  if (same?.kind === 'delete' && key(same.resourceId) === key(id))
    return acceptedAnswer(same, undefined, request.origin, env);
  const row = kind.embedded ? env.state.get(parentId(id)) : stored;
  const rowKind = row && kindOf(env, row.type);
  if (row === undefined || rowKind === undefined) return { status: 204 };
  // Whoever uses it is told first: a refused delete must not push out a running operation.
  checkUnused(env, kind, id);
  for (const part of partsOf(kind, stored)) checkUnused(env, kindOf(env, String(part.type)), String(part.id), id);
  kind.checkNested?.(stored, env);
  kind.checkDelete?.(stored, env);
  checkNotBusy(env, kind.embedded ? rowKind : kind, row, 'DELETE');
  if (kind.style === 'sync' || kind.instant?.includes('DELETE')) {
    await removeNow(env, stored);
    forget(env, stored.id);
    return { status: 200 };
  }
  markDeleting(env, kind, row, id);
  const operation = env.operations.start(
    {
      kind: 'delete',
      resourceId: stored.id,
      locks: locksOf(kind, stored.id),
      type: kind.type,
      method: 'DELETE',
      apiVersion: request.apiVersion,
      style: kind.style,
      location: row.location ?? env.state.get(parentId(row.id))?.location,
      existed: true,
      failWith: faults.operation(request, kind, id),
    },
    seconds(kind.embedded ? rowKind.type : kind.type, 'delete') * 1000 * env.options.factor,
  );
  return acceptedAnswer(operation, show(env.state.get(id) ?? stored, env), request.origin, env);
}

function markDeleting(env: ArmEnv, kind: Kind, row: Stored, id: string): void {
  env.state.update(row.id, (copy) => {
    if (!kind.embedded) {
      copy.properties[kind.state?.property ?? 'provisioningState'] = kind.state?.deleting ?? 'Deleting';
      completeParts(kind, copy);
      return;
    }
    copy.properties.provisioningState = 'Updating';
    for (const part of partsOf(kindOf(env, copy.type), copy))
      if (key(String(part.id)) === key(id))
        part.properties = { ...Object(part.properties), provisioningState: 'Deleting' };
  });
}

/** Takes away the real thing and then the resource with everything below it. */
export async function removeNow(env: ArmEnv, stored: Stored): Promise<void> {
  const kind = kindOf(env, stored.type);
  if (kind?.embedded) {
    removePart(env, stored);
    await kind.removed?.(stored, env);
    return;
  }
  for (const child of childrenOf(env, stored.id)) {
    await planeOf(env, child.type)?.remove(child);
  }
  await planeOf(env, stored.type)?.remove(stored);
  await kind?.removed?.(stored, env);
}

/** The last step of a delete, in one go. */
export function forget(env: ArmEnv, id: string): void {
  const stored = env.state.get(id);
  for (const child of childrenOf(env, id)) env.state.delete(child.id);
  env.state.delete(id);
  if (stored) kindOf(env, stored.type)?.changed?.(env);
}

/** Rows below a resource: databases of a server, links of a zone, assignments at it. */
export const childrenOf = (env: ArmEnv, id: string): Stored[] =>
  env.state.all().filter((other) => key(other.id).startsWith(`${key(id)}/`));

function removePart(env: ArmEnv, part: Stored): void {
  const list = part.type.slice(part.type.lastIndexOf('/') + 1);
  env.state.update(parentId(part.id), (copy) => {
    copy.properties[list] = objects(copy.properties[list]).filter((other) => key(String(other.id)) !== key(part.id));
  });
}
