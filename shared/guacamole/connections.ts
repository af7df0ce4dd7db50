import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { z } from 'zod';
import { notFound } from '../errors.ts';
import { attributeProblems, connectionAttributes, readAttributes, storeAttributes } from './attributes.ts';
import { etagKey, etagOf } from './etag.ts';
import { readJsonObject } from './jsonColumn.ts';
import { identifierField, type Listing, type ListQuery, pageClauses, textField, toPage } from './listing.ts';
import { lockRow } from './locks.ts';
import { asTaken, lockParent, refuseTakenName, toParentIdentifier } from './parents.ts';
import { problem, refuseProblems } from './problems.ts';
import { parameterProblems, protocolProblem } from './protocols.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { connectionBody, connectionPatch, connectionShape } from './shapes.ts';
import { parseIdentifier } from './text.ts';
import { toMillis } from './times.ts';
import { createValues, mergeValues, replaceValues, setValues } from './values.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

export type Connection = z.output<typeof connectionShape>;
export type ConnectionBody = z.output<typeof connectionBody>;
export type ConnectionPatch = z.output<typeof connectionPatch>;

/** How strict a write is about parameters that this version of the table does not know. */
export interface WriteOptions {
  allowUnknownParameters?: boolean | undefined;
}

/** One connection with what is only for those who may change it. */
export interface StoredConnection {
  id: number;
  connection: Connection;
  parameters: Record<string, string>;
  etag: string;
}

export interface ConnectionRow {
  connection_id: number;
  connection_name: string;
  parent_id: number | null;
  protocol: string;
  extra: unknown;
  active: number;
  last_active: string | null;
}

const listing: Listing = {
  fields: {
    identifier: identifierField('c.connection_id'),
    name: textField('c.connection_name'),
    parentIdentifier: identifierField('c.parent_id'),
    protocol: textField('c.protocol'),
  },
  orders: {
    identifier: { keys: [{ column: 'c.connection_id', holds: 'number' }], index: 'PRIMARY' },
    // The columns of the unique key, so that the index gives the order.
    name: {
      index: 'connection_name_parent',
      keys: [
        { column: 'c.connection_name', holds: 'text' },
        { column: 'c.parent_id', holds: 'number', compare: 'COALESCE(c.parent_id, 0)' },
        { column: 'c.connection_id', holds: 'number', implied: true },
      ],
    },
  },
};

/** What both the list and the single read select: one statement, so one round trip. */
export const connectionColumns = sql`
  c.connection_id, c.connection_name, c.parent_id, c.protocol, c.max_connections, c.max_connections_per_user,
  c.connection_weight, c.failover_only, c.proxy_hostname, c.proxy_port, c.proxy_encryption_method,
  (SELECT JSON_OBJECTAGG(a.attribute_name, a.attribute_value)
    FROM guacamole_connection_attribute a WHERE a.connection_id = c.connection_id) AS extra,
  (SELECT COUNT(*) FROM guacamole_connection_history h
    WHERE h.connection_id = c.connection_id AND h.end_date IS NULL) AS active,
  (SELECT MAX(h.start_date) FROM guacamole_connection_history h WHERE h.connection_id = c.connection_id) AS last_active`;

/** One page of connections, never their parameters. ApiError 400 `InvalidFilter`, `InvalidOrder`, `InvalidSkipToken`. */
export async function listConnections(db: Db, query: ListQuery, url: URL) {
  const { where, orderBy, limit, hint, keys } = pageClauses(listing, query);
  const found = await sql<ConnectionRow>`
    SELECT ${connectionColumns}, ${keys} FROM guacamole_connection c ${hint} WHERE ${where} ORDER BY ${orderBy} LIMIT ${sql.lit(limit)}`.execute(
    db,
  );
  return toPage(listing, query, url, found.rows, toConnection);
}

