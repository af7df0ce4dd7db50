import { type Kysely, sql, type Transaction } from 'kysely';
import type { z } from 'zod';
import { ApiError, notFound } from '../errors.ts';
import { attributeProblems, connectionGroupAttributes, readAttributes, storeAttributes } from './attributes.ts';
import { etagKey, etagOf } from './etag.ts';
import { readJsonObject } from './jsonColumn.ts';
import { identifierField, type Listing, type ListQuery, pageClauses, textField, toPage } from './listing.ts';
import { lockRow, lockTree } from './locks.ts';
import { asTaken, lockParent, refuseTakenName, rootIdentifier, toParentIdentifier } from './parents.ts';
import { problem, refuseProblems } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { connectionGroupBody, connectionGroupPatch, connectionGroupShape } from './shapes.ts';
import { parseIdentifier } from './text.ts';
import { createValues, mergeValues, replaceValues } from './values.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

export type ConnectionGroup = z.output<typeof connectionGroupShape>;
export type ConnectionGroupBody = z.output<typeof connectionGroupBody>;
export type ConnectionGroupPatch = z.output<typeof connectionGroupPatch>;

export interface StoredConnectionGroup {
  id: number;
  group: ConnectionGroup;
  etag: string;
}

export interface ConnectionGroupRow {
  connection_group_id: number;
  connection_group_name: string;
  parent_id: number | null;
  type: 'ORGANIZATIONAL' | 'BALANCING';
  extra: unknown;
  active: number;
}

/** Guacamole sets no limit; servers end a recursive query after 1,000 levels. */
export const maxGroupDepth = 100;

const listing: Listing = {
  fields: {
    identifier: identifierField('g.connection_group_id'),
    name: textField('g.connection_group_name'),
    parentIdentifier: identifierField('g.parent_id'),
    type: textField('g.type'),
  },
  orders: {
    identifier: { keys: [{ column: 'g.connection_group_id', holds: 'number' }], index: 'PRIMARY' },
    name: {
      index: 'connection_group_name_parent',
      keys: [
        { column: 'g.connection_group_name', holds: 'text' },
        { column: 'g.parent_id', holds: 'number', compare: 'COALESCE(g.parent_id, 0)' },
        { column: 'g.connection_group_id', holds: 'number', implied: true },
      ],
    },
  },
};

/** `active`: sessions open on connections directly in the group. */
export const connectionGroupColumns = sql`
  g.connection_group_id, g.connection_group_name, g.parent_id, g.type, g.max_connections, g.max_connections_per_user,
  g.enable_session_affinity,
  (SELECT JSON_OBJECTAGG(a.attribute_name, a.attribute_value)
    FROM guacamole_connection_group_attribute a WHERE a.connection_group_id = g.connection_group_id) AS extra,
  (SELECT COUNT(*) FROM guacamole_connection_history h JOIN guacamole_connection c ON c.connection_id = h.connection_id
    WHERE h.end_date IS NULL AND c.parent_id = g.connection_group_id) AS active`;

/** One page of connection groups. ApiError 400 `InvalidFilter`, `InvalidOrder`, `InvalidSkipToken`. */
export async function listConnectionGroups(db: Db, query: ListQuery, url: URL) {
  const { where, orderBy, limit, hint, keys } = pageClauses(listing, query);
  const found = await sql<ConnectionGroupRow>`
    SELECT ${connectionGroupColumns}, ${keys} FROM guacamole_connection_group g ${hint}
    WHERE ${where} ORDER BY ${orderBy} LIMIT ${sql.lit(limit)}`.execute(db);
  return toPage(listing, query, url, found.rows, toConnectionGroup);
}

