import type { Kysely } from 'kysely';
import { type Caller, hasRole } from '../../auth.ts';
import { connectionAttributes } from '../attributes.ts';
import { slices } from '../bulk.ts';
import { collationKeys } from '../collation.ts';
import { maxGroupDepth } from '../connectionGroups.ts';
import { type Entity, type EntityType, findEntities } from '../entities.ts';
import { type GroupNode, type GroupTree, pathOf, readGroupTree, splitPath } from '../groupTree.ts';
import { findAdministrators } from '../guards.ts';
import { problem, sameNames } from '../problems.ts';
import { allParameters } from '../protocols.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';
import { addressProblem, nameProblem, parseIdentifier } from '../text.ts';
import { matchExisting } from './matchExisting.ts';
import type { ImportOptions, ImportRecord, PlannedRecord } from './record.ts';

type Db = Kysely<GuacamoleDatabase>;

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

const isKnownName = (name: string): boolean => allParameters.has(name) || Object.hasOwn(connectionAttributes, name);

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
  await noteSameNames(db, records);
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
  noteUnaddressable(records, users, groups);
  await noteAdministrators(db, caller, records, users, groups);
  return { records: planned, newGroups, users, groups };
}

/** The check of a record could not ask the database which names of attributes and parameters are one. */
async function noteSameNames(db: Db, records: readonly ImportRecord[]): Promise<void> {
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
      ? (nameProblem(name) ?? (node.depth >= maxGroupDepth ? 'is nested too deep' : undefined))
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
function noteUnaddressable(records: readonly ImportRecord[], users: EntityPlan, groups: EntityPlan): void {
  if (![...users.newNames, ...groups.newNames].some(addressProblem)) return;
  for (const { record, field, name, entity } of namedIn(records, users, groups)) {
    const wrong = addressProblem(name);
    if (wrong && entity === undefined) record.problems.push(problem(field, `The name '${name}' ${wrong}.`));
  }
}

/** Every user and user group that a record gives its connection to; the entity where there is one. */
function* namedIn(records: readonly ImportRecord[], users: EntityPlan, groups: EntityPlan) {
  for (const record of records) {
    for (const [field, plan] of [
      ['users', users],
      ['groups', groups],
    ] as const) {
      for (const name of record[field]) yield { record, field, name, entity: plan.existing.get(plan.keyOf(name)) };
    }
  }
}

/** A connection given to an administrator of Guacamole changes what that one may do; see `guards.ts`. */
async function noteAdministrators(
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
  for (const { record, field, name, entity } of namedIn(records, users, groups)) {
    if (!entity || !administrators.has(entity.entityId)) continue;
    const message = `'${name}' administers Guacamole; only JumpServer.Admin may change that one.`;
    record.problems.push(problem(field, message, 'AdministratorProtected'));
  }
}
