import fc from 'fast-check';
import { expect } from 'vitest';
import type { TestApi } from './api.ts';

/** Few, so that steps meet each other; some are one name to the database. */
const NAMES = ['a', 'A', '\u00e1', 'b', 'B'];

/** What the database compares of such a name. */
const keyOf = (name: string): string => name.normalize('NFD').charAt(0).toLowerCase();
const inPath = (name: string): string => encodeURIComponent(name);

/** Stands for the four permissions on objects where a system permission is granted. */
const SYSTEM = { READ: 'CREATE_CONNECTION', UPDATE: 'CREATE_USER', DELETE: 'AUDIT', ADMINISTER: 'ADMINISTER' } as const;
const PERMISSIONS = ['READ', 'UPDATE', 'DELETE', 'ADMINISTER'] as const;

/** One change; the numbers choose among what exists, whatever that is by then. */
export interface Step {
  kind: keyof typeof WEIGHTS;
  what: number;
  where: number;
  name: string;
  permission: (typeof PERMISSIONS)[number];
  flag: boolean;
}

/** How often each is drawn: what takes away less often than what builds up, or little would ever stand. */
const WEIGHTS = {
  connection: 3,
  group: 3,
  moveConnection: 2,
  moveGroup: 3,
  deleteConnection: 1,
  deleteGroup: 1,
  user: 2,
  userGroup: 2,
  deleteUser: 1,
  deleteUserGroup: 1,
  disable: 3,
  join: 5,
  leave: 1,
  grant: 6,
  revoke: 1,
};

export const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
      weight,
      arbitrary: fc.constant(kind as keyof typeof WEIGHTS),
    })),
  ),
  what: fc.nat(20),
  where: fc.nat(20),
  name: fc.constantFrom(...NAMES),
  permission: fc.constantFrom(...PERMISSIONS),
  flag: fc.boolean(),
});

/** Something for the drawn steps to act on: both users, both user groups, two connections. */
export const FIRST_STEPS: readonly Step[] = ['a', 'b'].flatMap((name) =>
  (['user', 'userGroup', 'connection'] as const).map((kind) => ({
    kind,
    name,
    what: 0,
    where: 0,
    permission: 'READ',
    flag: true,
  })),
);

const pick = <T>(items: readonly T[], index: number): T | undefined => items[index % items.length];

/** What the API should do, in plain maps: no SQL, no transactions. */
export class PlainModel {
  /** Identifier → name and parent (`ROOT` or an identifier). */
  readonly connections = new Map<string, { name: string; parent: string }>();
  readonly groups = new Map<string, { name: string; parent: string }>();
  /** By the key of the name, as it was spelt when it was made. */
  readonly users = new Map<string, string>();
  readonly userGroups = new Map<string, { name: string; disabled: boolean }>();
  /** `group>member`, members as `u:key` or `g:key`. */
  readonly members = new Set<string>();
  /** `holder>object>permission`; objects are `c:identifier`, `u:key`, `g:key` or `system`. */
  readonly grants = new Set<string>();

  /** Does the step to both, and expects the API to refuse exactly what the model refuses. */
  async run(step: Step, api: TestApi): Promise<void> {
    await this[step.kind](step, api);
  }

  private parents(): string[] {
    return ['ROOT', ...this.groups.keys()];
  }

  private taken(
    map: Map<string, { name: string; parent: string }>,
    name: string,
    parent: string,
    except?: string,
  ): boolean {
    return [...map].some(([id, one]) => id !== except && keyOf(one.name) === keyOf(name) && one.parent === parent);
  }

  private async connection(step: Step, api: TestApi): Promise<void> {
    const parent = pick(this.parents(), step.where) ?? 'ROOT';
    const answer = await api.call('POST', '/connections', {
      body: { name: step.name, protocol: 'ssh', parentIdentifier: parent },
    });
    expect(answer.status).toBe(this.taken(this.connections, step.name, parent) ? 409 : 201);
    if (answer.status === 201) this.connections.set(answer.body.identifier, { name: step.name, parent });
  }

  private async group(step: Step, api: TestApi): Promise<void> {
    const parent = pick(this.parents(), step.where) ?? 'ROOT';
    const answer = await api.call('POST', '/connection-groups', {
      body: { name: step.name, parentIdentifier: parent },
    });
    expect(answer.status).toBe(this.taken(this.groups, step.name, parent) ? 409 : 201);
    if (answer.status === 201) this.groups.set(answer.body.identifier, { name: step.name, parent });
  }

  private async moveConnection(step: Step, api: TestApi): Promise<void> {
    const id = pick([...this.connections.keys()], step.what);
    if (id === undefined) return;
    const parent = pick(this.parents(), step.where) ?? 'ROOT';
    const answer = await api.call('PATCH', `/connections/${id}`, {
      body: { name: step.name, parentIdentifier: parent },
    });
    expect(answer.status).toBe(this.taken(this.connections, step.name, parent, id) ? 409 : 200);
    if (answer.status === 200) this.connections.set(id, { name: step.name, parent });
  }