/** ApiError 404 when there is none; 400 `RootGroup` for the root, which is no row: only its tree can be read. */
export async function getConnectionGroup(db: Db, identifier: string): Promise<StoredConnectionGroup> {
  if (identifier === rootIdentifier) {
    throw new ApiError(
      400,
      'RootGroup',
      'The root group is not a group that can be read or changed by itself; ask for its tree.',
      { target: 'id' },
    );
  }
  const id = parseIdentifier(identifier);
  if (id === undefined) throw notFound('connection group', identifier);
  const found = await sql<ConnectionGroupRow & { etag_key: string }>`
    SELECT ${connectionGroupColumns}, ${etagKey} AS etag_key
    FROM guacamole_connection_group g WHERE g.connection_group_id = ${id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('connection group', identifier);
  const group = toConnectionGroup(row);
  return {
    id,
    group,
    etag: etagOf(row.etag_key, [id, group.name, group.parentIdentifier, group.type, group.attributes]),
  };
}

/** The same, and nobody else changes it until the transaction ends; see `lockRow`. */
export async function lockConnectionGroup(tx: Tx, identifier: string): Promise<StoredConnectionGroup> {
  await lockRow(tx, 'guacamole_connection_group', 'connection_group_id', parseIdentifier(identifier));
  return getConnectionGroup(tx, identifier);
}

export function toConnectionGroup(row: ConnectionGroupRow): ConnectionGroup {
  return {
    name: row.connection_group_name,
    identifier: String(row.connection_group_id),
    parentIdentifier: toParentIdentifier(row.parent_id),
    type: row.type,
    attributes: readAttributes(connectionGroupAttributes, row, readJsonObject(row.extra)),
    activeConnections: row.active,
  };
}

/** Makes a group and returns its identifier. ApiError 400 with everything that is wrong, 409 when the name is taken. */
export async function createConnectionGroup(tx: Tx, body: ConnectionGroupBody): Promise<string> {
  refuseProblems(attributeProblems(connectionGroupAttributes, body.attributes ?? {}));
  await lockTree(tx);
  const parent_id = await lockParent(tx, body.parentIdentifier);
  await refuseTakenName(tx, 'connection group', body.name, parent_id);
  await refuseDepth(tx, parent_id, undefined);
  const { columns, extra } = storeAttributes(connectionGroupAttributes, body.attributes ?? {});
  const inserted = await sql`
    INSERT INTO guacamole_connection_group (connection_group_name, parent_id, type, ${sql.raw(Object.keys(columns).join(', '))})
    VALUES (${body.name}, ${parent_id}, ${body.type}, ${sql.join(Object.values(columns))})`
    .execute(tx)
    .catch(asTaken('connection group', body.name, parent_id));
  const id = Number(inserted.insertId);
  await createValues(tx, 'guacamole_connection_group_attribute', id, extra);
  return String(id);
}

/**
 * `checked` are the attributes that the caller answers for. ApiError 400 with all problems, 400 `GroupTooDeep`, 409 `GroupCycle`,
 * `NameTaken`.
 */
export async function replaceConnectionGroup(
  tx: Tx,
  stored: StoredConnectionGroup,
  body: ConnectionGroupBody,
  checked = body.attributes,
): Promise<void> {
  if (typeof body.identifier === 'string' && body.identifier !== stored.group.identifier) {
    refuseProblems([
      problem(
        'identifier',
        `The body is of another group than the path's ${stored.id}; an identifier cannot be changed.`,
      ),
    ]);
  }
  refuseProblems(attributeProblems(connectionGroupAttributes, checked ?? {}));
  const parent_id = await lockParent(tx, body.parentIdentifier);
  if (toParentIdentifier(parent_id) !== stored.group.parentIdentifier) await refuseDepth(tx, parent_id, stored.id);
  await refuseTakenName(tx, 'connection group', body.name, parent_id, stored.id);
  const { columns, extra } = storeAttributes(connectionGroupAttributes, body.attributes ?? {});
  await tx
    .updateTable('guacamole_connection_group')
    .set({ connection_group_name: body.name, parent_id, type: body.type, ...(columns as object) })
    .where('connection_group_id', '=', stored.id)
    .execute()
    .catch(asTaken('connection group', body.name, parent_id));
  await replaceValues(tx, 'guacamole_connection_group_attribute', stored.id, extra);
}

