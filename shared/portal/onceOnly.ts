import { createHash } from 'node:crypto';
import type { Deps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { beginRepeatable, forgetRepeatable } from '../store/repeatability.ts';

/**
 * Does the work once for what these texts name, and throws ApiError 409 `Replayed` when it comes again within a day. Work that was refused
 * does not count. After a crash in between it does: whoever sends such things sends them again, and healing looks by itself.
 */
export async function onceOnly<T>(deps: Deps, what: readonly string[], work: () => Promise<T>): Promise<T> {
  const digest = createHash('sha256').update(JSON.stringify(what)).digest('hex');
  const key = { key: digest, fingerprint: digest };
  const begun = await beginRepeatable(deps.tables, key, deps.now());
  if (begun.state !== 'first') {
    throw new ApiError(409, 'Replayed', 'This has been received before. Nothing was started.');
  }
  try {
    return await work();
  } catch (error) {
    if (error instanceof ApiError) await forgetRepeatable(deps.tables, key);
    throw error;
  }
}
