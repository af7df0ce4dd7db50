import type { Stored } from '../state.ts';
import type { ArmEnv } from './env.ts';
import { ArmError } from './failure.ts';
import { groupName, lastName } from './ids.ts';
import type { ArmRequest, Kind } from './kind.ts';
import { show } from './show.ts';

/** The region of a write, in Azure's spelling. Throws ArmError when it is missing, another one than before, or not offered. */
export function checkLocation(
  env: ArmEnv,
  kind: Kind,
  existing: Stored | undefined,
  given: unknown,
  id: string,
): string {
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

/** `If-Match` and `If-None-Match: *`. Throws 412. */
export function checkEtag(existing: Stored | undefined, request: ArmRequest, env: ArmEnv): void {
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
