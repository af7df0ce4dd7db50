import fc from 'fast-check';
import { expect } from 'vitest';
import type { TestApi } from './api.ts';

/** Few, so that steps meet each other. */
const NAMES = ['a', 'b'];
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
export const FIRST_STEPS: readonly Step[] = NAMES.flatMap((name) =>
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
  readonly users = new Set<string>();
  readonly userGroups = new Map<string, { disabled: boolean }>();
  /** `group>member`, members as `u:name` or `g:name`. */
  readonly members = new Set<string>();
  /** `holder>connection>permission`. */
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
    return [...map].some(([id, one]) => id !== except && one.name === name && one.parent === parent);
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
    for (const grant of [...this.grants]) if (grant.split('>')[1] === id) this.grants.delete(grant);
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

  private async user(step: Step, api: TestApi): Promise<void> {
    const answer = await api.call('POST', '/users', { body: { username: step.name } });
    expect(answer.status).toBe(this.users.has(step.name) ? 409 : 201);
    this.users.add(step.name);
  }

  private async userGroup(step: Step, api: TestApi): Promise<void> {
    const answer = await api.call('POST', '/user-groups', { body: { identifier: step.name } });
    expect(answer.status).toBe(this.userGroups.has(step.name) ? 409 : 201);
    if (answer.status === 201) this.userGroups.set(step.name, { disabled: false });
  }

  private async deleteUser(step: Step, api: TestApi): Promise<void> {
    expect((await api.call('DELETE', `/users/${step.name}`)).status).toBe(this.users.delete(step.name) ? 204 : 404);
    this.forgetHolder(`u:${step.name}`);
  }

  private async deleteUserGroup(step: Step, api: TestApi): Promise<void> {
    expect((await api.call('DELETE', `/user-groups/${step.name}`)).status).toBe(
      this.userGroups.delete(step.name) ? 204 : 404,
    );
    this.forgetHolder(`g:${step.name}`);
    for (const member of [...this.members]) if (member.startsWith(`${step.name}>`)) this.members.delete(member);
  }

  private forgetHolder(holder: string): void {
    for (const member of [...this.members]) if (member.endsWith(`>${holder}`)) this.members.delete(member);
    for (const grant of [...this.grants]) if (grant.startsWith(`${holder}>`)) this.grants.delete(grant);
  }

  private async disable(step: Step, api: TestApi): Promise<void> {
    const group = this.userGroups.get(step.name);
    const answer = await api.call('PATCH', `/user-groups/${step.name}`, { body: { disabled: step.flag } });
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
    const [path, holder] = step.flag ? ['/memberUsers', `u:${member}`] : ['/memberUserGroups', `g:${member}`];
    const exists = step.flag ? this.users.has(member) : this.userGroups.has(member);
    const answer = await api.call('PATCH', `/user-groups/${step.name}/members`, {
      body: [{ op, path, value: member }],
    });
    expect(answer.status).toBe(!this.userGroups.has(step.name) ? 404 : op === 'add' && !exists ? 400 : 200);
    if (answer.status !== 200) return;
    if (op === 'add') this.members.add(`${step.name}>${holder}`);
    else this.members.delete(`${step.name}>${holder}`);
  }

  private grant(step: Step, api: TestApi): Promise<void> {
    return this.permission('add', step, api);
  }

  private revoke(step: Step, api: TestApi): Promise<void> {
    return this.permission('remove', step, api);
  }

  private async permission(op: 'add' | 'remove', step: Step, api: TestApi): Promise<void> {
    const id = pick([...this.connections.keys()], step.what);
    if (id === undefined) return;
    const [kind, holder] = step.flag ? ['users', `u:${step.name}`] : ['user-groups', `g:${step.name}`];
    const exists = step.flag ? this.users.has(step.name) : this.userGroups.has(step.name);
    const answer = await api.call('PATCH', `/${kind}/${step.name}/permissions`, {
      body: [{ op, path: `/connectionPermissions/${id}`, value: step.permission }],
    });
    expect(answer.status).toBe(exists ? 200 : 404);
    if (!exists) return;
    const grant = `${holder}>${id}>${step.permission}`;
    if (op === 'add') this.grants.add(grant);
    else this.grants.delete(grant);
  }

  /** What a user may do with connections, through every enabled group above it. */
  effective(user: string): Record<string, string[]> {
    const holders = new Set([`u:${user}`]);
    for (const holder of holders) {
      for (const member of this.members) {
        const [group = '', who] = member.split('>');
        if (who === holder && this.userGroups.get(group)?.disabled === false) holders.add(`g:${group}`);
      }
    }
    const result: Record<string, string[]> = {};
    for (const permission of PERMISSIONS) {
      for (const holder of holders) {
        for (const id of this.connections.keys()) {
          if (!this.grants.has(`${holder}>${id}>${permission}`)) continue;
          const list = result[id] ?? [];
          if (!list.includes(permission)) result[id] = [...list, permission];
        }
      }
    }
    return result;
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