  private async moveGroup(step: Step, api: TestApi): Promise<void> {
    const id = pick([...this.groups.keys()], step.what);
    if (id === undefined) return;
    const parent = pick(this.parents(), step.where) ?? 'ROOT';
    const answer = await api.call('PATCH', `/connection-groups/${id}`, {
      body: { name: step.name, parentIdentifier: parent },
    });
    const refused = this.above(parent).includes(id) || this.taken(this.groups, step.name, parent, id);
    expect(answer.status).toBe(refused ? 409 : 200);
    if (!refused) this.groups.set(id, { name: step.name, parent });
  }

  /** The group itself and everything it is in. */
  private above(id: string): string[] {
    const group = this.groups.get(id);
    return group ? [id, ...this.above(group.parent)] : [];
  }

  private async deleteConnection(step: Step, api: TestApi): Promise<void> {
    const id = pick([...this.connections.keys()], step.what);
    if (id === undefined) return;
    expect((await api.call('DELETE', `/connections/${id}`)).status).toBe(204);
    this.forgetConnection(id);
  }

  private forgetConnection(id: string): void {
    this.connections.delete(id);
    for (const grant of [...this.grants]) if (grant.split('>')[1] === `c:${id}`) this.grants.delete(grant);
  }

  private async deleteGroup(step: Step, api: TestApi): Promise<void> {
    const id = pick([...this.groups.keys()], step.what);
    if (id === undefined) return;
    const inside = (one: { parent: string }) => this.above(one.parent).includes(id);
    const connections = [...this.connections].filter(([, one]) => inside(one));
    const groups = [...this.groups].filter(([, one]) => inside(one));
    const refused = !step.flag && connections.length + groups.length > 0;
    const answer = await api.call('DELETE', `/connection-groups/${id}?recursive=${step.flag}`);
    expect(answer.status).toBe(refused ? 409 : 204);
    if (refused) return;
    for (const [connection] of connections) this.forgetConnection(connection);
    for (const [group] of [...groups, [id] as const]) this.groups.delete(group);
  }

  private async user({ name }: Step, api: TestApi): Promise<void> {
    const key = keyOf(name);
    const answer = await api.call('POST', '/users', { body: { username: name } });
    expect(answer.status).toBe(this.users.has(key) ? 409 : 201);
    if (answer.status !== 201) return;
    this.users.set(key, name);
    this.grants.add(`u:${key}>u:${key}>READ`);
  }

  private async userGroup({ name }: Step, api: TestApi): Promise<void> {
    const key = keyOf(name);
    const answer = await api.call('POST', '/user-groups', { body: { identifier: name } });
    expect(answer.status).toBe(this.userGroups.has(key) ? 409 : 201);
    if (answer.status === 201) this.userGroups.set(key, { name, disabled: false });
  }

  private async deleteUser({ name }: Step, api: TestApi): Promise<void> {
    const known = this.users.delete(keyOf(name));
    expect((await api.call('DELETE', `/users/${inPath(name)}`)).status).toBe(known ? 204 : 404);
    this.forgetEntity(`u:${keyOf(name)}`);
  }

  private async deleteUserGroup({ name }: Step, api: TestApi): Promise<void> {
    const known = this.userGroups.delete(keyOf(name));
    expect((await api.call('DELETE', `/user-groups/${inPath(name)}`)).status).toBe(known ? 204 : 404);
    this.forgetEntity(`g:${keyOf(name)}`);
    for (const member of [...this.members]) if (member.startsWith(`${keyOf(name)}>`)) this.members.delete(member);
  }

  private forgetEntity(entity: string): void {
    for (const member of [...this.members]) if (member.endsWith(`>${entity}`)) this.members.delete(member);
    for (const grant of [...this.grants]) if (grant.split('>').slice(0, 2).includes(entity)) this.grants.delete(grant);
  }

  private async disable(step: Step, api: TestApi): Promise<void> {
    const group = this.userGroups.get(keyOf(step.name));
    const answer = await api.call('PATCH', `/user-groups/${inPath(step.name)}`, { body: { disabled: step.flag } });
    expect(answer.status).toBe(group ? 200 : 404);
    if (group) group.disabled = step.flag;
  }

  private join(step: Step, api: TestApi): Promise<void> {
    return this.member('add', step, api);
  }

  private leave(step: Step, api: TestApi): Promise<void> {
    return this.member('remove', step, api);
  }

