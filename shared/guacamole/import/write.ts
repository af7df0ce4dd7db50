import { sql, type Transaction } from 'kysely';
import { connectionAttributes, storeAttributes } from '../attributes.ts';
import { type Cell, insertRows, slices } from '../bulk.ts';
import { type Entity, findEntities } from '../entities.ts';
import type { GroupNode } from '../groupTree.ts';
import { unusablePassword } from '../passwords.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';
import { now } from '../times.ts';
import { deleteValues, insertValues, type ValueRow, valueRows } from '../values.ts';
import type { EntityPlan, ImportPlan } from './plan.ts';
import type { ImportOptions, PlannedRecord } from './record.ts';

type Tx = Transaction<GuacamoleDatabase>;

/** Does what was planned and returns the connections' identifiers, in the order of the records. */
export async function writeImport(tx: Tx, plan: ImportPlan, options: ImportOptions): Promise<number[]> {
  await writeGroups(tx, plan.newGroups);
  const users = await writeEntities(tx, plan.users);
  const groups = await writeEntities(tx, plan.groups);
  const created = plan.records.filter((one) => one.existingId === undefined);
  const replaced = plan.records.filter((one) => one.existingId !== undefined);
  const ids = new Map<PlannedRecord, number>();
  for (const one of replaced) ids.set(one, one.existingId ?? 0);
  await clearReplaced(tx, [...ids.values()], options);
  for (const [one, id] of await insertConnections(tx, created)) ids.set(one, id);
  await updateConnections(tx, replaced);
  await insertValues(tx, 'guacamole_connection_attribute', attributeRows(plan.records, ids));
  await insertValues(tx, 'guacamole_connection_parameter', parameterRows(plan.records, ids));
  await writePermissions(tx, plan, ids, users, groups);
  return plan.records.map((one) => ids.get(one) ?? 0);
}

function* attributeRows(records: readonly PlannedRecord[], ids: Map<PlannedRecord, number>): Generator<ValueRow> {
  for (const one of records) {
    const stored = storedAttributes(one);
    if (stored !== noAttributesStored) yield* valueRows(ids.get(one) ?? 0, stored.extra);
  }
}

/** In the order of the primary key, which lets the server fill its pages from front to end. */
function* parameterRows(records: readonly PlannedRecord[], ids: Map<PlannedRecord, number>): Generator<ValueRow> {
  for (const one of records) {
    const id = ids.get(one) ?? 0;
    const { parameters } = one.record;
    for (const name of Object.keys(parameters).sort()) yield [id, name, parameters[name] ?? ''];
  }
}

/** One by one, parents first: groups are few, and each needs its parent's id. */
async function writeGroups(tx: Tx, groups: readonly GroupNode[]): Promise<void> {
  for (const group of groups) {
    const inserted = await tx
      .insertInto('guacamole_connection_group')
      .values({ connection_group_name: group.name, parent_id: group.parent?.id ?? null, type: 'ORGANIZATIONAL' })
      .executeTakeFirstOrThrow();
    group.id = Number(inserted.insertId);
  }
}

/** Makes the users or groups that are not there; returns the entity ids of all that the file names, by the key of the name. */
async function writeEntities(tx: Tx, plan: EntityPlan): Promise<Map<string, number>> {
  const made: Entity[] = [];
  await insertRows(
    tx,
    'guacamole_entity (name, type)',
    plan.newNames.map((name) => [name, plan.type]),
  );
  for (const some of slices(plan.newNames)) {
    const found = await sql<{ entityId: number; name: string }>`
      SELECT entity_id AS entityId, name FROM guacamole_entity WHERE type = ${plan.type} AND name IN (${sql.join(some)})`.execute(
      tx,
    );
    if (plan.type === 'USER')
      await insertUsers(
        tx,
        found.rows.map((row) => row.entityId),
      );
    else
      await insertRows(
        tx,
        'guacamole_user_group (entity_id)',
        found.rows.map((row) => [row.entityId]),
      );
    made.push(...(await findEntities(tx, plan.type, some)));
  }
  // Without READ on itself a user sees nothing after the login.
  if (plan.type === 'USER') {
    const rows = made.map(({ entityId, id }): Cell[] => [entityId, id, 'READ']);
    await insertRows(tx, 'guacamole_user_permission (entity_id, affected_user_id, permission)', rows);
  }
  return new Map([...plan.existing.values(), ...made].map((entity) => [plan.keyOf(entity.name), entity.entityId]));
}

