import { type Kysely, sql } from 'kysely';
import { z } from 'zod';
import type { GuacamoleDatabase } from './schema/tables.ts';
import { toDateTime, toMillis } from './times.ts';

/** How much one connection or user was in use within a period. */
export const usageShape = z.object({
  connectionIdentifier: z.string().optional(),
  connectionName: z.string().optional(),
  username: z.string().optional(),
  sessions: z.number(),
  /** Within the period; sessions still open count until now. */
  seconds: z.number(),
  lastStart: z.number(),
});

export type Usage = z.output<typeof usageShape>;

interface UsageRow {
  connection_id: number | null;
  name: string;
  sessions: number;
  seconds: string | number;
  last_start: string;
}

const groupings = {
  // By its name only once it is deleted: a connection that was renamed is still the same.
  connection: [
    sql`h.connection_id AS connection_id, MAX(h.connection_name) AS name`,
    sql`h.connection_id, CASE WHEN h.connection_id IS NULL THEN h.connection_name END`,
  ],
  user: [sql`NULL AS connection_id, MAX(h.username) AS name`, sql`h.username`],
} as const;

/**
 * Sessions that touch the period, added up per connection or per user, most used first. The index of `end_date` bounds what is
 * read: a session that ended before the period cannot be in it.
 */
export async function readUsage(
  db: Kysely<GuacamoleDatabase>,
  by: keyof typeof groupings,
  from: Date,
  to: Date,
  top: number,
): Promise<Usage[]> {
  const start = toDateTime(from);
  const end = toDateTime(to);
  const now = sql`LEAST(COALESCE(h.end_date, UTC_TIMESTAMP()), ${end})`;
  const [columns, group] = groupings[by];
  const found = await sql<UsageRow>`
    SELECT COALESCE(c.connection_name, s.name) AS name, s.connection_id, s.sessions, s.seconds, s.last_start FROM (
      SELECT ${columns},
        COUNT(*) AS sessions, MAX(h.start_date) AS last_start,
        SUM(GREATEST(0, TIMESTAMPDIFF(SECOND, GREATEST(h.start_date, ${start}), ${now}))) AS seconds
      FROM guacamole_connection_history h
      WHERE (h.end_date >= ${start} OR h.end_date IS NULL) AND h.start_date < ${end}
      GROUP BY ${group}
    ) s LEFT JOIN guacamole_connection c ON c.connection_id = s.connection_id
    ORDER BY s.seconds DESC, name LIMIT ${sql.lit(top)}`.execute(db);
  return found.rows.map((row) => ({
    ...(by === 'user' ? { username: row.name } : { connectionName: row.name }),
    ...(row.connection_id === null ? {} : { connectionIdentifier: String(row.connection_id) }),
    sessions: row.sessions,
    seconds: Number(row.seconds),
    lastStart: toMillis(row.last_start),
  }));
}
