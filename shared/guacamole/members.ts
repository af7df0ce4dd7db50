import { type Kysely, sql, type Transaction } from 'kysely';
import type { Caller } from '../auth.ts';
import { slices } from './bulk.ts';
import { collationKeys } from './collation.ts';
import { type Entity, type EntityType, entityWord, findEntities } from './entities.ts';
import { refuseAdministrators } from './guards.ts';
import { type Problem, problem, refuseProblems } from './problems.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

/** Who is directly in a user group. */
export interface Members {
  memberUsers: string[];
  memberUserGroups: string[];
}

/** One operation on a membership; `value` names the member or the group. */
export interface MemberOperation {
  op: 'add' | 'remove';
  path: string;
  value: string;
}

const memberPaths: Readonly<Record<string, EntityType>> = {
  '/memberUsers': 'USER',
  '/memberUserGroups': 'USER_GROUP',
};

export async function readMembers(db: Db, groupId: number): Promise<Members> {
  const found = await db
    .selectFrom('guacamole_user_group_member as m')
    .innerJoin('guacamole_entity as e', 'e.entity_id', 'm.member_entity_id')
    .select(['e.name', 'e.type'])
    .where('m.user_group_id', '=', groupId)
    .orderBy('e.name')
    .execute();
  const names = (type: EntityType): string[] => found.filter((row) => row.type === type).map((row) => row.name);
  return { memberUsers: names('USER'), memberUserGroups: names('USER_GROUP') };
}

/** Names of the groups that a user or group is directly in. */
export async function readGroupsOf(db: Db, entityId: number): Promise<string[]> {
  const found = await db
    .selectFrom('guacamole_user_group_member as m')
    .innerJoin('guacamole_user_group as g', 'g.user_group_id', 'm.user_group_id')
    .innerJoin('guacamole_entity as e', 'e.entity_id', 'g.entity_id')
    .select('e.name')
    .where('m.member_entity_id', '=', entityId)
    .orderBy('e.name')
    .execute();
  return found.map((row) => row.name);
}

/** A batch on a group's members, all or nothing: paths `/memberUsers` and `/memberUserGroups`. */
export async function patchMembers(
  tx: Tx,
  caller: Caller,
  group: { entityId: number; groupId: number },
  operations: readonly MemberOperation[],
): Promise<void> {
  const typed = operations.map((operation, index) => ({
    ...operation,
    index,
    type: memberPaths[operation.path.replace(/\/$/, '')],
  }));
  refuseProblems(
    typed
      .filter(({ type }) => type === undefined)
      .map(({ index }) =>
        problem(
          `[${index}]`,
          "The path must be '/memberUsers' or '/memberUserGroups', the value a name.",
          'InvalidPath',
        ),
      ),
  );
  const problems: Problem[] = [];
  const changes = new Map<number, { op: string; entity: Entity }>();
  for (const type of ['USER', 'USER_GROUP'] as const) {
    const mine = typed.filter((operation) => operation.type === type);
    for (const { op, entity } of await resolveNames(tx, type, mine, problems))
      changes.set(entity.entityId, { op, entity });
  }
  refuseProblems(problems);
  await refuseAdministrators(tx, caller, [group.entityId, ...changes.keys()]);
  await applyMemberships(
    tx,
    [...changes.values()].map(({ op, entity }) => ({ op, groupId: group.groupId, memberId: entity.entityId })),
  );
}

/** A batch on the groups that a user or group is in, all or nothing: path `/`. */
export async function patchGroupsOf(
  tx: Tx,
  caller: Caller,
  entityId: number,
  operations: readonly MemberOperation[],
): Promise<void> {
  const indexed = operations.map((operation, index) => ({ ...operation, index }));
  const problems: Problem[] = indexed
    .filter(({ path }) => path !== '/')
    .map(({ index }) =>
      problem(`[${index}]`, "The path must be '/', the value the name of a user group.", 'InvalidPath'),
    );
  refuseProblems(problems);
  const changes = new Map(
    (await resolveNames(tx, 'USER_GROUP', indexed, problems)).map((change) => [change.entity.entityId, change]),
  );
  refuseProblems(problems);
  await refuseAdministrators(tx, caller, [entityId, ...changes.keys()]);
  await applyMemberships(
    tx,
    [...changes.values()].map(({ op, entity }) => ({ op, groupId: entity.id, memberId: entityId })),
  );
}

/** Names to entities, in the order of the operations. Adding what does not exist is a problem; removing it is done already. */
async function resolveNames(
  tx: Tx,
  type: EntityType,
  operations: readonly (MemberOperation & { index: number })[],
  problems: Problem[],
): Promise<{ op: string; entity: Entity }[]> {
  const entities = await findEntities(tx, type, [...new Set(operations.map((operation) => operation.value))]);
  const keyOf = await collationKeys(tx, [
    ...operations.map((operation) => operation.value),
    ...entities.map((entity) => entity.name),
  ]);
  const byName = new Map(entities.map((entity) => [keyOf(entity.name), entity]));
  return operations.flatMap(({ op, index, value }) => {
    const entity = byName.get(keyOf(value));
    if (entity) return [{ op, entity }];
    if (op === 'add')
      problems.push(problem(`[${index}]`, `There is no ${entityWord(type)} '${value.slice(0, 128)}'.`, 'NotFound'));
    return [];
  });
}

async function applyMemberships(
  tx: Tx,
  changes: readonly { op: string; groupId: number; memberId: number }[],
): Promise<void> {
  const removed = changes.filter(({ op }) => op === 'remove').map((c) => sql`(${c.groupId}, ${c.memberId})`);
  const added = changes.filter(({ op }) => op === 'add').map((c) => sql`(${c.groupId}, ${c.memberId})`);
  for (const some of slices(removed)) {
    await sql`DELETE FROM guacamole_user_group_member
      WHERE (user_group_id, member_entity_id) IN (${sql.join(some)})`.execute(tx);
  }
  for (const some of slices(added)) {
    await sql`INSERT IGNORE INTO guacamole_user_group_member (user_group_id, member_entity_id)
      VALUES ${sql.join(some)}`.execute(tx);
  }
}
