import { sql, type Transaction } from 'kysely';
import type { Caller } from '../auth.ts';
import { slices } from './bulk.ts';
import { collationKeys } from './collation.ts';
import { findEntities } from './entities.ts';
import { refuseAdminister, refuseAdministrators } from './guards.ts';
import { suggestion } from './nearest.ts';
import { isPermissionMap, type PermissionMap, permissionMaps } from './permissions.ts';
import { type Problem, problem, refuseProblems } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import { parseIdentifier } from './text.ts';
import { type ObjectPermission, objectPermissions, type SystemPermission, systemPermissions } from './vocabulary.ts';

type Tx = Transaction<GuacamoleDatabase>;

/** One operation of Guacamole's JSON Patch on permissions: `{"op":"add","path":"/connectionPermissions/14","value":"READ"}`. */
export interface PermissionOperation {
  op: 'add' | 'remove';
  path: string;
  value: string;
}

/** An operation on one object; its identifier is resolved to `objectId` later. */
interface ObjectChange {
  index: number;
  op: 'add' | 'remove';
  map: PermissionMap;
  identifier: string;
  permission: ObjectPermission;
}

interface SystemChange {
  op: 'add' | 'remove';
  permission: SystemPermission;
}

interface Grant {
  map: PermissionMap;
  objectId: number;
  permission: ObjectPermission;
}

/**
 * Applies a batch to what one user or user group is granted, all or nothing. Of several operations on the same grant the last
 * counts. ApiError 400 with every operation that is wrong; 403 when an administrator of Guacamole would be made or changed.
 */
export async function patchPermissions(
  tx: Tx,
  caller: Caller,
  entityId: number,
  operations: readonly PermissionOperation[],
): Promise<void> {
  const problems: Problem[] = [];
  const objects: ObjectChange[] = [];
  const system = new Map<string, SystemChange>();
  for (const [index, operation] of operations.entries()) {
    const change = readOperation(operation, index);
    if ('message' in change) problems.push(change);
    else if ('map' in change) objects.push(change);
    else system.set(change.permission, change);
  }
  refuseProblems(problems);
  await refuseAdministrators(tx, caller, [entityId]);
  if (system.has('ADMINISTER')) refuseAdminister(caller);
  await applyObjects(tx, caller, entityId, objects);
  await applySystem(tx, entityId, [...system.values()]);
}

function readOperation({ op, path, value }: PermissionOperation, index: number): ObjectChange | SystemChange | Problem {
  const target = `[${index}]`;
  const slash = path.indexOf('/', 1);
  const map = path.slice(1, slash === -1 ? undefined : slash);
  if (map === 'systemPermissions' && slash === -1) {
    const permission = systemPermissions.find((known) => known === value);
    return permission ? { op, permission } : unknownPermission(target, value, systemPermissions);
  }
  if (map === 'activeConnectionPermissions') {
    return problem(
      target,
      'Permissions on active connections follow from those on the connection; they cannot be given.',
      'NotSupported',
    );
  }
  if (!path.startsWith('/') || !isPermissionMap(map) || slash === -1 || slash === path.length - 1) {
    const known = [...Object.keys(permissionMaps), 'systemPermissions'];
    const hint = isPermissionMap(map) ? ` '/${map}' needs an identifier behind it.` : suggestion(map, known);
    return problem(target, `The path '${path.slice(0, 160)}' is none of a permission${hint}`, 'InvalidPath');
  }
  const permission = objectPermissions.find((known) => known === value);
  if (!permission) return unknownPermission(target, value, objectPermissions);
  return { index, op, map, identifier: unescapePointer(path.slice(slash + 1)), permission };
}

const unknownPermission = (target: string, value: string, known: readonly string[]): Problem =>
  problem(
    target,
    `There is no permission '${value.slice(0, 40)}' here; known: ${known.join(', ')}.`,
    'UnknownPermission',
  );

/** JSON Pointer (RFC 6901) writes `/` as `~1` and `~` as `~0`; Guacamole writes names as they are, so a bare `/` is one as well. */
export const unescapePointer = (text: string): string => text.replace(/~1/g, '/').replace(/~0/g, '~');

