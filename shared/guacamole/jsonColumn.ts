import { sql } from 'kysely';

/** The database's key for ETags, as a part of a select. */
export const etagKey = sql<string>`(SELECT value FROM molcajete_setting WHERE name = 'etag-key')`;

/** MySQL hands JSON over parsed, MariaDB as text; an aggregate over no rows is NULL. */
export function readJsonObject(value: unknown): Record<string, string> {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value;
  return (parsed ?? {}) as Record<string, string>;
}
