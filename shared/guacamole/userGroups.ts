import { type Kysely, sql, type Transaction } from 'kysely';
import type { z } from 'zod';
import { attributeProblems, noAttributes, readAttributes, storeAttributes } from './attributes.ts';
import { insertEntity, lockEntity, noEntity } from './entities.ts';
import { etagKey, etagOf } from './etag.ts';
import { readJsonObject } from './jsonColumn.ts';
import { flagField, type Listing, type ListQuery, pageClauses, textField, toPage } from './listing.ts';
import { problem, refuseProblems } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { userGroupBody, userGroupPatch, userGroupReplacement, userGroupShape } from './shapes.ts';
import { nameProblem } from './text.ts';
import { createValues, mergeValues, replaceValues } from './values.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

export type UserGroup = z.output<typeof userGroupShape>;
export type UserGroupBody = z.output<typeof userGroupBody>;
export type UserGroupReplacement = z.output<typeof userGroupReplacement>;
export type UserGroupPatch = z.output<typeof userGroupPatch>;

export interface StoredUserGroup {
  entityId: number;
  groupId: number;
  group: UserGroup;
  etag: string;
}

interface UserGroupRow {
  entity_id: number;
  user_group_id: number;
  name: string;
  disabled: number;
  extra: unknown;
}

const listing: Listing = {
  fields: { identifier: textField('e.name'), disabled: flagField('g.disabled') },
  orders: { identifier: { keys: [{ column: 'e.name', holds: 'text' }], index: 'guacamole_entity_name_scope' } },
};

const userGroupColumns = sql`
  e.entity_id, e.name, g.user_group_id, g.disabled,
  (SELECT JSON_OBJECTAGG(a.attribute_name, a.attribute_value)
    FROM guacamole_user_group_attribute a WHERE a.user_group_id = g.user_group_id) AS extra`;

/** One page of user groups. ApiError 400 `InvalidFilter`, `InvalidOrder`, `InvalidSkipToken`. */
export async function listUserGroups(db: Db, query: ListQuery, url: URL) {
  const { where, orderBy, limit, hint, keys } = pageClauses(listing, query, [sql`e.type = 'USER_GROUP'`]);
  const found = await sql<UserGroupRow>`
    SELECT ${userGroupColumns}, ${keys} FROM guacamole_entity e ${hint} JOIN guacamole_user_group g ON g.entity_id = e.entity_id
    WHERE ${where} ORDER BY ${orderBy} LIMIT ${sql.lit(limit)}`.execute(db);
  return toPage(listing, query, url, found.rows, toUserGroup);
}

/** ApiError 404 when there is none. */
export async function getUserGroup(db: Db, name: string): Promise<StoredUserGroup> {
  if (nameProblem(name)) throw noEntity('USER_GROUP', name);
  const found = await sql<UserGroupRow & { etag_key: string }>`
    SELECT ${userGroupColumns}, ${etagKey} AS etag_key
    FROM guacamole_entity e JOIN guacamole_user_group g ON g.entity_id = e.entity_id
    WHERE e.type = 'USER_GROUP' AND e.name = ${name}`.execute(db);
  const row = found.rows[0];
  if (!row) throw noEntity('USER_GROUP', name);
  const group = toUserGroup(row);
  const etag = etagOf(row.etag_key, [group.identifier, group.disabled, group.attributes]);
  return { entityId: row.entity_id, groupId: row.user_group_id, group, etag };
}

/** The same, and nobody else changes it until the transaction ends; see `lockRow`. */
export async function lockUserGroup(tx: Tx, name: string): Promise<StoredUserGroup> {
  await lockEntity(tx, 'USER_GROUP', name);
  return getUserGroup(tx, name);
}

const toUserGroup = (row: UserGroupRow): UserGroup => ({
  identifier: row.name,
  disabled: row.disabled === 1,
  attributes: readAttributes(noAttributes, row, readJsonObject(row.extra)),
});

/** ApiError 400 with all problems, 409 `NameTaken`. */
export async function createUserGroup(tx: Tx, body: UserGroupBody): Promise<void> {
  refuseProblems(attributeProblems(noAttributes, body.attributes ?? {}));
  const entity_id = await insertEntity(tx, 'USER_GROUP', body.identifier);
  const inserted = await tx
    .insertInto('guacamole_user_group')
    .values({ entity_id, disabled: body.disabled })
    .executeTakeFirstOrThrow();
  const { extra } = storeAttributes(noAttributes, body.attributes ?? {});
  await createValues(tx, 'guacamole_user_group_attribute', Number(inserted.insertId), extra);
}

/** `checked` are the attributes that the caller answers for. */
export async function replaceUserGroup(
  tx: Tx,
  stored: StoredUserGroup,
  body: UserGroupReplacement,
  checked = body.attributes,
): Promise<void> {
  const { identifier } = stored.group;
  if (body.identifier !== undefined && body.identifier.toLowerCase() !== identifier.toLowerCase()) {
    refuseProblems([
      problem(
        'identifier',
        `A user group cannot be renamed; '${identifier}' is in the path and '${body.identifier}' in the body.`,
      ),
    ]);
  }
  refuseProblems(attributeProblems(noAttributes, checked ?? {}));
  const { extra } = storeAttributes(noAttributes, body.attributes ?? {});
  await tx
    .updateTable('guacamole_user_group')
    .set({ disabled: body.disabled })
    .where('user_group_id', '=', stored.groupId)
    .execute();
  await replaceValues(tx, 'guacamole_user_group_attribute', stored.groupId, extra);
}

/** JSON Merge Patch. */
export async function mergeUserGroup(tx: Tx, stored: StoredUserGroup, patch: UserGroupPatch): Promise<void> {
  const body: UserGroupReplacement = {
    identifier: patch.identifier,
    disabled: patch.disabled ?? stored.group.disabled,
    attributes: mergeValues(stored.group.attributes, patch.attributes),
  };
  await replaceUserGroup(tx, stored, body, patch.attributes ?? null);
}

/** Deletes the group and, by the schema's cascades, its permissions and memberships; its members stay. */
export async function deleteUserGroup(tx: Tx, stored: StoredUserGroup): Promise<void> {
  await tx.deleteFrom('guacamole_entity').where('entity_id', '=', stored.entityId).execute();
}
