import { beforeEach, expect, test } from 'vitest';
import { jumpServerRoutes } from '../../functions/jumpServers.ts';
import { finishOperation } from '../../orchestrations/activities/operation.ts';
import type { Deps } from '../../shared/deps.ts';
import { describeJumpServer } from '../../shared/jumpServerView.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { requestOperation } from '../../shared/operations.ts';
import { plannedFleet } from '../../shared/scaling/provisionFleet.ts';
import { sweepScaling } from '../../shared/scaling/sweep.ts';
import { settle, settleLeases, settleServing } from '../../shared/settling.ts';
import { writeIntent } from '../../shared/store/audit.ts';
import { rememberServer } from '../../shared/store/healing.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import {
  findJumpServer,
  type JumpServer,
  type JumpServerState,
  putJumpServer,
  type Setback,
} from '../../shared/store/jumpServers.ts';
import { findLease, type Lease, leaseMilliseconds } from '../../shared/store/leases.ts';
import { type NodeState, putNode } from '../../shared/store/nodes.ts';
import { beginRepeatable, findAnswer } from '../../shared/store/repeatability.ts';
import { putReport } from '../../shared/store/reports.ts';
import type { Tables } from '../../shared/store/tables.ts';
import { secondsAfter } from '../../shared/time.ts';
import { minimal, specOf, specWith } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const start = new Date('2026-11-23T12:00:00Z');
const caller = { objectId: 'anna', name: 'anna', roles: [] };
const scaleFailed: Setback = { kind: 'scale', type: 'TimedOut', message: 'It was not done.' };
const full = { code: 'QuotaExceeded', message: 'No room for another machine.', advice: 'Ask for more quota.' };

let now: Date;
let deps: Deps;
beforeEach(async () => {
  now = start;
  const config = { MOLCAJETE_API_URL: 'https://api.test/api', MOLCAJETE_RESOURCE_GROUP: 'control' };
  deps = { config, now: () => now, tables: createTablesStub() } as unknown as Deps;
  await serving('demo');
});

/** A jump server that a login through the ingress has worked on, with one node at work. */
async function serving(name: string): Promise<void> {
  const server = { name, spec: specOf(), state: 'Ready' as const, createdAt: start, lastOperation: 'first' };
  await putJumpServer(deps.tables, server);
  const output = { url: 'https://198.51.100.9/guacamole/' };
  await putInventory(deps.tables, name, { key: 'ingress', type: '', id: '', dependsOn: [], output });
  await putNode(deps.tables, name, { number: 1, state: 'running', since: start });
  await hear(name);
}

async function hear(name: string, web: object = { healthy: true }): Promise<void> {
  const well = { healthy: true };
  const sessions = { served: 0, relayed: 0 };
  const report = { haproxy: well, web, guacd: well, database: well, sessions, secrets: {}, applied: null };
  await putReport(deps.tables, name, { node: `${name}-1`, report: report as unknown as NodeReport, receivedAt: now });
}

const wanted = {
  provision: () => ({ kind: 'provision', spec: specOf() }) as const,
  scale: () => ({ kind: 'scale', order: { count: 2 } }) as const,
  teardown: () => ({ kind: 'teardown' }) as const,
};
const ask = (kind: keyof typeof wanted, jumpServer = 'demo'): Promise<Lease> =>
  requestOperation(deps, async () => {}, { jumpServer, reason: 'test', caller, ...wanted[kind]() });

const finish = async (lease: Lease, ending: Parameters<ReturnType<typeof finishOperation>>[0]['ending']) => {
  const { jumpServer, operationId, fence } = lease;
  await finishOperation(deps)({ jumpServer, operationId, fence, ending });
};

async function shown(): Promise<{ state: string; conditions: string[] }> {
  const server = await findJumpServer(deps.tables, 'demo');
  if (server === undefined) throw new Error('It is gone.');
  const { status } = await describeJumpServer(deps, server);
  return { state: status.state, conditions: status.conditions.map(({ type, message }) => `${type}: ${message}`) };
}

