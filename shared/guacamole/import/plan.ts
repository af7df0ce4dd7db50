import { CompiledQuery, type Kysely } from 'kysely';
import { type Caller, hasRole } from '../../auth.ts';
import { CONNECTION_ATTRIBUTES } from '../attributes.ts';
import { selectIn, slices } from '../bulk.ts';
import { collationKeys } from '../collation.ts';
import { type Entity, type EntityType, findEntities } from '../entities.ts';
import { type GroupNode, type GroupTree, pathOf, readGroupTree, splitPath } from '../groupTree.ts';
import { findAdministrators } from '../guards.ts';
import { problem, sameNames } from '../problems.ts';
import { ALL_PARAMETERS } from '../protocols.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';
import { addressProblem, nameProblem, parseIdentifier } from '../text.ts';
import type { ImportRecord } from './record.ts';

type Db = Kysely<GuacamoleDatabase>;

/** Guacamole's three options, and ours. */
export interface ImportOptions {
  /** A connection of that name in that group is replaced; otherwise it is an error. */
  replaceConnections: boolean;
  /** What a replaced connection's users and groups were granted on it is taken away first. */
  resetPermissions: boolean;
  /** Connection groups that are not there are made; otherwise they are an error. */
  createGroups: boolean;
  allowUnknownParameters: boolean;
}

/** A record with its place, ready to be written unless it has problems. */
export interface PlannedRecord {
  record: ImportRecord;
  /** undefined: there is no such group, as a problem says. */
  parent: GroupNode | undefined;
  /** The connection that is replaced. */
  existingId: number | undefined;
}

export interface ImportPlan {
  records: PlannedRecord[];
  /** Parents before children. */
  newGroups: GroupNode[];
  /** Existing users and groups by the key of their name; names without one are made. */
  users: EntityPlan;
  groups: EntityPlan;
}

export interface EntityPlan {
  type: EntityType;
  keyOf: (name: string) => string;
  existing: Map<string, Entity>;
  newNames: string[];
}

const isKnownName = (name: string): boolean => ALL_PARAMETERS.has(name) || Object.hasOwn(CONNECTION_ATTRIBUTES, name);

const MAX_DEPTH = 100;

/**
 * Finds out what an import would do. Everything that is wrong ends in the plan's records; those it was given stay as they are,
 * since a second attempt after a deadlock or a lost connection plans on them again.
 */
export async function planImport(
  db: Db,
  caller: Caller,
  given: readonly ImportRecord[],
  options: ImportOptions,
): Promise<ImportPlan> {
  const records = given.map((record) => ({ ...record, problems: [...record.problems] }));
  const paths = records.flatMap((record) => (record.group === undefined ? [] : splitPath(record.group)));
  const tree = await readGroupTree(db, paths);
  const newGroups: GroupNode[] = [];
  const planned = records.map((record): PlannedRecord => {
    const parent = findParent(tree, record, options, newGroups);
    return { record, parent, existingId: undefined };
  });
  await refuseSameNames(db, records);
  await matchExisting(db, planned, options);
  const users = await planEntities(
    db,
    'USER',
    records.flatMap((record) => record.users),
  );
  const groups = await planEntities(
    db,
    'USER_GROUP',
    records.flatMap((record) => record.groups),
  );
  refuseUnaddressable(records, users, groups);
  await refuseAdministrators(db, caller, records, users, groups);
  return { records: planned, newGroups, users, groups };
}

/** The check of a record could not ask the database which names of attributes and parameters are one. */
async function refuseSameNames(db: Db, records: readonly ImportRecord[]): Promise<void> {
  for (const record of records) {
    for (const target of ['attributes', 'parameters'] as const) {
      const keyOf = await keysFor(db, record[target]);
      if (keyOf) record.problems.push(...sameNames(target, record[target], keyOf));
    }
  }
}

/** Nothing to compare where all names are known ones, which is almost always. */
async function keysFor(db: Db, values: Record<string, string>): Promise<((name: string) => string) | undefined> {
  const names = Object.keys(values);
  if (names.length < 2 || names.every((name) => isKnownName(name))) return undefined;
  return collationKeys(db, names);
}