async function applyObjects(
  tx: Tx,
  caller: Caller,
  entity_id: number,
  changes: readonly ObjectChange[],
): Promise<void> {
  const problems: Problem[] = [];
  for (const map of Object.keys(permissionMaps).filter(isPermissionMap)) {
    const mine = changes.filter((change) => change.map === map);
    if (mine.length === 0) continue;
    const ids = await resolve(tx, caller, map, mine);
    // By the object and not by the identifier: two spellings of a name are one grant, of which the last operation counts.
    const wanted = new Map<string, { op: string; grant: Grant }>();
    for (const { index, op, identifier, permission } of mine) {
      const objectId = ids.get(identifier);
      if (objectId !== undefined) wanted.set(`${objectId} ${permission}`, { op, grant: { map, objectId, permission } });
      else if (op === 'add')
        problems.push(problem(`[${index}]`, `There is no '${identifier.slice(0, 128)}' for ${map}.`, 'NotFound'));
    }
    if (problems.length > 0) continue;
    const grants = [...wanted.values()];
    await removeGrants(
      tx,
      entity_id,
      map,
      grants.filter(({ op }) => op === 'remove').map(({ grant }) => grant),
    );
    await addGrants(
      tx,
      entity_id,
      map,
      grants.filter(({ op }) => op === 'add').map(({ grant }) => grant),
    );
  }
  refuseProblems(problems);
}

/** Identifiers of a map to the ids of the objects that exist. */
async function resolve(
  tx: Tx,
  caller: Caller,
  map: PermissionMap,
  changes: readonly ObjectChange[],
): Promise<Map<string, number>> {
  const place = permissionMaps[map];
  const identifiers = [...new Set(changes.map((change) => change.identifier))];
  if ('entity' in place) {
    const entities = await findEntities(tx, place.entity, identifiers);
    // Whoever may change an administrator can become one.
    await refuseAdministrators(
      tx,
      caller,
      entities.map((entity) => entity.entityId),
    );
    const keyOf = await collationKeys(tx, [...identifiers, ...entities.map((entity) => entity.name)]);
    const byName = new Map(entities.map((entity) => [keyOf(entity.name), entity.id]));
    return new Map(identifiers.flatMap((name) => mapEntry(name, byName.get(keyOf(name)))));
  }
  const wanted = identifiers.flatMap((text) => mapEntry(text, parseIdentifier(text)));
  if (wanted.length === 0) return new Map();
  const found = await sql<{ id: number }>`
    SELECT ${sql.ref(place.objectId)} AS id FROM ${sql.table(place.object)}
    WHERE ${sql.ref(place.objectId)} IN (${sql.join(wanted.map(([, id]) => id))})`.execute(tx);
  const existing = new Set(found.rows.map((row) => row.id));
  return new Map(wanted.filter(([, id]) => existing.has(id)));
}

const mapEntry = (name: string, id: number | undefined): [string, number][] => (id === undefined ? [] : [[name, id]]);

/** What the entity has already stays. */
async function addGrants(tx: Tx, entityId: number, map: PermissionMap, grants: readonly Grant[]): Promise<void> {
  const { table, column } = permissionMaps[map];
  for (const some of slices(grants)) {
    const rows = some.map((grant) => sql`(${entityId}, ${grant.objectId}, ${grant.permission})`);
    await sql`INSERT IGNORE INTO ${sql.table(table)} (entity_id, ${sql.ref(column)}, permission)
      VALUES ${sql.join(rows)}`.execute(tx);
  }
}

async function removeGrants(tx: Tx, entityId: number, map: PermissionMap, grants: readonly Grant[]): Promise<void> {
  const { table, column } = permissionMaps[map];
  for (const some of slices(grants)) {
    const pairs = some.map((grant) => sql`(${grant.objectId}, ${grant.permission})`);
    await sql`DELETE FROM ${sql.table(table)} WHERE entity_id = ${entityId}
      AND (${sql.ref(column)}, permission) IN (${sql.join(pairs)})`.execute(tx);
  }
}

async function applySystem(tx: Tx, entity_id: number, changes: readonly SystemChange[]): Promise<void> {
  const removed = changes.filter(({ op }) => op === 'remove').map(({ permission }) => permission);
  const added = changes.filter(({ op }) => op === 'add').map(({ permission }) => permission);
  if (removed.length > 0) {
    await tx
      .deleteFrom('guacamole_system_permission')
      .where('entity_id', '=', entity_id)
      .where('permission', 'in', removed)
      .execute();
  }
  if (added.length > 0) {
    await tx
      .insertInto('guacamole_system_permission')
      .ignore()
      .values(added.map((permission) => ({ entity_id, permission })))
      .execute();
  }
}
