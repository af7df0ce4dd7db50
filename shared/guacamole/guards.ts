import { type Kysely, sql } from 'kysely';
import { type Caller, hasRole } from '../auth.ts';
import { ApiError } from '../errors.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';

/**
 * Whoever may not administer the jump server may not make a Guacamole system administrator, nor change one: with such an
 * account they could do everything inside Guacamole. Throws 403 when one of the entities holds ADMINISTER, itself or through
 * a group, disabled groups included (they can be enabled again).
 */
export async function refuseAdministrators(
  db: Kysely<GuacamoleDatabase>,
  caller: Caller,
  entityIds: readonly number[],
): Promise<void> {
  if (hasRole(caller, 'JumpServer.Admin') || entityIds.length === 0) return;
  const [name] = (await findAdministrators(db, entityIds)).values();
  if (name === undefined) return;
  throw new ApiError(
    403,
    'AdministratorProtected',
    `'${name}' is, or makes its members, system administrators of Guacamole. Only JumpServer.Admin may change that.`,
  );
}

/** Throws 403 unless the caller may hand out the system permission ADMINISTER. */
export function refuseAdminister(caller: Caller): void {
  if (hasRole(caller, 'JumpServer.Admin')) return;
  throw new ApiError(
    403,
    'AdministratorProtected',
    'Only JumpServer.Admin may give or take the system permission ADMINISTER.',
    {
      target: '/systemPermissions',
    },
  );
}

/** Those of the entities that are administrators, directly or through groups, with their names. */
export async function findAdministrators(
  db: Kysely<GuacamoleDatabase>,
  entityIds: readonly number[],
): Promise<Map<number, string>> {
  if (entityIds.length === 0) return new Map();
  const found = await sql<{ id: number; name: string }>`
    WITH RECURSIVE held (root, entity_id) AS (
      SELECT entity_id, entity_id FROM guacamole_entity WHERE entity_id IN (${sql.join(entityIds)})
      UNION
      SELECT h.root, g.entity_id FROM held h
      JOIN guacamole_user_group_member m ON m.member_entity_id = h.entity_id
      JOIN guacamole_user_group g ON g.user_group_id = m.user_group_id
    )
    SELECT DISTINCT e.entity_id AS id, e.name FROM held h
    JOIN guacamole_system_permission p ON p.entity_id = h.entity_id AND p.permission = 'ADMINISTER'
    JOIN guacamole_entity e ON e.entity_id = h.root`.execute(db);
  return new Map(found.rows.map((row) => [row.id, row.name]));
}