function findParent(
  tree: GroupTree,
  record: ImportRecord,
  options: ImportOptions,
  newGroups: GroupNode[],
): GroupNode | undefined {
  if (record.parentIdentifier !== undefined && record.parentIdentifier !== 'ROOT') {
    const node = tree.byId(parseIdentifier(record.parentIdentifier) ?? 0);
    if (node) return node;
    record.problems.push(
      problem(
        'parentIdentifier',
        `There is no connection group '${record.parentIdentifier.slice(0, 40)}'.`,
        'NotFound',
      ),
    );
    return undefined;
  }
  let node = tree.root;
  for (const name of record.group === undefined ? [] : splitPath(record.group)) {
    const child = tree.child(node, name);
    if (child) {
      node = child;
      continue;
    }
    const wrong = options.createGroups
      ? (nameProblem(name) ?? (node.depth >= MAX_DEPTH ? 'is nested too deep' : undefined))
      : undefined;
    if (wrong || !options.createGroups) {
      const message = wrong
        ? `The group's name ${wrong}.`
        : `There is no group '${name.slice(0, 128)}' in ${pathOf(node)}; send createGroups=true to make it.`;
      record.problems.push(problem('group', message, wrong ? 'InvalidValue' : 'NotFound'));
      return undefined;
    }
    node = tree.add(node, name, undefined);
    newGroups.push(node);
  }
  return node;
}

/** Finds duplicates within the file, and the connections that have the name already. */
async function matchExisting(db: Db, planned: PlannedRecord[], options: ImportOptions): Promise<void> {
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

const EXISTING = 'SELECT connection_id AS id, connection_name AS name, parent_id AS parent FROM guacamole_connection';

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
  const text = `${EXISTING} WHERE (${place.join(' OR ')}) LIMIT ${names.length + 1}`;
  const all = await db.executeQuery<Existing>(CompiledQuery.raw(text, ids.length > 0 ? [ids] : []));
  return all.rows.length <= names.length ? all.rows : selectIn(db, `${EXISTING} WHERE connection_name`, names);
}

async function planEntities(db: Db, type: EntityType, names: readonly string[]): Promise<EntityPlan> {
  const usable = names.filter((name) => nameProblem(name) === undefined);
  const keyOf = await collationKeys(db, usable);
  const distinct = new Map(usable.map((name) => [keyOf(name), name]));
  const existing = new Map<string, Entity>();
  for (const some of slices([...distinct.values()])) {
    for (const entity of await findEntities(db, type, some))
      existing.set((await collationKeys(db, [entity.name]))(entity.name), entity);
  }
  const newNames = [...distinct].filter(([key]) => !existing.has(key)).map(([, name]) => name);
  return { type, keyOf, existing, newNames };
}

/** Those that exist may be called what they are; no more are made. */
function refuseUnaddressable(records: readonly ImportRecord[], users: EntityPlan, groups: EntityPlan): void {
  if (![...users.newNames, ...groups.newNames].some(addressProblem)) return;
  for (const record of records) {
    for (const [field, plan] of [
      ['users', users],
      ['groups', groups],
    ] as const) {
      for (const name of record[field]) {
        const wrong = addressProblem(name);
        if (wrong && !plan.existing.has(plan.keyOf(name)))
          record.problems.push(problem(field, `The name '${name}' ${wrong}.`));
      }
    }
  }
}

/** A connection given to an administrator of Guacamole changes what that one may do; see `guards.ts`. */
async function refuseAdministrators(
  db: Db,
  caller: Caller,
  records: readonly ImportRecord[],
  users: EntityPlan,
  groups: EntityPlan,
): Promise<void> {
  if (hasRole(caller, 'JumpServer.Admin')) return;
  const named = [...users.existing.values(), ...groups.existing.values()];
  const administrators = await findAdministrators(
    db,
    named.map((entity) => entity.entityId),
  );
  if (administrators.size === 0) return;
  for (const record of records) {
    for (const [field, plan] of [
      ['users', users],
      ['groups', groups],
    ] as const) {
      for (const name of record[field]) {
        const entity = plan.existing.get(plan.keyOf(name));
        if (!entity || !administrators.has(entity.entityId)) continue;
        record.problems.push(
          problem(
            field,
            `'${name}' administers Guacamole; only JumpServer.Admin may change that one.`,
            'AdministratorProtected',
          ),
        );
      }
    }
  }
}
