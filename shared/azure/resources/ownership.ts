import { ApiError } from '../../errors.ts';
import type { Blueprint } from '../blueprint.ts';
import { ownerTag } from '../names.ts';

/** Something in Azure that is not ours is in the way. Waiting does not help: `statusCode` says so to the engine, as Azure's own 400s do. */
class InTheWay extends ApiError {
  readonly statusCode = 400;
}

/** Throws 409 `ResourceOwnedByAnother` when the tag names another jump server. */
export function refuseOthers(
  found: { id?: string; tags?: Record<string, string> } | undefined,
  { name }: Blueprint,
): void {
  const owner = found?.tags?.[ownerTag];
  if (owner === undefined || owner === name) return;
  const message = `${found?.id ?? 'A resource'} belongs to the jump server '${owner}'. Choose another resourceGroup.`;
  throw new InTheWay(409, 'ResourceOwnedByAnother', message, { target: 'resourceGroup' });
}

/** Throws 409 `ResourceNotOurs` for what was there before us. For names that are not derived from the jump server's. */
export function refuseUnowned(
  found: { id?: string; tags?: Record<string, string> } | undefined,
  { name }: Blueprint,
): void {
  if (found === undefined || found.tags?.[ownerTag] !== undefined) return;
  const message = `${found.id ?? 'A resource'} is there already and not ours. Choose another resourceGroup, or hand it over with the tag ${ownerTag}: ${name}.`;
  throw new InTheWay(409, 'ResourceNotOurs', message, { target: 'resourceGroup' });
}