/** Sends the spec it has by PUT; the answer's status. */
async function putEqual(): Promise<number> {
  const put = jumpServerRoutes(deps).find(({ definition }) => definition.operationId === 'JumpServers_CreateOrUpdate');
  const body = put?.definition.body?.parse(minimal);
  const request = { params: { name: 'demo' }, body, caller, headers: new Headers(), startOperation: async () => {} };
  const answer = await put?.handle(request as unknown as Parameters<typeof put.handle>[0]);
  return answer?.status ?? 200;
}

test('a PUT that failed on a jump server that still serves leaves it ready a minute later, with a condition, and an equal PUT carries on', async () => {
  expect(await putEqual()).toBe(200);
  await finish(await ask('provision'), { state: 'failed', failure: full });
  const condition = expect.stringMatching(/^QuotaExceeded: .*No room for another machine\. Ask for more quota\./);
  expect(await shown()).toEqual({ state: 'Failed', conditions: [condition] });
  await settleServing(deps);
  expect(await shown()).toEqual({ state: 'Ready', conditions: [condition] });
  expect(await putEqual()).toBe(202);
  const lease = (await findLease(deps.tables, 'demo')) as Lease;
  await finish(lease, { state: 'done' });
  expect(await shown()).toEqual({ state: 'Ready', conditions: [] });
  expect(await putEqual()).toBe(200);
});

test.each([
  ['serves all the same', { works: true }, 'Ready'],
  ['does not work', {}, 'Failed'],
])('a PUT that failed for a change that a node cannot make leaves one that %s accordingly', async (_, word, state) => {
  await hear('demo', { healthy: false, detail: 'no new secret', ...word });
  await finish(await ask('provision'), { state: 'failed', failure: full });
  await settleServing(deps);
  expect((await shown()).state).toBe(state);
});

test('a PUT that was interrupted is no reason not to heal what serves', async () => {
  await ask('provision');
  now = secondsAfter(start, leaseMilliseconds / 1000 + 1);
  await settleLeases(deps, async () => {});
  await settleServing(deps);
  expect((await shown()).state).toBe('Failed');
  await hear('demo');
  await settleServing(deps);
  expect(await shown()).toEqual({ state: 'Ready', conditions: [expect.stringMatching(/^Interrupted: /)] });
});

/** Its nodes and its database were put to sleep by its schedule. */
async function sleeps(): Promise<void> {
  const server = await findJumpServer(deps.tables, 'demo');
  if (server !== undefined) await putJumpServer(deps.tables, { ...server, state: 'Hibernated' }, server.etag);
  await putNode(deps.tables, 'demo', { number: 1, state: 'deallocated', since: start });
}

test.each<[string, (lease: Lease) => Promise<void>]>([
  ['fails', (lease) => finish(lease, { state: 'failed', failure: full })],
  [
    'is interrupted',
    async () => {
      now = secondsAfter(start, leaseMilliseconds / 1000 + 1);
      await settleLeases(deps, async () => {});
    },
  ],
])('a PUT that %s at night lets the schedule wake it in the morning, and an equal PUT carries on', async (_, end) => {
  await sleeps();
  expect(await putEqual()).toBe(200);
  await end(await ask('provision'));
  expect((await shown()).state).toBe('Failed');
  await settleServing(deps);
  expect(await shown()).toEqual({
    state: 'Hibernated',
    conditions: [expect.stringMatching(/ An equal PUT carries on/)],
  });
  const started: Lease[] = [];
  expect(await putEqual()).toBe(202);
  await finish((await findLease(deps.tables, 'demo')) as Lease, { state: 'failed', failure: full });
  await settleServing(deps);
  await sweepScaling(deps, async (lease) => void started.push(lease));
  expect(started.map(({ kind }) => kind)).toEqual(['scale']);
});

test('a PUT that fails while the last nodes drain leaves it to scaling to put it to sleep', async () => {
  await putNode(deps.tables, 'demo', { number: 1, state: 'draining', since: start });
  await finish(await ask('provision'), { state: 'failed', failure: full });
  await settleServing(deps);
  expect((await shown()).state).toBe('Ready');
});

