import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { z } from 'zod';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { permissionsShape } from './shapes.ts';
import { OBJECT_PERMISSIONS, SYSTEM_PERMISSIONS } from './vocabulary.ts';

type Db = Kysely<GuacamoleDatabase>;

export type Permissions = z.output<typeof permissionsShape>;

/** The maps of Guacamole's permission sets that are stored, and where. */
export const PERMISSION_MAPS = {
  connectionPermissions: {
    table: 'guacamole_connection_permission',
    column: 'connection_id',
    object: 'guacamole_connection',
    objectId: 'connection_id',
  },
  connectionGroupPermissions: {
    table: 'guacamole_connection_group_permission',
    column: 'connection_group_id',
    object: 'guacamole_connection_group',
    objectId: 'connection_group_id',
  },
  sharingProfilePermissions: {
    table: 'guacamole_sharing_profile_permission',
    column: 'sharing_profile_id',
    object: 'guacamole_sharing_profile',
    objectId: 'sharing_profile_id',
  },
  userPermissions: {
    table: 'guacamole_user_permission',
    column: 'affected_user_id',
    entity: 'USER',
    object: 'guacamole_user',
    objectId: 'user_id',
  },
  userGroupPermissions: {
    table: 'guacamole_user_group_permission',
    column: 'affected_user_group_id',
    entity: 'USER_GROUP',
    object: 'guacamole_user_group',
    objectId: 'user_group_id',
  },
} as const;

export type PermissionMap = keyof typeof PERMISSION_MAPS;

/** What is granted to the entity itself. */
export const readPermissions = (db: Db, entityId: number): Promise<Permissions> =>
  collect(db, sql`SELECT ${entityId} AS entity_id`);

/** What the entity may do in the end: its own grants and those of every group above it, except through disabled groups. */
export const readEffectivePermissions = (db: Db, entityId: number): Promise<Permissions> =>
  collect(
    db,
    sql`
      SELECT CAST(${entityId} AS SIGNED) AS entity_id
      UNION
      SELECT g.entity_id FROM held h
      JOIN guacamole_user_group_member m ON m.member_entity_id = h.entity_id
      JOIN guacamole_user_group g ON g.user_group_id = m.user_group_id AND g.disabled = 0`,
  );

/** One statement for all six tables; `held` are the entities whose grants count. */
async function collect(db: Db, held: RawBuilder<unknown>): Promise<Permissions> {
  const found = await sql<{ map: PermissionMap | 'systemPermissions'; id: string; permission: string }>`
    WITH RECURSIVE held (entity_id) AS (${held}) ${SELECT_ALL}`.execute(db);
  const permissions: Permissions = {
    connectionPermissions: {},
    connectionGroupPermissions: {},
    sharingProfilePermissions: {},
    // Guacamole derives these from its own sessions; they are not stored.
    activeConnectionPermissions: {},
    userPermissions: {},
    userGroupPermissions: {},
    systemPermissions: [],
  };
  const sets = new Map<string, Set<string>>();
  for (const { map, id, permission } of found.rows) {
    const key = `${map}/${id}`;
    const set = sets.get(key) ?? new Set();
    if (set.size === 0) sets.set(key, set);
    set.add(permission);
  }
  const system = sets.get('systemPermissions/') ?? new Set();
  permissions.systemPermissions = SYSTEM_PERMISSIONS.filter((permission) => system.has(permission));
  for (const [key, set] of sets) {
    const slash = key.indexOf('/');
    const map = key.slice(0, slash);
    if (isPermissionMap(map))
      permissions[map][key.slice(slash + 1)] = OBJECT_PERMISSIONS.filter((permission) => set.has(permission));
  }
  return permissions;
}

export const isPermissionMap = (name: string): name is PermissionMap => Object.hasOwn(PERMISSION_MAPS, name);

const SELECT_ALL = sql.raw(
  [
    ...Object.entries(PERMISSION_MAPS).map(([map, place]) =>
      'entity' in place
        ? `SELECT '${map}' AS map, e.name AS id, p.permission AS permission FROM held JOIN ${place.table} p ON p.entity_id = held.entity_id
           JOIN ${place.object} o ON o.${place.objectId} = p.${place.column} JOIN guacamole_entity e ON e.entity_id = o.entity_id`
        : `SELECT '${map}' AS map, p.${place.column} AS id, p.permission AS permission FROM held JOIN ${place.table} p ON p.entity_id = held.entity_id`,
    ),
    `SELECT 'systemPermissions' AS map, '' AS id, p.permission AS permission FROM held
     JOIN guacamole_system_permission p ON p.entity_id = held.entity_id`,
  ].join(' UNION ALL '),
);
