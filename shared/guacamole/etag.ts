import { createHmac } from 'node:crypto';
import { sql } from 'kysely';

/** The database's key for ETags, as a part of a select. */
export const etagKey = sql<string>`(SELECT value FROM molcajete_setting WHERE name = 'etag-key')`;

/**
 * The ETag of a representation. It covers secrets (a changed password is a change), so it is keyed by a random key of the
 * database: without it a reader could try passwords against the tag.
 */
export function etagOf(key: string, parts: readonly unknown[]): string {
  return `"${createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url').slice(0, 27)}"`;
}