/** ApiError 404 when there is none. */
export async function getConnection(db: Db, identifier: string): Promise<StoredConnection> {
  const id = parseIdentifier(identifier);
  if (id === undefined) throw notFound('connection', identifier);
  const found = await sql<ConnectionRow & { parameters: unknown; etag_key: string }>`
    SELECT ${connectionColumns}, ${etagKey} AS etag_key,
      (SELECT JSON_OBJECTAGG(p.parameter_name, p.parameter_value)
        FROM guacamole_connection_parameter p WHERE p.connection_id = c.connection_id) AS parameters
    FROM guacamole_connection c WHERE c.connection_id = ${id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('connection', identifier);
  const connection = toConnection(row);
  const parameters = readJsonObject(row.parameters);
  const { name, parentIdentifier, protocol, attributes } = connection;
  const etag = etagOf(row.etag_key, [id, name, parentIdentifier, protocol, attributes, parameters]);
  return { id, connection, parameters, etag };
}

/** The same, and nobody else changes it until the transaction ends; see `lockRow`. */
export async function lockConnection(tx: Tx, identifier: string): Promise<StoredConnection> {
  await lockRow(tx, 'guacamole_connection', 'connection_id', parseIdentifier(identifier));
  return getConnection(tx, identifier);
}

export function toConnection(row: ConnectionRow): Connection {
  return {
    name: row.connection_name,
    identifier: String(row.connection_id),
    parentIdentifier: toParentIdentifier(row.parent_id),
    protocol: row.protocol,
    attributes: readAttributes(connectionAttributes, row, readJsonObject(row.extra)),
    activeConnections: row.active,
    ...(row.last_active === null ? {} : { lastActive: toMillis(row.last_active) }),
  };
}

/** Makes a connection and returns its identifier. ApiError 400 with everything that is wrong, 409 when the name is taken. */
export async function createConnection(tx: Tx, body: ConnectionBody, options: WriteOptions): Promise<string> {
  checkConnection(body.protocol, body, options);
  const parent_id = await lockParent(tx, body.parentIdentifier);
  await refuseTakenName(tx, 'connection', body.name, parent_id);
  const { columns, extra } = storeAttributes(connectionAttributes, body.attributes ?? {});
  const id = await sql`
    INSERT INTO guacamole_connection
      (connection_name, parent_id, protocol, ${columnNames(columns)})
    VALUES (${body.name}, ${parent_id}, ${body.protocol}, ${sql.join(Object.values(columns))})`
    .execute(tx)
    .catch(asTaken('connection', body.name, parent_id));
  const connection = Number(id.insertId);
  await createValues(tx, 'guacamole_connection_attribute', connection, extra);
  await createValues(tx, 'guacamole_connection_parameter', connection, setValues(body.parameters ?? {}));
  return String(connection);
}

/**
 * Replaces everything but, where the body has none, the parameters: they are never read with the rest, so leaving them out
 * must not lose them. `checked` are the parameters and attributes that the caller answers for.
 */
export async function replaceConnection(
  tx: Tx,
  stored: StoredConnection,
  body: ConnectionBody,
  options: WriteOptions,
  checked: Checked = body,
): Promise<void> {
  const parameters = body.parameters ? setValues(body.parameters) : stored.parameters;
  checkIdentifier(stored, body);
  // What was stored before is right, by whomever, until the protocol is another.
  const isSame = body.protocol === stored.connection.protocol;
  checkConnection(body.protocol, isSame ? checked : { ...checked, parameters }, options, isSame);
  const parent_id = await lockParent(tx, body.parentIdentifier);
  await refuseTakenName(tx, 'connection', body.name, parent_id, stored.id);
  const { columns, extra } = storeAttributes(connectionAttributes, body.attributes ?? {});
  await tx
    .updateTable('guacamole_connection')
    .set({ connection_name: body.name, parent_id, protocol: body.protocol, ...(columns as object) })
    .where('connection_id', '=', stored.id)
    .execute()
    .catch(asTaken('connection', body.name, parent_id));
  await replaceValues(tx, 'guacamole_connection_attribute', stored.id, extra);
  if (body.parameters) await replaceValues(tx, 'guacamole_connection_parameter', stored.id, parameters);
}

/** Merges as JSON Merge Patch says: what is named is set, null takes away, the rest stays. */
export async function mergeConnection(
  tx: Tx,
  stored: StoredConnection,
  patch: ConnectionPatch,
  options: WriteOptions,
): Promise<void> {
  const { connection } = stored;
  const body: ConnectionBody = {
    name: patch.name ?? connection.name,
    parentIdentifier: patch.parentIdentifier === undefined ? connection.parentIdentifier : patch.parentIdentifier,
    protocol: patch.protocol ?? connection.protocol,
    attributes: mergeValues(connection.attributes, patch.attributes),
    identifier: patch.identifier,
    ...(patch.parameters === undefined ? {} : { parameters: mergeValues(stored.parameters, patch.parameters) }),
  };
  await replaceConnection(tx, stored, body, options, patch);
}

/** Deletes the connection and, by the schema's cascades, what hangs on it but its history. */
export async function deleteConnection(tx: Tx, stored: StoredConnection): Promise<void> {
  await tx.deleteFrom('guacamole_connection').where('connection_id', '=', stored.id).execute();
}

type Checked = Pick<ConnectionPatch, 'parameters' | 'attributes'>;

/** Throws everything that is wrong with a connection apart from its place. */
function checkConnection(name: string, checked: Checked, options: WriteOptions, isStored = false): void {
  const lenient = options.allowUnknownParameters === true;
  const protocol = isStored ? undefined : protocolProblem(name, lenient);
  refuseProblems([
    ...(protocol ? [problem('protocol', protocol)] : parameterProblems(name, checked.parameters ?? {}, lenient)),
    ...attributeProblems(connectionAttributes, checked.attributes ?? {}),
  ]);
}

function checkIdentifier(stored: StoredConnection, body: ConnectionBody): void {
  if (body.identifier === undefined || body.identifier === null || body.identifier === stored.connection.identifier)
    return;
  refuseProblems([
    problem(
      'identifier',
      `The body is of another connection than the path's ${stored.id}; an identifier cannot be changed.`,
    ),
  ]);
}

const columnNames = (columns: object): RawBuilder<unknown> => sql.raw(Object.keys(columns).join(', '));
