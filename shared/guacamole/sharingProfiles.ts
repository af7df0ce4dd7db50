import { type Kysely, sql, type Transaction } from 'kysely';
import type { z } from 'zod';
import { ApiError, notFound } from '../errors.ts';
import { attributeProblems, noAttributes, readAttributes, storeAttributes } from './attributes.ts';
import type { WriteOptions } from './connections.ts';
import { isDuplicate } from './databaseErrors.ts';
import { etagKey, etagOf } from './etag.ts';
import { readJsonObject } from './jsonColumn.ts';
import { identifierField, type Listing, type ListQuery, pageClauses, textField, toPage } from './listing.ts';
import { lockRow } from './locks.ts';
import { problem, refuseProblems } from './problems.ts';
import { sharingParameterProblems } from './protocols.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { sharingProfileBody, sharingProfilePatch, sharingProfileShape } from './shapes.ts';
import { parseIdentifier } from './text.ts';
import { createValues, mergeValues, replaceValues, setValues } from './values.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

export type SharingProfile = z.output<typeof sharingProfileShape>;
export type SharingProfileBody = z.output<typeof sharingProfileBody>;
export type SharingProfilePatch = z.output<typeof sharingProfilePatch>;

export interface StoredSharingProfile {
  id: number;
  profile: SharingProfile;
  parameters: Record<string, string>;
  etag: string;
}

interface ProfileRow {
  sharing_profile_id: number;
  sharing_profile_name: string;
  primary_connection_id: number;
  extra: unknown;
}

const listing: Listing = {
  fields: {
    identifier: identifierField('s.sharing_profile_id'),
    name: textField('s.sharing_profile_name'),
    primaryConnectionIdentifier: identifierField('s.primary_connection_id'),
  },
  orders: {
    identifier: { keys: [{ column: 's.sharing_profile_id', holds: 'number' }], index: 'PRIMARY' },
    name: {
      index: 'sharing_profile_name_primary',
      keys: [
        { column: 's.sharing_profile_name', holds: 'text' },
        { column: 's.primary_connection_id', holds: 'number' },
      ],
    },
  },
};

const sharingProfileColumns = sql`
  s.sharing_profile_id, s.sharing_profile_name, s.primary_connection_id,
  (SELECT JSON_OBJECTAGG(a.attribute_name, a.attribute_value)
    FROM guacamole_sharing_profile_attribute a WHERE a.sharing_profile_id = s.sharing_profile_id) AS extra`;

/** One page of sharing profiles. ApiError 400 `InvalidFilter`, `InvalidOrder`, `InvalidSkipToken`. */
export async function listSharingProfiles(db: Db, query: ListQuery, url: URL) {
  const { where, orderBy, limit, hint, keys } = pageClauses(listing, query);
  const found = await sql<ProfileRow>`
    SELECT ${sharingProfileColumns}, ${keys} FROM guacamole_sharing_profile s ${hint}
    WHERE ${where} ORDER BY ${orderBy} LIMIT ${sql.lit(limit)}`.execute(db);
  return toPage(listing, query, url, found.rows, toSharingProfile);
}

/** The profiles of these connections, or of all, by the connection's identifier. */
export async function readSharingProfiles(
  db: Db,
  connectionIds: readonly number[],
  all: boolean,
): Promise<Map<string, SharingProfile[]>> {
  const byConnection = new Map<string, SharingProfile[]>();
  if (connectionIds.length === 0) return byConnection;
  const found = await sql<ProfileRow>`
    SELECT ${sharingProfileColumns} FROM guacamole_sharing_profile s
    WHERE ${all ? sql`TRUE` : sql`s.primary_connection_id IN (${sql.join(connectionIds)})`} ORDER BY s.sharing_profile_name`.execute(
    db,
  );
  for (const profile of found.rows.map(toSharingProfile)) {
    const mine = byConnection.get(profile.primaryConnectionIdentifier) ?? [];
    if (mine.length === 0) byConnection.set(profile.primaryConnectionIdentifier, mine);
    mine.push(profile);
  }
  return byConnection;
}

