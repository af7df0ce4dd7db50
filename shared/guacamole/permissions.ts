import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { z } from 'zod';
import { type EntityType, noEntity } from './entities.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import type { permissionsShape } from './shapes.ts';
import { nameProblem } from './text.ts';
import { type ObjectPermission, objectPermissions, systemPermissions } from './vocabulary.ts';

type Db = Kysely<GuacamoleDatabase>;

export type Permissions = z.output<typeof permissionsShape>;

/** The maps of Guacamole's permission sets that are stored, and where. */
export const permissionMaps = {
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

export type PermissionMap = keyof typeof permissionMaps;

/** What is granted to the entity itself. ApiError 404 when there is none of that name. */
export const getPermissions = (db: Db, type: EntityType, name: string): Promise<Permissions> =>
  collect(db, type, name, sql``);

/**
 * What the entity may do in the end: its own grants and those of every group above it, except through disabled groups. ApiError
 * 404 when there is none of that name.
 */
export const getEffectivePermissions = (db: Db, type: EntityType, name: string): Promise<Permissions> =>
  collect(
    db,
    type,
    name,
    sql`
      UNION
      SELECT g.entity_id FROM held h
      JOIN guacamole_user_group_member m ON m.member_entity_id = h.entity_id
      JOIN guacamole_user_group g ON g.user_group_id = m.user_group_id AND g.disabled = 0`,
  );

type Row = { map: PermissionMap | 'systemPermissions' | 'holder'; id: string; permission: string };

/**
 * One statement for all six tables, so one round trip. `held` are the entities whose grants count: the one that is asked for, and
 * what `above` adds. They are rows of the answer as well, which tells no grants from no such entity.
 */
async function collect(db: Db, type: EntityType, name: string, above: RawBuilder<unknown>): Promise<Permissions> {
  if (nameProblem(name)) throw noEntity(type, name);
  const found = await sql<Row>`
    WITH RECURSIVE held (entity_id) AS (
      SELECT e.entity_id FROM guacamole_entity e JOIN ${sql.table(entityTables[type])} k ON k.entity_id = e.entity_id
      WHERE e.type = ${type} AND e.name = ${name} ${above}
    ) ${selectAll}`.execute(db);
  if (found.rows.length === 0) throw noEntity(type, name);
  return toPermissions(found.rows);
}

/** Which of the four permissions a bit of 1, 2, 4 or 8 stands for, in all sixteen combinations; there are too many rows for sets. */
const combinations = Array.from({ length: 16 }, (_, bits) =>
  objectPermissions.filter((_one, index) => bits & (1 << index)),
);
const bitOf = new Map<string, number>(objectPermissions.map((permission, index) => [permission, 1 << index]));
const bitsOf = new Map(combinations.map((permissions, bits) => [permissions, bits]));

function toPermissions(rows: readonly Row[]): Permissions {
  const maps = new Map<string, Map<string, ObjectPermission[]>>();
  const system = new Set<string>();
  for (const { map, id, permission } of rows) {
    if (map === 'holder') continue;
    if (map === 'systemPermissions') {
      system.add(permission);
      continue;
    }
    let objects = maps.get(map);
    if (objects === undefined) {
      objects = new Map();
      maps.set(map, objects);
    }
    const known = objects.get(id);
    const bits = (known ? (bitsOf.get(known) ?? 0) : 0) | (bitOf.get(permission) ?? 0);
    objects.set(id, combinations[bits] ?? []);
  }
  const listed = (map: PermissionMap) => Object.fromEntries(maps.get(map) ?? []);
  return {
    connectionPermissions: listed('connectionPermissions'),
    connectionGroupPermissions: listed('connectionGroupPermissions'),
    sharingProfilePermissions: listed('sharingProfilePermissions'),
    // Guacamole derives these from its own sessions; they are not stored.
    activeConnectionPermissions: {},
    userPermissions: listed('userPermissions'),
    userGroupPermissions: listed('userGroupPermissions'),
    systemPermissions: systemPermissions.filter((permission) => system.has(permission)),
  };
}

const entityTables = { USER: 'guacamole_user', USER_GROUP: 'guacamole_user_group' } as const;

export const isPermissionMap = (name: string): name is PermissionMap => Object.hasOwn(permissionMaps, name);

const selectAll = sql.raw(
  [
    ...Object.entries(permissionMaps).map(([map, place]) =>
      'entity' in place
        ? `SELECT '${map}' AS map, e.name AS id, p.permission AS permission FROM held JOIN ${place.table} p ON p.entity_id = held.entity_id
           JOIN ${place.object} o ON o.${place.objectId} = p.${place.column} JOIN guacamole_entity e ON e.entity_id = o.entity_id`
        : `SELECT '${map}' AS map, p.${place.column} AS id, p.permission AS permission FROM held JOIN ${place.table} p ON p.entity_id = held.entity_id`,
    ),
    "SELECT 'holder' AS map, '' AS id, '' AS permission FROM held",
    `SELECT 'systemPermissions' AS map, '' AS id, p.permission AS permission FROM held
     JOIN guacamole_system_permission p ON p.entity_id = held.entity_id`,
  ].join(' UNION ALL '),
);
