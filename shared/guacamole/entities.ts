import { type Kysely, sql, type Transaction } from 'kysely';
import { ApiError } from '../errors.ts';
import { isDuplicate } from './databaseErrors.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import { nameProblem } from './text.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

/** Users and user groups share a table; a name may stand once for each. */
export type EntityType = 'USER' | 'USER_GROUP';

/** An entity, and the row of its own kind (`user_id` or `user_group_id`). */
export interface Entity {
  entityId: number;
  id: number;
  name: string;
}

const kinds = {
  USER: { table: 'guacamole_user', id: 'user_id', word: 'user' },
  USER_GROUP: { table: 'guacamole_user_group', id: 'user_group_id', word: 'user group' },
} as const;

export const entityWord = (type: EntityType): string => kinds[type].word;

/** Makes the row that a user or group hangs on. ApiError 409 when the name is taken. */
export async function insertEntity(tx: Tx, type: EntityType, name: string): Promise<number> {
  try {
    const inserted = await tx.insertInto('guacamole_entity').values({ name, type }).executeTakeFirstOrThrow();
    return Number(inserted.insertId);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    throw new ApiError(409, 'NameTaken', `There is a ${entityWord(type)} '${name}' already.`, {
      target: type === 'USER' ? 'username' : 'identifier',
    });
  }
}

/** Locks a user or group, if it is there; see `lockRow`. */
export async function lockEntity(tx: Tx, type: EntityType, name: string): Promise<void> {
  if (nameProblem(name)) return;
  await sql`SELECT entity_id FROM guacamole_entity WHERE type = ${type} AND name = ${name} FOR UPDATE`.execute(tx);
}

/** Finds those of the names that exist. Names are compared by the database, so the answer's spelling may differ. */
export async function findEntities(db: Db, type: EntityType, names: readonly string[]): Promise<Entity[]> {
  // A name that cannot be stored would only make the database compare without its index.
  const possible = names.filter((name) => nameProblem(name) === undefined);
  if (possible.length === 0) return [];
  const { table, id } = kinds[type];
  const found = await sql<Entity>`
    SELECT e.entity_id AS entityId, k.${sql.ref(id)} AS id, e.name
    FROM guacamole_entity e JOIN ${sql.table(table)} k ON k.entity_id = e.entity_id
    WHERE e.type = ${type} AND e.name IN (${sql.join(possible)})`.execute(db);
  return found.rows;
}

/** ApiError 404 when there is none. */
export async function getEntity(db: Db, type: EntityType, name: string): Promise<Entity> {
  const [entity] = await findEntities(db, type, [name]);
  if (!entity) throw noEntity(type, name);
  return entity;
}

export const noEntity = (type: EntityType, name: string): ApiError =>
  new ApiError(404, 'NotFound', `There is no ${entityWord(type)} '${name.slice(0, 128)}'.`, {
    target: entityWord(type),
  });
