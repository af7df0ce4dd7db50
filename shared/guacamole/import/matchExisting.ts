import { CompiledQuery, type Kysely } from 'kysely';
import { selectIn } from '../bulk.ts';
import { collationKeys } from '../collation.ts';
import { type GroupNode, pathOf } from '../groupTree.ts';
import { problem } from '../problems.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';
import { nameProblem } from '../text.ts';
import type { ImportOptions, PlannedRecord } from './record.ts';

type Db = Kysely<GuacamoleDatabase>;

/** Finds duplicates within the file, and the connections that have the name already. */
export async function matchExisting(db: Db, planned: PlannedRecord[], options: ImportOptions): Promise<void> {
  const keyOf = await collationKeys(
    db,
    planned.map(({ record }) => record.name),
  );
  const places = new Map<GroupNode, Map<string, PlannedRecord>>();
  for (const one of planned) {
    const { parent } = one;
    if (parent === undefined) continue;
    const names = places.get(parent) ?? new Map<string, PlannedRecord>();
    if (names.size === 0) places.set(parent, names);
    const key = keyOf(one.record.name);
    const first = names.get(key);
    if (!first) names.set(key, one);
    else if (one.record.name !== '') one.record.problems.push(duplicate(one, parent, first));
  }
  // Groups that are about to be made hold nothing yet.
  const stored = [...places].filter(([node]) => node.id !== undefined || node.parent === undefined);
  const byId = new Map(stored.map(([node, names]) => [node.id ?? null, names]));
  const wanted = stored.flatMap(([, names]) => [...names.values()].map(({ record }) => record.name));
  const names = wanted.filter((name) => nameProblem(name) === undefined);
  const rows = await findExisting(db, [...byId.keys()], names);
  // Stored names may hold characters that no name of the file has.
  await collationKeys(
    db,
    rows.map((row) => row.name),
  );
  for (const row of rows) {
    const one = byId.get(row.parent)?.get(keyOf(row.name));
    if (one?.parent) claim(one, one.parent, row.id, options);
  }
}

function claim(one: PlannedRecord, parent: GroupNode, id: number, options: ImportOptions): void {
  if (options.replaceConnections) {
    one.existingId = id;
    return;
  }
  const message = `There is a connection '${one.record.name}' in ${pathOf(parent)} already; send replaceConnections=true to replace it.`;
  one.record.problems.push(problem('name', message, 'NameTaken'));
}

function duplicate(one: PlannedRecord, parent: GroupNode, first: PlannedRecord) {
  const where = first.record.line === undefined ? `record ${first.record.index + 1}` : `line ${first.record.line}`;
  return problem(
    'name',
    `'${one.record.name}' in ${pathOf(parent)} is in the file twice, first at ${where}.`,
    'DuplicateInFile',
  );
}

interface Existing {
  id: number;
  name: string;
  parent: number | null;
}

const selectExisting =
  'SELECT connection_id AS id, connection_name AS name, parent_id AS parent FROM guacamole_connection';

/** Connections that may have one of the names: all of the groups' where those are fewer than the names, else by name. */
async function findExisting(
  db: Db,
  parents: readonly (number | null)[],
  names: readonly string[],
): Promise<Existing[]> {
  if (names.length === 0) return [];
  const ids = parents.filter((id) => id !== null);
  const place = [
    ...(ids.length > 0 ? ['parent_id IN (?)'] : []),
    ...(ids.length < parents.length ? ['parent_id IS NULL'] : []),
  ];
  const text = `${selectExisting} WHERE (${place.join(' OR ')}) LIMIT ${names.length + 1}`;
  const all = await db.executeQuery<Existing>(CompiledQuery.raw(text, ids.length > 0 ? [ids] : []));
  return all.rows.length <= names.length ? all.rows : selectIn(db, `${selectExisting} WHERE connection_name`, names);
}
