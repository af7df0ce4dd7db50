import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { z } from 'zod';
import {
  type FilterField,
  identifierField,
  type Listing,
  type ListQuery,
  pageClauses,
  textField,
  toPage,
} from './listing.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { recordShape } from './shapes.ts';
import { isStorable, toDateTime, toMillis } from './times.ts';

type Db = Kysely<GuacamoleDatabase>;

/** One session of a connection, or one login of a user. */
export type HistoryRecord = z.output<typeof recordShape>;

interface RecordRow {
  history_id: number;
  username: string;
  remote_host: string | null;
  start_date: string;
  end_date: string | null;
  connection_id?: number | null;
  connection_name?: string;
  sharing_profile_id?: number | null;
  sharing_profile_name?: string | null;
}

/** Times in a filter: ISO 8601 text or milliseconds, as in the records. */
const timeField = (expression: string): FilterField => ({
  expression,
  write: (literal) => {
    if (literal === null) return null;
    const time = new Date(typeof literal === 'number' ? literal : String(literal));
    return isStorable(time) ? toDateTime(time) : undefined;
  },
});

/**
 * Rows of a user are found by the id, which has an index, unlike the name; those of a user who was deleted, or whom another
 * extension logged in, have none.
 */
const usernameField: FilterField = {
  ...textField('h.username'),
  where: (operator, literal) =>
    operator === 'eq' && typeof literal === 'string'
      ? sql`((h.user_id = (SELECT u.user_id FROM guacamole_user u JOIN guacamole_entity e ON e.entity_id = u.entity_id
          WHERE e.type = 'USER' AND e.name = ${literal}) OR h.user_id IS NULL) AND h.username = ${literal})`
      : undefined,
};

/** `active eq true` are the open ones. */
const activeField: FilterField = {
  expression: 'h.end_date',
  write: () => undefined,
  where: (operator, literal) => {
    if (typeof literal !== 'boolean' || (operator !== 'eq' && operator !== 'ne')) return undefined;
    return literal === (operator === 'eq') ? sql`h.end_date IS NULL` : sql`h.end_date IS NOT NULL`;
  },
};

const commonFields = {
  username: usernameField,
  remoteHost: textField('h.remote_host'),
  startDate: timeField('h.start_date'),
  endDate: timeField('h.end_date'),
  active: activeField,
};

const orders = {
  startDate: {
    keys: [
      { column: 'h.start_date', holds: 'time' },
      { column: 'h.history_id', holds: 'number' },
    ],
    index: 'start_date',
  },
  identifier: { keys: [{ column: 'h.history_id', holds: 'number' }], index: 'PRIMARY' },
} satisfies Listing['orders'];

const connectionListing: Listing = {
  fields: {
    ...commonFields,
    connectionIdentifier: identifierField('h.connection_id'),
    connectionName: textField('h.connection_name'),
    sharingProfileIdentifier: identifierField('h.sharing_profile_id'),
  },
  orders,
  newestFirst: true,
};

const userListing: Listing = { fields: commonFields, orders, newestFirst: true };

/** Open sessions come in the order in which they began; the index of `end_date` gives it. */
const sessionListing: Listing = { fields: connectionListing.fields, orders: { identifier: orders.identifier } };

const kinds = {
  connections: {
    listing: connectionListing,
    from: sql`guacamole_connection_history h`,
    columns: sql`h.history_id, h.username, h.remote_host, h.start_date, h.end_date,
      h.connection_id, h.connection_name, h.sharing_profile_id, h.sharing_profile_name`,
    fixed: [] as RawBuilder<unknown>[],
  },
  users: {
    listing: userListing,
    from: sql`guacamole_user_history h`,
    columns: sql`h.history_id, h.username, h.remote_host, h.start_date, h.end_date`,
    fixed: [] as RawBuilder<unknown>[],
  },
  sessions: {
    listing: sessionListing,
    // Few rows are open; the optimizer may else walk the whole primary key in search of a page of them.
    from: sql`guacamole_connection_history h FORCE INDEX (end_date)`,
    columns: sql`h.history_id, h.username, h.remote_host, h.start_date, h.end_date,
      h.connection_id, h.connection_name, h.sharing_profile_id, h.sharing_profile_name`,
    fixed: [sql`h.end_date IS NULL`],
  },
};

export type HistoryKind = keyof typeof kinds;

/**
 * One page of records. `sessions` are the open ones of all nodes; those of a node that died stay until healing closes them. ApiError
 * 400 `InvalidFilter`, `InvalidOrder`, `InvalidSkipToken`.
 */
export async function listHistory(db: Db, kind: HistoryKind, query: ListQuery, url: URL) {
  const { listing, from, columns, fixed } = kinds[kind];
  const { where, orderBy, limit, hint, keys } = pageClauses(listing, query, fixed);
  const found = await sql<RecordRow>`
    SELECT ${columns}, ${keys} FROM ${from} ${kind === 'sessions' ? sql`` : hint} WHERE ${where} ORDER BY ${orderBy} LIMIT ${sql.lit(limit)}`.execute(
    db,
  );
  return toPage(listing, query, url, found.rows, toRecord);
}

function toRecord(row: RecordRow): HistoryRecord {
  return {
    identifier: String(row.history_id),
    startDate: toMillis(row.start_date),
    ...(row.end_date === null ? {} : { endDate: toMillis(row.end_date) }),
    ...(row.remote_host === null ? {} : { remoteHost: row.remote_host }),
    username: row.username,
    active: row.end_date === null,
    ...(row.connection_name === undefined ? {} : { connectionName: row.connection_name }),
    ...(row.connection_id == null ? {} : { connectionIdentifier: String(row.connection_id) }),
    ...(row.sharing_profile_id == null ? {} : { sharingProfileIdentifier: String(row.sharing_profile_id) }),
    ...(row.sharing_profile_name == null ? {} : { sharingProfileName: row.sharing_profile_name }),
  };
}
