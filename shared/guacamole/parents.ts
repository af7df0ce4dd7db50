import { sql, type Transaction } from 'kysely';
import { ApiError } from '../errors.ts';
import { isDuplicate } from './databaseErrors.ts';
import { lockTree } from './locks.ts';
import { problem, refuseProblems } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import { parseIdentifier } from './text.ts';

type Tx = Transaction<GuacamoleDatabase>;

/** What Guacamole calls the group that everything is in; in the database it is NULL. */
export const rootIdentifier = 'ROOT';

export const toParentIdentifier = (parent: number | null): string =>
  parent === null ? rootIdentifier : String(parent);

/** The group that a body's `parentIdentifier` means; null for the root. ApiError 400 when there is no such group. */
export async function lockParent(tx: Tx, identifier: string | null | undefined): Promise<number | null> {
  if (identifier === undefined || identifier === null || identifier === '' || identifier === rootIdentifier) {
    await lockTree(tx);
    return null;
  }
  const id = parseIdentifier(identifier);
  const found = id === undefined ? undefined : await findGroup(tx, id);
  if (!found)
    refuseProblems([problem('parentIdentifier', `There is no connection group '${identifier}'.`, 'NotFound')]);
  return id ?? null;
}

/** That it stays until the insert is up to the foreign key. */
const findGroup = (tx: Tx, id: number) =>
  tx
    .selectFrom('guacamole_connection_group')
    .select('connection_group_id')
    .where('connection_group_id', '=', id)
    .executeTakeFirst();

/** What has a parent: where its names are. */
const kinds = {
  connection: { table: 'guacamole_connection', id: 'connection_id', named: 'connection_name' },
  'connection group': {
    table: 'guacamole_connection_group',
    id: 'connection_group_id',
    named: 'connection_group_name',
  },
} as const;

type Kind = keyof typeof kinds;

/**
 * At the root no unique key tells; elsewhere this gives the better message, and the key decides between two writers. ApiError 409
 * `NameTaken`.
 * @param except the one that is about to bear the name, where it exists already
 */
export async function refuseTakenName(
  tx: Tx,
  kind: Kind,
  name: string,
  parent: number | null,
  except = 0,
): Promise<void> {
  const { table, id, named } = kinds[kind];
  const taken = await sql`
    SELECT ${sql.ref(id)} FROM ${sql.table(table)}
    WHERE ${sql.ref(named)} = ${name} AND parent_id <=> ${parent} AND ${sql.ref(id)} <> ${except} LIMIT 1`.execute(tx);
  if (taken.rows.length > 0) throw nameTaken(kind, name, parent);
}

/** For `.catch()` of the write: ApiError 409 `NameTaken` where the unique key refused it. */
export const asTaken =
  (kind: Kind, name: string, parent: number | null) =>
  (error: unknown): never => {
    throw isDuplicate(error) ? nameTaken(kind, name, parent) : error;
  };

const nameTaken = (kind: Kind, name: string, parent: number | null): ApiError =>
  new ApiError(
    409,
    'NameTaken',
    `There is a ${kind} '${name}' in ${parent === null ? 'the root group' : `group ${parent}`} already.`,
    {
      target: 'name',
    },
  );
