import { type Kysely, sql, type Transaction } from 'kysely';
import type { z } from 'zod';
import { ApiError } from '../errors.ts';
import { attributeProblems, hideSecondFactor, readAttributes, storeAttributes, userAttributes } from './attributes.ts';
import { insertEntity, lockEntity, noEntity } from './entities.ts';
import { etagKey, etagOf } from './etag.ts';
import { readJsonObject } from './jsonColumn.ts';
import { flagField, type Listing, type ListQuery, pageClauses, textField, toPage } from './listing.ts';
import { newPassword, passwordMatches, unusablePassword } from './passwords.ts';
import { problem, refuseProblems } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { userBody, userPatch, userReplacement, userShape } from './shapes.ts';
import { nameProblem, type Values } from './text.ts';
import { now, toMillis } from './times.ts';
import { createValues, mergeValues, replaceValues } from './values.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

export type User = z.output<typeof userShape>;
export type UserBody = z.output<typeof userBody>;
export type UserReplacement = z.output<typeof userReplacement>;
export type UserPatch = z.output<typeof userPatch>;

export interface StoredUser {
  entityId: number;
  userId: number;
  user: User;
  /** Attributes that are never shown. */
  hidden: Record<string, string>;
  password: { password_hash: Buffer; password_salt: Buffer | null; password_date: string };
  etag: string;
}

interface UserRow {
  entity_id: number;
  user_id: number;
  name: string;
  disabled: number;
  extra: unknown;
  last_active: string | null;
}

const listing: Listing = {
  fields: {
    username: textField('e.name'),
    disabled: flagField('u.disabled'),
    fullName: textField('u.full_name'),
    emailAddress: textField('u.email_address'),
    organization: textField('u.organization'),
  },
  orders: { username: { keys: [{ column: 'e.name', holds: 'text' }], index: 'guacamole_entity_name_scope' } },
};

const userColumns = sql`
  e.entity_id, e.name, u.user_id, u.disabled, u.expired, u.access_window_start, u.access_window_end, u.valid_from, u.valid_until,
  u.timezone, u.full_name, u.email_address, u.organization, u.organizational_role,
  (SELECT JSON_OBJECTAGG(a.attribute_name, a.attribute_value) FROM guacamole_user_attribute a WHERE a.user_id = u.user_id) AS extra,
  (SELECT MAX(h.start_date) FROM guacamole_user_history h WHERE h.user_id = u.user_id) AS last_active`;

/** One page of users. ApiError 400 `InvalidFilter`, `InvalidOrder`, `InvalidSkipToken`. */
export async function listUsers(db: Db, query: ListQuery, url: URL) {
  const { where, orderBy, limit, hint, keys } = pageClauses(listing, query, [sql`e.type = 'USER'`]);
  const found = await sql<UserRow>`
    SELECT ${userColumns}, ${keys} FROM guacamole_entity e ${hint} JOIN guacamole_user u ON u.entity_id = e.entity_id
    WHERE ${where} ORDER BY ${orderBy} LIMIT ${sql.lit(limit)}`.execute(db);
  return toPage(listing, query, url, found.rows, toUser);
}

/** ApiError 404 when there is none. */
export async function getUser(db: Db, username: string): Promise<StoredUser> {
  if (nameProblem(username)) throw noEntity('USER', username);
  const found = await sql<UserRow & StoredUser['password'] & { etag_key: string }>`
    SELECT ${userColumns}, ${etagKey} AS etag_key, u.password_hash, u.password_salt, u.password_date
    FROM guacamole_entity e JOIN guacamole_user u ON u.entity_id = e.entity_id
    WHERE e.type = 'USER' AND e.name = ${username}`.execute(db);
  const row = found.rows[0];
  if (!row) throw noEntity('USER', username);
  const user = toUser(row);
  const { password_hash, password_salt, password_date } = row;
  const { hidden } = hideSecondFactor(readJsonObject(row.extra));
  const secrets = [password_hash.toString('hex'), hidden];
  const etag = etagOf(row.etag_key, [user.username, user.disabled, user.attributes, ...secrets]);
  return {
    entityId: row.entity_id,
    userId: row.user_id,
    user,
    hidden,
    password: { password_hash, password_salt, password_date },
    etag,
  };
}