test('a PUT that a person canceled at night leaves it to him', async () => {
  await sleeps();
  await finish(await ask('provision'), { state: 'canceled' });
  await settleServing(deps);
  expect((await shown()).state).toBe('Failed');
});

const locked = { code: 'ScopeLocked', message: 'There is a lock.', advice: 'Remove the lock.' };

test.each<[string, (lease: Lease) => Promise<void>, RegExp]>([
  [
    'fails',
    (lease) => finish(lease, { state: 'failed', failure: locked }),
    /^ScopeLocked: The last DELETE .*: There is a lock\. Remove the lock\. Send DELETE again, or an equal PUT /,
  ],
  [
    'a person cancels',
    (lease) => finish(lease, { state: 'canceled' }),
    /^DeleteCanceled: The last DELETE .*: it was canceled\. Send DELETE again, or an equal PUT /,
  ],
  [
    'is interrupted',
    async () => {
      now = secondsAfter(start, leaseMilliseconds / 1000 + 1);
      await settleLeases(deps, async () => {});
      await hear('demo');
    },
    /^Interrupted: The last DELETE /,
  ],
])(
  'a DELETE that %s leaves what it took down failed, and says what was in its way until a PUT carries on',
  async (_, end, condition) => {
    await finish(await ask('provision'), { state: 'failed', failure: full });
    await end(await ask('teardown'));
    await settleServing(deps);
    expect(await shown()).toEqual({ state: 'Failed', conditions: [expect.stringMatching(condition)] });
    await finish(await ask('teardown'), { state: 'failed', failure: locked });
    expect(await putEqual()).toBe(202);
    expect(await shown()).toEqual({ state: 'Provisioning', conditions: [] });
    await finish((await findLease(deps.tables, 'demo')) as Lease, { state: 'done' });
    expect(await shown()).toEqual({ state: 'Ready', conditions: [] });
  },
);

test('a first PUT that fails, and one that a person canceled, leave it failed and say so', async () => {
  await finish(await ask('provision'), { state: 'canceled' });
  await settleServing(deps);
  expect(await shown()).toEqual({ state: 'Failed', conditions: [expect.stringMatching(/^PutCanceled: /)] });
  await putInventory(deps.tables, 'demo', { key: 'ingress', type: '', id: '', dependsOn: [], output: {} });
  await finish(await ask('provision'), { state: 'failed', failure: full });
  await settleServing(deps);
  expect(await shown()).toEqual({ state: 'Failed', conditions: [expect.stringMatching(/^QuotaExceeded: /)] });
});

test('a scale that failed is a condition until one succeeds, and says nothing over a PUT that was cut short', async () => {
  await finish(await ask('scale'), { state: 'failed', failure: full });
  expect(await shown()).toEqual({ state: 'Ready', conditions: [expect.stringMatching(/^QuotaExceeded: /)] });
  await finish(await ask('scale'), { state: 'done' });
  expect((await shown()).conditions).toEqual([]);
  await finish(await ask('provision'), { state: 'failed', failure: { ...full, code: 'SkuNotAvailable' } });
  await settleServing(deps);
  await finish(await ask('scale'), { state: 'done' });
  expect((await shown()).conditions).toEqual([expect.stringMatching(/^SkuNotAvailable: /)]);
});

test.each<[string, JumpServerState, NodeState, Setback | undefined, number]>([
  ['has nothing to do for one that sleeps', 'Hibernated', 'deallocated', undefined, 200],
  ['does not carry on a scale that failed: scaling does', 'Ready', 'running', scaleFailed, 200],
  ['does not carry on falling asleep where that failed', 'Hibernated', 'deallocated', scaleFailed, 200],
  ['is the way out after a wake that failed', 'Hibernated', 'starting', scaleFailed, 202],
  ['is the way out after a wake that was canceled', 'Hibernated', 'starting', undefined, 202],
])('an equal PUT %s', async (_, state, node, setback, status) => {
  const { etag, ...server } = (await findJumpServer(deps.tables, 'demo')) as JumpServer;
  await putJumpServer(deps.tables, { ...server, state, ...(setback === undefined ? {} : { setback }) }, etag);
  await putNode(deps.tables, 'demo', { number: 1, state: node, since: start });
  expect(await putEqual()).toBe(status);
});

