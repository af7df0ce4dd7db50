import type { Kysely, Transaction } from 'kysely';
import { lockTree } from './locks.ts';
import { newPassword, passwordMatches } from './passwords.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import { now } from './times.ts';
import { systemPermissions } from './vocabulary.ts';

type Tx = Transaction<GuacamoleDatabase>;

/** The columns that say who may log in and with what. */
interface StoredAdministrator {
  user_id: number;
  entity_id: number;
  password_hash: Buffer;
  password_salt: Buffer | null;
  password_date: string;
  disabled: number;
  expired: number;
}

/**
 * Sees to it that this Guacamole user exists once, can log in with this password, and holds every system permission. Several
 * callers at once make one. A taken-over database keeps its users; its `guacadmin` gets this password, so that Guacamole's
 * well-known default never stays. Says what it did.
 */
export async function ensureAdministrator(
  db: Kysely<GuacamoleDatabase>,
  administrator: { username: string; password: string },
): Promise<'created' | 'changed' | 'unchanged'> {
  return db.transaction().execute(async (tx) => {
    await lockTree(tx);
    const stored = await findAdministrator(tx, administrator.username);
    if (!stored) {
      await createAdministrator(tx, administrator.username, administrator.password);
      return 'created';
    }
    await grantEverything(tx, stored.entity_id, stored.user_id);
    return (await repairLogin(tx, stored, administrator.password)) ? 'changed' : 'unchanged';
  });
}

const findAdministrator = (tx: Tx, username: string): Promise<StoredAdministrator | undefined> =>
  tx
    .selectFrom('guacamole_entity as e')
    .innerJoin('guacamole_user as u', 'u.entity_id', 'e.entity_id')
    .select(['u.user_id', 'e.entity_id', 'password_hash', 'password_salt', 'password_date', 'disabled', 'expired'])
    .where('e.type', '=', 'USER')
    .where('e.name', '=', username)
    .executeTakeFirst();

async function createAdministrator(tx: Tx, username: string, password: string): Promise<void> {
  const entity = await tx
    .insertInto('guacamole_entity')
    .values({ name: username, type: 'USER' })
    // An entity without its user row is what a Guacamole that was cut off leaves; it is completed.
    .onDuplicateKeyUpdate((eb) => ({ entity_id: eb.fn('last_insert_id', ['entity_id']) }))
    .executeTakeFirstOrThrow();
  const entity_id = Number(entity.insertId);
  const user = await tx
    .insertInto('guacamole_user')
    .values({ entity_id, ...newPassword(password), password_date: now() })
    .executeTakeFirstOrThrow();
  await grantEverything(tx, entity_id, Number(user.insertId));
}

async function grantEverything(tx: Tx, entity_id: number, affected_user_id: number): Promise<void> {
  await tx
    .insertInto('guacamole_system_permission')
    .ignore()
    .values(systemPermissions.map((permission) => ({ entity_id, permission })))
    .execute();
  await tx
    .insertInto('guacamole_user_permission')
    .ignore()
    .values(
      (['READ', 'UPDATE', 'ADMINISTER'] as const).map((permission) => ({ entity_id, affected_user_id, permission })),
    )
    .execute();
}

/** Makes the stored login usable with this password; false when it already was. */
async function repairLogin(tx: Tx, stored: StoredAdministrator, password: string): Promise<boolean> {
  if (stored.disabled === 0 && stored.expired === 0 && passwordMatches(password, stored)) return false;
  await tx
    .insertInto('guacamole_user_password_history')
    .values({
      user_id: stored.user_id,
      password_hash: stored.password_hash,
      password_salt: stored.password_salt,
      password_date: stored.password_date,
    })
    .execute();
  await tx
    .updateTable('guacamole_user')
    .set({ ...newPassword(password), password_date: now(), disabled: 0, expired: 0 })
    .where('user_id', '=', stored.user_id)
    .execute();
  return true;
}