/** The same, and nobody else changes it until the transaction ends; see `lockRow`. */
export async function lockUser(tx: Tx, username: string): Promise<StoredUser> {
  await lockEntity(tx, 'USER', username);
  return getUser(tx, username);
}

function toUser(row: UserRow): User {
  return {
    username: row.name,
    disabled: row.disabled === 1,
    attributes: readAttributes(userAttributes, row, hideSecondFactor(readJsonObject(row.extra)).shown),
    ...(row.last_active === null ? {} : { lastActive: toMillis(row.last_active) }),
  };
}

/** Makes a user, who may read itself: without that Guacamole shows it nothing after the login. Without a password nobody can log in. */
export async function createUser(tx: Tx, body: UserBody): Promise<void> {
  refuseProblems(attributeProblems(userAttributes, body.attributes ?? {}));
  const entity_id = await insertEntity(tx, 'USER', body.username);
  const password = body.password ? newPassword(body.password) : unusablePassword();
  const { columns, extra } = storeAttributes(userAttributes, body.attributes ?? {});
  const inserted = await tx
    .insertInto('guacamole_user')
    .values({ entity_id, ...password, password_date: now(), disabled: body.disabled, ...(columns as object) })
    .executeTakeFirstOrThrow();
  const affected_user_id = Number(inserted.insertId);
  await tx
    .insertInto('guacamole_user_permission')
    .values({ entity_id, affected_user_id, permission: 'READ' })
    .execute();
  await createValues(tx, 'guacamole_user_attribute', affected_user_id, extra);
}

/**
 * Replaces everything but the password and the second factor, which change only when the body names them. `checked` are the
 * attributes that the caller answers for.
 */
export async function replaceUser(
  tx: Tx,
  stored: StoredUser,
  body: UserReplacement,
  checked = body.attributes,
): Promise<void> {
  refuseRenaming(stored, body.username);
  refuseProblems(attributeProblems(userAttributes, checked ?? {}));
  const { columns, extra } = storeAttributes(userAttributes, body.attributes ?? {});
  await tx
    .updateTable('guacamole_user')
    .set({ disabled: body.disabled, ...(columns as object) })
    .where('user_id', '=', stored.userId)
    .execute();
  await replaceValues(tx, 'guacamole_user_attribute', stored.userId, {
    ...unnamed(stored.hidden, body.attributes),
    ...extra,
  });
  if (body.password) await setPassword(tx, stored, body.password);
}

function unnamed(hidden: Record<string, string>, attributes: Values | null | undefined): Record<string, string> {
  const named = new Set(Object.keys(attributes ?? {}).map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(hidden).filter(([name]) => !named.has(name.toLowerCase())));
}

/** JSON Merge Patch. */
export async function mergeUser(tx: Tx, stored: StoredUser, patch: UserPatch): Promise<void> {
  const body: UserReplacement = {
    username: patch.username,
    disabled: patch.disabled ?? stored.user.disabled,
    password: patch.password,
    attributes: mergeValues(stored.user.attributes, patch.attributes),
  };
  await replaceUser(tx, stored, body, patch.attributes ?? null);
}

/** Sets a password; the one before goes to the history, as Guacamole's own policy checks expect. */
export async function setPassword(tx: Tx, stored: StoredUser, password: string): Promise<void> {
  await tx
    .insertInto('guacamole_user_password_history')
    .values({ user_id: stored.userId, ...stored.password })
    .execute();
  await tx
    .updateTable('guacamole_user')
    .set({ ...newPassword(password), password_date: now() })
    .where('user_id', '=', stored.userId)
    .execute();
}

/** Throws 403 unless this is the user's password. */
export function requirePassword(stored: StoredUser, password: string): void {
  if (passwordMatches(password, stored.password)) return;
  throw new ApiError(403, 'WrongPassword', 'The old password is not right.', { target: 'oldPassword' });
}

/** Deletes the user and, by the schema's cascades, everything that hangs on it but its history. */
export async function deleteUser(tx: Tx, stored: StoredUser): Promise<void> {
  await tx.deleteFrom('guacamole_entity').where('entity_id', '=', stored.entityId).execute();
}

function refuseRenaming(stored: StoredUser, username: string | undefined): void {
  if (username === undefined || username.toLowerCase() === stored.user.username.toLowerCase()) return;
  refuseProblems([
    problem(
      'username',
      `A user cannot be renamed; '${stored.user.username}' is in the path and '${username}' in the body.`,
    ),
  ]);
}