test('an equal PUT is the way out while healing has found the database lost', async () => {
  const failure = [{ type: 'DatabaseLost', message: 'The MySQL server is gone.' }];
  await rememberServer(deps.tables, 'demo', { failure });
  expect(await putEqual()).toBe(202);
  await finish((await findLease(deps.tables, 'demo')) as Lease, { state: 'done' });
  expect(await putEqual()).toBe(200);
});

test('a lost database is not forgotten overnight: a PUT at night wakes a node to prove the empty one', async () => {
  const failure = [{ type: 'DatabaseLost', message: 'The MySQL server is gone.' }];
  await rememberServer(deps.tables, 'demo', { failure });
  await sleeps();
  await finish(await ask('scale'), { state: 'done' });
  expect(await shown()).toEqual({ state: 'Hibernated', conditions: ['DatabaseLost: The MySQL server is gone.'] });
  expect(await putEqual()).toBe(202);
  const asleep = specWith({
    scaling: { min: 0, schedule: [{ name: 'never', cron: '0 0 * * *', timeZone: 'UTC', count: 0 }] },
  });
  const { changes } = await plannedFleet(deps, 'demo', asleep);
  expect(changes.map(({ number, state }) => `${number} ${state}`)).toEqual(['1 starting']);
  await finish((await findLease(deps.tables, 'demo')) as Lease, { state: 'done' });
  expect(await shown()).toEqual({ state: 'Hibernated', conditions: [] });
  expect((await plannedFleet(deps, 'demo', asleep)).changes).toEqual([]);
  expect(await putEqual()).toBe(200);
});

type Keys = { partitionKey?: string; rowKey?: string };

/** From now on that table refuses that method for these rows. */
function refuse(table: keyof Tables, method: 'updateEntity' | 'listEntities', bad: (row: Keys) => boolean): void {
  const broken = deps.tables[table] as unknown as Record<string, (row: Keys, ...rest: unknown[]) => unknown>;
  const original = broken[method];
  broken[method] = (row, ...rest) => {
    if (bad(row)) throw new Error('a bad row');
    return original?.(row, ...rest);
  };
}

test('a lease that cannot be settled does not keep the others from it', async () => {
  for (const name of ['first', 'second']) await ask('scale', name);
  now = secondsAfter(start, leaseMilliseconds / 1000 + 1);
  refuse('operations', 'updateEntity', ({ partitionKey }) => partitionKey === 'first');
  await expect(settleLeases(deps, async () => {})).rejects.toThrow(/1 of/);
  expect((await findLease(deps.tables, 'second'))?.state).toBe('finished');
});

test('leases and an audit entry that cannot be settled keep nothing else from it in that minute', async () => {
  await finish(await ask('provision'), { state: 'failed', failure: full });
  const intent = { jumpServer: 'demo', time: start, caller: { objectId: 'bert', name: 'bert' }, target: '/' };
  for (const id of ['bad', 'good'])
    await writeIntent(deps.tables, { ...intent, id, operation: 'JumpServers_CreateOrUpdate' });
  const repeat = { key: 'key', fingerprint: 'same' };
  await beginRepeatable(deps.tables, repeat, secondsAfter(start, -86_400));
  refuse('leases', 'listEntities', () => true);
  refuse('audit', 'updateEntity', ({ rowKey }) => rowKey === 'bad');
  now = secondsAfter(start, 301);
  await hear('demo');
  await expect(settle(deps, async () => {})).rejects.toThrow(/2 of 4/);
  expect((await shown()).state).toBe('Ready');
  expect(await findAnswer(deps.tables, repeat)).toBeUndefined();
  expect(await deps.tables.audit.getEntity('demo', 'good')).toMatchObject({ outcome: 'unknown' });
});
