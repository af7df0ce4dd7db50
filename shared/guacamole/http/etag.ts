import { createHmac } from 'node:crypto';
import { ApiError } from '../../errors.ts';

/**
 * The ETag of a representation. It covers secrets (a changed password is a change), so it is keyed by a random key of the
 * database: without it a reader could try passwords against the tag.
 */
export function etagOf(key: string, parts: readonly unknown[]): string {
  return `"${createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url').slice(0, 27)}"`;
}

/** Throws 412 unless the caller's `If-Match` allows the current tag; without the header everything is allowed. */
export function requireMatch(headers: Headers, current: string): void {
  const given = headers.get('if-match');
  if (given === null || given.trim() === '*') return;
  const tags = given.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (tags.includes(current)) return;
  throw new ApiError(
    412,
    'PreconditionFailed',
    'It was changed since you read it. Read it again and repeat the change on what it is now.',
    {
      target: 'If-Match',
      headers: { ETag: current },
    },
  );
}

/** True when the caller has this version already (`If-None-Match`). */
export const hasVersion = (headers: Headers, current: string): boolean =>
  (headers.get('if-none-match') ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === current);