  private async member(op: 'add' | 'remove', step: Step, api: TestApi): Promise<void> {
    const member = pick(NAMES, step.what) ?? 'a';
    const group = keyOf(step.name);
    const [path, known, holder] = step.flag
      ? ['/memberUsers', this.users, `u:${keyOf(member)}`]
      : ['/memberUserGroups', this.userGroups, `g:${keyOf(member)}`];
    const answer = await api.call('PATCH', `/user-groups/${inPath(step.name)}/members`, {
      body: [{ op, path, value: member }],
    });
    const unknown = op === 'add' && !known.has(keyOf(member));
    expect(answer.status).toBe(!this.userGroups.has(group) ? 404 : unknown ? 400 : 200);
    if (answer.status !== 200) return;
    if (op === 'add') this.members.add(`${group}>${holder}`);
    else this.members.delete(`${group}>${holder}`);
  }

  private grant(step: Step, api: TestApi): Promise<void> {
    return this.permission('add', step, api);
  }

  private revoke(step: Step, api: TestApi): Promise<void> {
    return this.permission('remove', step, api);
  }

  /** The object that a step is about: its path in a patch, what it is in `grants`, and whether it is there. */
  private object({ what, where }: Step): { path: string; object: string; exists: boolean } {
    const name = pick(NAMES, what) ?? 'a';
    const id = pick([...this.connections.keys()], what);
    switch (where % 4) {
      case 0:
        return { path: `/userPermissions/${name}`, object: `u:${keyOf(name)}`, exists: this.users.has(keyOf(name)) };
      case 1: {
        const exists = this.userGroups.has(keyOf(name));
        return { path: `/userGroupPermissions/${name}`, object: `g:${keyOf(name)}`, exists };
      }
      case 2:
        return { path: '/systemPermissions', object: 'system', exists: true };
      default:
        return { path: `/connectionPermissions/${id ?? 0}`, object: `c:${id}`, exists: id !== undefined };
    }
  }

  private async permission(op: 'add' | 'remove', step: Step, api: TestApi): Promise<void> {
    const { path, object, exists } = this.object(step);
    const permission = object === 'system' ? SYSTEM[step.permission] : step.permission;
    const key = keyOf(step.name);
    const [kind, known, holder] = step.flag
      ? ['users', this.users, `u:${key}`]
      : ['user-groups', this.userGroups, `g:${key}`];
    const answer = await api.call('PATCH', `/${kind}/${inPath(step.name)}/permissions`, {
      body: [{ op, path, value: permission }],
    });
    expect(answer.status).toBe(!known.has(key) ? 404 : op === 'add' && !exists ? 400 : 200);
    if (answer.status !== 200) return;
    const grant = `${holder}>${object}>${permission}`;
    if (op === 'add') this.grants.add(grant);
    else this.grants.delete(grant);
  }

  /** What a user may do, through every enabled group above it, in the API's own shape. */
  effective(user: string): object {
    const holders = new Set([`u:${keyOf(user)}`]);
    for (const holder of holders) {
      for (const member of this.members) {
        const [group = '', who] = member.split('>');
        if (who === holder && this.userGroups.get(group)?.disabled === false) holders.add(`g:${group}`);
      }
    }
    const holds = (object: string, permission: string): boolean =>
      [...holders].some((holder) => this.grants.has(`${holder}>${object}>${permission}`));
    const on = (objects: Iterable<[string, string]>): Record<string, string[]> =>
      Object.fromEntries(
        [...objects]
          .map(([object, name]): [string, string[]] => [name, PERMISSIONS.filter((one) => holds(object, one))])
          .filter(([, permissions]) => permissions.length > 0),
      );
    return {
      connectionPermissions: on([...this.connections.keys()].map((id) => [`c:${id}`, id])),
      userPermissions: on([...this.users].map(([key, name]) => [`u:${key}`, name])),
      userGroupPermissions: on([...this.userGroups].map(([key, { name }]) => [`g:${key}`, name])),
      systemPermissions: Object.values(SYSTEM).filter((permission) => holds('system', permission)),
    };
  }

  /** `identifier parent name` of every connection and group. */
  tree(): string[] {
    const lines = (kind: string, map: Map<string, { name: string; parent: string }>) =>
      [...map].map(([id, one]) => `${kind} ${id} in ${one.parent}: ${one.name}`);
    return [...lines('connection', this.connections), ...lines('group', this.groups)].sort();
  }

  /** The same as the API's tree shows it; a cycle would be missing from it. */
  async readTree(api: TestApi): Promise<string[]> {
    interface Node {
      identifier: string;
      parentIdentifier: string;
      name: string;
      childConnections: Node[];
      childConnectionGroups: Node[];
    }
    const lines: string[] = [];
    const walk = (node: Node): void => {
      for (const one of node.childConnections)
        lines.push(`connection ${one.identifier} in ${one.parentIdentifier}: ${one.name}`);
      for (const one of node.childConnectionGroups) {
        lines.push(`group ${one.identifier} in ${one.parentIdentifier}: ${one.name}`);
        walk(one);
      }
    };
    walk((await api.call('GET', '/connection-groups/ROOT/tree')).body);
    return lines.sort();
  }
}