/** ApiError 404 when there is none. */
export async function getSharingProfile(db: Db, identifier: string): Promise<StoredSharingProfile> {
  const id = parseIdentifier(identifier);
  if (id === undefined) throw notFound('sharing profile', identifier);
  const found = await sql<ProfileRow & { parameters: unknown; etag_key: string }>`
    SELECT ${sharingProfileColumns}, ${etagKey} AS etag_key,
      (SELECT JSON_OBJECTAGG(p.parameter_name, p.parameter_value)
        FROM guacamole_sharing_profile_parameter p WHERE p.sharing_profile_id = s.sharing_profile_id) AS parameters
    FROM guacamole_sharing_profile s WHERE s.sharing_profile_id = ${id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('sharing profile', identifier);
  const profile = toSharingProfile(row);
  const parameters = readJsonObject(row.parameters);
  const { name, primaryConnectionIdentifier, attributes } = profile;
  const etag = etagOf(row.etag_key, [id, name, primaryConnectionIdentifier, attributes, parameters]);
  return { id, profile, parameters, etag };
}

/** The same, and nobody else changes it until the transaction ends; see `lockRow`. */
export async function lockSharingProfile(tx: Tx, identifier: string): Promise<StoredSharingProfile> {
  await lockRow(tx, 'guacamole_sharing_profile', 'sharing_profile_id', parseIdentifier(identifier));
  return getSharingProfile(tx, identifier);
}

const toSharingProfile = (row: ProfileRow): SharingProfile => ({
  name: row.sharing_profile_name,
  identifier: String(row.sharing_profile_id),
  primaryConnectionIdentifier: String(row.primary_connection_id),
  attributes: readAttributes(noAttributes, row, readJsonObject(row.extra)),
});

/** Makes a sharing profile and returns its identifier. */
export async function createSharingProfile(tx: Tx, body: SharingProfileBody, options: WriteOptions): Promise<string> {
  const primary_connection_id = await checkProfile(tx, body.primaryConnectionIdentifier, body, options);
  const inserted = await tx
    .insertInto('guacamole_sharing_profile')
    .values({ sharing_profile_name: body.name, primary_connection_id })
    .executeTakeFirstOrThrow()
    .catch(asTaken(body));
  const id = Number(inserted.insertId);
  await writeValues(tx, id, body, true);
  return String(id);
}

/** Replaces everything but, where the body has none, the parameters. `checked` is what the caller answers for. */
export async function replaceSharingProfile(
  tx: Tx,
  stored: StoredSharingProfile,
  body: SharingProfileBody,
  options: WriteOptions,
  checked: Checked = body,
): Promise<void> {
  const primary_connection_id = await checkProfile(tx, body.primaryConnectionIdentifier, checked, options);
  await tx
    .updateTable('guacamole_sharing_profile')
    .set({ sharing_profile_name: body.name, primary_connection_id })
    .where('sharing_profile_id', '=', stored.id)
    .execute()
    .catch(asTaken(body));
  await writeValues(tx, stored.id, body, false);
}

/** JSON Merge Patch. */
export async function mergeSharingProfile(
  tx: Tx,
  stored: StoredSharingProfile,
  patch: SharingProfilePatch,
  options: WriteOptions,
): Promise<void> {
  const { profile } = stored;
  const body: SharingProfileBody = {
    name: patch.name ?? profile.name,
    primaryConnectionIdentifier: patch.primaryConnectionIdentifier ?? profile.primaryConnectionIdentifier,
    attributes: mergeValues(profile.attributes, patch.attributes),
    ...(patch.parameters === undefined ? {} : { parameters: mergeValues(stored.parameters, patch.parameters) }),
  };
  await replaceSharingProfile(tx, stored, body, options, patch);
}

export async function deleteSharingProfile(tx: Tx, stored: StoredSharingProfile): Promise<void> {
  await tx.deleteFrom('guacamole_sharing_profile').where('sharing_profile_id', '=', stored.id).execute();
}

type Checked = Pick<SharingProfilePatch, 'parameters' | 'attributes'>;

/** Throws everything that is wrong; returns the connection that is shared. */
async function checkProfile(tx: Tx, identifier: string, checked: Checked, options: WriteOptions): Promise<number> {
  const id = parseIdentifier(identifier);
  const connection = await tx
    .selectFrom('guacamole_connection')
    .select('protocol')
    .where('connection_id', '=', id ?? 0)
    .executeTakeFirst();
  refuseProblems([
    ...(connection
      ? []
      : [problem('primaryConnectionIdentifier', `There is no connection '${identifier}'.`, 'NotFound')]),
    ...(connection
      ? sharingParameterProblems(connection.protocol, checked.parameters ?? {}, options.allowUnknownParameters === true)
      : []),
    ...attributeProblems(noAttributes, checked.attributes ?? {}),
  ]);
  return id ?? 0;
}

async function writeValues(tx: Tx, id: number, body: SharingProfileBody, fresh: boolean): Promise<void> {
  const { extra } = storeAttributes(noAttributes, body.attributes ?? {});
  const parameters = body.parameters ? setValues(body.parameters) : undefined;
  if (fresh) {
    await createValues(tx, 'guacamole_sharing_profile_attribute', id, extra);
    await createValues(tx, 'guacamole_sharing_profile_parameter', id, parameters ?? {});
    return;
  }
  await replaceValues(tx, 'guacamole_sharing_profile_attribute', id, extra);
  if (parameters) await replaceValues(tx, 'guacamole_sharing_profile_parameter', id, parameters);
}

const asTaken =
  (body: SharingProfileBody) =>
  (error: unknown): never => {
    if (!isDuplicate(error)) throw error;
    const message = `Connection ${body.primaryConnectionIdentifier} has a sharing profile '${body.name}' already.`;
    throw new ApiError(409, 'NameTaken', message, { target: 'name' });
  };