/** Users that nobody can log in as until they get a password. */
async function insertUsers(tx: Tx, entityIds: readonly number[]): Promise<void> {
  const password_date = now();
  const values = entityIds.map((entity_id) => ({ entity_id, ...unusablePassword(), password_date }));
  if (values.length > 0) await tx.insertInto('guacamole_user').values(values).execute();
}

async function clearReplaced(tx: Tx, ids: readonly number[], options: ImportOptions): Promise<void> {
  await deleteValues(tx, 'guacamole_connection_attribute', ids);
  await deleteValues(tx, 'guacamole_connection_parameter', ids);
  if (!options.resetPermissions) return;
  for (const some of slices(ids))
    await tx.deleteFrom('guacamole_connection_permission').where('connection_id', 'in', some).execute();
}

const attributeColumns = Object.values(connectionAttributes).map(({ column }) => column);
/** Most connections have no attributes at all. */
const noAttributesStored = storeAttributes(connectionAttributes, {});
const storedAttributes = ({ record }: PlannedRecord) => {
  for (const _ in record.attributes) return storeAttributes(connectionAttributes, record.attributes);
  return noAttributesStored;
};
const attributeCells = (one: PlannedRecord): Cell[] => {
  const { columns } = storedAttributes(one);
  return attributeColumns.map((column) => columns[column]);
};

/** New connections and the ids they got. */
async function insertConnections(tx: Tx, records: readonly PlannedRecord[]): Promise<[PlannedRecord, number][]> {
  const plain = records.every((one) => storedAttributes(one) === noAttributesStored);
  const columns = ['connection_name', 'parent_id', 'protocol', ...(plain ? [] : attributeColumns)];
  const rows = records.map((one): Cell[] => {
    const cells = [one.record.name, one.parent?.id ?? null, one.record.protocol];
    return plain ? cells : [...cells, ...attributeCells(one)];
  });
  const step = await readIncrement(tx);
  const pairs: [PlannedRecord, number][] = [];
  for (const { firstId, count } of await insertRows(tx, `guacamole_connection (${columns.join(', ')})`, rows)) {
    await checkIds(tx, firstId, firstId + (count - 1) * step, count);
    for (let n = 0; n < count; n++) {
      const one = records[pairs.length];
      if (one) pairs.push([one, firstId + n * step]);
    }
  }
  return pairs;
}

/** By how much the server's generated ids go up; more than one on clusters with several writers. */
async function readIncrement(tx: Tx): Promise<number> {
  const found = await sql<{ step: number }>`SELECT @@auto_increment_increment AS step`.execute(tx);
  return found.rows[0]?.step ?? 1;
}

/**
 * InnoDB gives the rows of one such insert ids in their order and without gaps ("simple inserts", in every lock mode). Everything
 * else hangs on it, so it is looked at all the same.
 */
async function checkIds(tx: Tx, first: number, last: number, count: number): Promise<void> {
  const found = await sql<{ n: number }>`
    SELECT COUNT(*) AS n FROM guacamole_connection WHERE connection_id BETWEEN ${first} AND ${last}`.execute(tx);
  if (found.rows[0]?.n !== count)
    throw new Error('The database gave out identifiers in an order that was not expected.');
}

/** One statement for many: every row exists, so each becomes an update. */
async function updateConnections(tx: Tx, records: readonly PlannedRecord[]): Promise<void> {
  const columns = ['connection_name', 'protocol', ...attributeColumns];
  const rows = records.map((one): Cell[] => [
    one.existingId ?? 0,
    one.parent?.id ?? null,
    one.record.name,
    one.record.protocol,
    ...attributeCells(one),
  ]);
  const updates = columns.map((column) => `${column} = VALUES(${column})`).join(', ');
  await insertRows(
    tx,
    `guacamole_connection (connection_id, parent_id, ${columns.join(', ')})`,
    rows,
    `ON DUPLICATE KEY UPDATE ${updates}`,
  );
}

async function writePermissions(
  tx: Tx,
  plan: ImportPlan,
  ids: Map<PlannedRecord, number>,
  users: Map<string, number>,
  groups: Map<string, number>,
): Promise<void> {
  const rows: Cell[][] = [];
  for (const one of plan.records) {
    const id = ids.get(one) ?? 0;
    for (const name of one.record.users) rows.push([users.get(plan.users.keyOf(name)) ?? 0, id, 'READ']);
    for (const name of one.record.groups) rows.push([groups.get(plan.groups.keyOf(name)) ?? 0, id, 'READ']);
  }
  // Names that are one to the database (case), and grants that a replaced connection has kept.
  await insertRows(
    tx,
    'guacamole_connection_permission (entity_id, connection_id, permission)',
    rows,
    'ON DUPLICATE KEY UPDATE permission = VALUES(permission)',
  );
}
