import { ApiError } from './errors.ts';

/** ApiError 412, with the current tag, unless the caller's `If-Match` allows the current tag; without the header everything is allowed. */
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