/** JSON Merge Patch. */
export async function mergeConnectionGroup(
  tx: Tx,
  stored: StoredConnectionGroup,
  patch: ConnectionGroupPatch,
): Promise<void> {
  const { group } = stored;
  const body: ConnectionGroupBody = {
    name: patch.name ?? group.name,
    parentIdentifier: patch.parentIdentifier === undefined ? group.parentIdentifier : patch.parentIdentifier,
    type: patch.type ?? group.type,
    attributes: mergeValues(group.attributes, patch.attributes),
    identifier: patch.identifier,
  };
  await replaceConnectionGroup(tx, stored, body, patch.attributes ?? null);
}

/** Deletes a group; one that is not empty only with `recursive`, from the leaves up: InnoDB cascades at most 15 levels. */
export async function deleteConnectionGroup(tx: Tx, stored: StoredConnectionGroup, recursive: boolean): Promise<void> {
  await lockTree(tx);
  const levels = await findSubtree(tx, stored.id);
  const ids = levels.map((level) => level.id);
  if (!recursive) await refuseContent(tx, stored.id, ids.length - 1);
  await tx.deleteFrom('guacamole_connection').where('parent_id', 'in', ids).execute();
  const depths = [...new Set(levels.map((level) => level.depth))].sort((a, b) => b - a);
  for (const depth of depths) {
    const level = levels.filter((one) => one.depth === depth).map((one) => one.id);
    await tx.deleteFrom('guacamole_connection_group').where('connection_group_id', 'in', level).execute();
  }
}

async function refuseContent(tx: Tx, id: number, groups: number): Promise<void> {
  const found = await sql<{
    n: number;
  }>`SELECT COUNT(*) AS n FROM guacamole_connection WHERE parent_id = ${id}`.execute(tx);
  const connections = found.rows[0]?.n ?? 0;
  if (groups + connections === 0) return;
  throw new ApiError(
    409,
    'GroupNotEmpty',
    `Group ${id} holds ${connections} connections and ${groups} groups. Send ?recursive=true to delete them with it.`,
    { target: 'id' },
  );
}

/** The group (depth 0) and all groups below it. */
export async function findSubtree(db: Db, id: number): Promise<{ id: number; depth: number }[]> {
  const found = await sql<{ id: number; depth: number }>`
    WITH RECURSIVE below (id, depth) AS (
      SELECT connection_group_id, 0 FROM guacamole_connection_group WHERE connection_group_id = ${id}
      UNION ALL
      SELECT g.connection_group_id, b.depth + 1 FROM guacamole_connection_group g JOIN below b ON g.parent_id = b.id
    ) SELECT id, depth FROM below`.execute(db);
  return found.rows;
}

/** A group may not come below itself, nor too deep. Under the tree's lock nobody can build the other half of a cycle meanwhile. */
async function refuseDepth(tx: Tx, parent: number | null, moved: number | undefined): Promise<void> {
  if (parent === null) return;
  await lockTree(tx);
  const found = await sql<{ id: number }>`
    WITH RECURSIVE above (id, parent) AS (
      SELECT connection_group_id, parent_id FROM guacamole_connection_group WHERE connection_group_id = ${parent}
      UNION
      SELECT g.connection_group_id, g.parent_id FROM guacamole_connection_group g JOIN above a ON g.connection_group_id = a.parent
    ) SELECT id FROM above`.execute(tx);
  if (found.rows.some((row) => row.id === moved)) {
    throw new ApiError(409, 'GroupCycle', `Group ${moved} cannot be moved into group ${parent}, which is in it.`, {
      target: 'parentIdentifier',
    });
  }
  const below = moved === undefined ? [] : await findSubtree(tx, moved);
  const depth = found.rows.length + 1 + Math.max(0, ...below.map((level) => level.depth));
  if (depth > maxGroupDepth) {
    throw new ApiError(
      400,
      'GroupTooDeep',
      `Groups can be nested ${maxGroupDepth} deep; this one would be at level ${depth}.`,
      { target: 'parentIdentifier' },
    );
  }
}
