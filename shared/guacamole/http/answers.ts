import { z } from 'zod';
import { hasVersion } from '../../etag.ts';
import type { RouteAnswer } from '../../http.ts';

/** `true` or `false` in a query. */
export const flag = z
  .enum(['true', 'false'])
  .optional()
  .transform((text) => text === 'true');

/** A representation with its ETag; 304 when the caller has it already. */
export function answerVersion(headers: Headers, etag: string, body: unknown): RouteAnswer {
  return hasVersion(headers, etag) ? { status: 304, headers: { ETag: etag } } : { body, headers: { ETag: etag } };
}

export const mergePatch = ['application/merge-patch+json', 'application/json'] as const;
export const jsonPatch = ['application/json-patch+json', 'application/json'] as const;

/** What our routes answer besides success; the shape is everywhere `{error: {code, message, target, details}}`. */
export const failures = {
  400: { description: 'Something in the request is wrong; details names everything that is.' },
  403: { description: "The caller's role does not allow it." },
  404: { description: 'There is no such jump server or object.' },
  409: { description: 'The name is taken, the object is not empty, or the jump server has no database at the moment.' },
  503: { description: 'The database cannot be reached at the moment; Retry-After says when to try again.' },
} as const;

/**
 * The same for what changes one object, which has an ETag. Batches only add and take away what they name, so they overwrite nothing
 * that they have not seen, and permissions and members have none.
 */
export const versionedFailures = {
  ...failures,
  412: { description: 'It was changed since it was read (If-Match).' },
} as const;
