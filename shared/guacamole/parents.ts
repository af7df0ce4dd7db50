import type { Transaction } from 'kysely';
import { ApiError } from '../errors.ts';
import { lockTree } from './locks.ts';
import { problem, refuseProblems } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import { parseIdentifier } from './text.ts';

type Tx = Transaction<GuacamoleDatabase>;

/** What Guacamole calls the group that everything is in; in the database it is NULL. */
export const ROOT = 'ROOT';

export const toParentIdentifier = (parent: number | null): string => (parent === null ? ROOT : String(parent));

/** The group that a body's `parentIdentifier` means; null for the root. ApiError 400 when there is no such group. */
export async function lockParent(tx: Tx, identifier: string | null | undefined): Promise<number | null> {
  if (identifier === undefined || identifier === null || identifier === '' || identifier === ROOT) {
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

export const nameTaken = (kind: string, name: string, parent: number | null): ApiError =>
  new ApiError(
    409,
    'NameTaken',
    `There is a ${kind} '${name}' in ${parent === null ? 'the root group' : `group ${parent}`} already.`,
    {
      target: 'name',
    },
  );
