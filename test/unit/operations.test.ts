import { beforeEach, expect, test } from 'vitest';
import { finishOperation } from '../../orchestrations/activities/operation.ts';
import type { Deps } from '../../shared/deps.ts';
import { type OperationRequest, recordStart, requestOperation } from '../../shared/operations.ts';
import { settleLeases } from '../../shared/settling.ts';
import { findJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, findLease, type Lease, leaseMilliseconds } from '../../shared/store/leases.ts';
import { findOperation, listOperations } from '../../shared/store/operations.ts';
import { specOf } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

function createWorld() {
  const world = { now: new Date('2026-11-23T12:00:00Z'), started: [] as string[] };
  const deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api' },
    now: () => world.now,
    tables: createTablesStub(),
  } as unknown as Deps;
  return { world, deps };
}

let made: ReturnType<typeof createWorld>;
beforeEach(() => {
  made = createWorld();
});

const caller = { objectId: 'anna', name: 'anna', roles: [] };
const asked = { jumpServer: 'demo', reason: 'test', caller };
const requests = {
  provision: { ...asked, kind: 'provision', spec: specOf() },
  rotate: { ...asked, kind: 'rotate', order: { credentials: ['guacadmin'] } },
  teardown: { ...asked, kind: 'teardown' },
} satisfies Record<string, OperationRequest>;
const start = async ({ operationId }: Lease) => void made.world.started.push(operationId);
const ask = (kind: keyof typeof requests = 'provision') => requestOperation(made.deps, start, requests[kind]);
const later = (milliseconds: number) => {
  made.world.now = new Date(made.world.now.getTime() + milliseconds);
};

/** The next write of this table, of that kind, finds the process dead. */
function dieAt(table: 'operations' | 'jumpServers' | 'leases', method: 'createEntity' | 'updateEntity', calls = 1) {
  const client = made.deps.tables[table] as unknown as Record<string, (...given: unknown[]) => unknown>;
  const original = client[method] as (...given: unknown[]) => unknown;
  let left = calls;
  client[method] = (...given) => {
    if (--left > 0) return original(...given);
    client[method] = original;
    throw new Error('killed');
  };
}

const stateOf = async (id: string) => ({
  operation: (await findOperation(made.deps.tables, 'demo', id))?.status,
  server: (await findJumpServer(made.deps.tables, 'demo'))?.state,
});

test.each([
  ['the operation is marked', 'operations', 1],
  ['the jump server is moved', 'jumpServers', 1],
  ['the lease is given back', 'leases', 2],
] as const)('the minute that is killed before %s is made good by the next one', async (_, table, calls) => {
  const { operationId } = await ask();
  later(leaseMilliseconds + 1000);
  dieAt(table, 'updateEntity', calls);
  await expect(settleLeases(made.deps, start)).rejects.toThrow('1 of 1');
  await settleLeases(made.deps, start);
  expect(await stateOf(operationId)).toEqual({ operation: 'Failed', server: 'Failed' });
  expect((await findLease(made.deps.tables, 'demo'))?.state).toBe('finished');
});

test('a request that is killed while it replaces a dead operation leaves that one for the next to end', async () => {
  const dead = await ask();
  later(leaseMilliseconds + 1000);
  dieAt('operations', 'updateEntity');
  await expect(ask()).rejects.toThrow('killed');
  const next = await ask();
  expect(next.fence).toBe(dead.fence + 1);
  const operations = await listOperations(made.deps.tables, 'demo');
  expect(operations.map(({ id, status }) => [id, status])).toEqual([
    [next.operationId, 'NotStarted'],
    [dead.operationId, 'Failed'],
  ]);
});

test('an operation that gives way is told to which one', async () => {
  const first = await ask('rotate');
  await changeLease(made.deps.tables, first, { yields: true });
  const next = await ask();
  const ended = await findOperation(made.deps.tables, 'demo', first.operationId);
  expect(ended).toMatchObject({ status: 'Canceled', failure: { code: 'GaveWay' } });
  expect(ended?.failure?.message).toContain(next.operationId);
});

test('an operation that gave way to one whose request was killed is called so', async () => {
  const first = await ask('rotate');
  await changeLease(made.deps.tables, first, { yields: true });
  dieAt('operations', 'updateEntity');
  await expect(ask()).rejects.toThrow('killed');
  await settleLeases(made.deps, start);
  const ended = await findOperation(made.deps.tables, 'demo', first.operationId);
  expect(ended).toMatchObject({ status: 'Canceled', failure: { code: 'GaveWay' } });
});

test('one that is dead is not said to have given way, though it might have', async () => {
  const lease = await ask('rotate');
  await changeLease(made.deps.tables, lease, { yields: true });
  later(leaseMilliseconds + 1000);
  dieAt('operations', 'updateEntity');
  await expect(settleLeases(made.deps, start)).rejects.toThrow();
  await settleLeases(made.deps, start);
  expect(await findOperation(made.deps.tables, 'demo', lease.operationId)).toMatchObject({ status: 'Failed' });
});

/** While it is in the middle of that write, its lease runs out, and another operation takes it. */
async function overtaken(lease: Lease, table: 'jumpServers' | 'nodes', ending: { state: 'done' }) {
  const client = made.deps.tables[table] as unknown as Record<string, (...given: unknown[]) => unknown>;
  const listEntities = client.listEntities as (...given: unknown[]) => AsyncIterable<unknown>;
  let next: Lease | undefined;
  client.listEntities = async function* (...given) {
    client.listEntities = listEntities;
    later(leaseMilliseconds + 1000);
    next = await ask();
    yield* listEntities(...given);
  };
  expect(await finishOperation(made.deps)({ ...lease, ending })).toEqual({ finished: false });
  return next;
}

test('an operation that is overtaken while it ends writes nothing over the end that was written for it', async () => {
  const lease = await ask();
  const next = await overtaken(lease, 'nodes', { state: 'done' });
  const ended = await findOperation(made.deps.tables, 'demo', lease.operationId);
  expect(ended).toMatchObject({ status: 'Failed', failure: { code: 'Interrupted' } });
  expect((await findJumpServer(made.deps.tables, 'demo'))?.lastOperation).toBe(next?.operationId);
});

test('a teardown that is overtaken while it forgets leaves what the PUT after it needs', async () => {
  await finishOperation(made.deps)({ ...(await ask()), ending: { state: 'done' } });
  const removed: string[] = [];
  const control = { remove: async (name: string) => void removed.push(name) };
  Object.assign(made.deps, { vaults: { control } });
  const lease = await ask('teardown');
  await overtaken(lease, 'nodes', { state: 'done' });
  expect(removed).toHaveLength(3);
  expect((await findJumpServer(made.deps.tables, 'demo'))?.state).toBe('Provisioning');
});

test('an end that was written before the lease was given back stays, whoever closes the lease', async () => {
  const lease = await ask();
  dieAt('leases', 'updateEntity');
  const finish = finishOperation(made.deps)({ ...lease, ending: { state: 'canceled' } });
  await expect(finish).rejects.toThrow('killed');
  later(leaseMilliseconds + 1000);
  await settleLeases(made.deps, start);
  expect(await stateOf(lease.operationId)).toEqual({ operation: 'Canceled', server: 'Failed' });
  expect((await findLease(made.deps.tables, 'demo'))?.state).toBe('finished');
});

test('a process that wakes up late does not take an operation that has begun or ended back to its start', async () => {
  const lease = await ask();
  await recordStart(made.deps, lease, 'Running');
  await recordStart(made.deps, lease);
  expect(await stateOf(lease.operationId)).toEqual({ operation: 'Running', server: 'Provisioning' });
  await finishOperation(made.deps)({ ...lease, ending: { state: 'canceled' } });
  await recordStart(made.deps, lease);
  await recordStart(made.deps, lease, 'Running');
  expect(await stateOf(lease.operationId)).toEqual({ operation: 'Canceled', server: 'Failed' });
});

test('a process that wakes up late does not say of the jump server what a later operation has changed', async () => {
  const lease = await ask();
  await finishOperation(made.deps)({ ...lease, ending: { state: 'canceled' } });
  const next = await ask();
  await recordStart(made.deps, lease);
  expect((await findJumpServer(made.deps.tables, 'demo'))?.lastOperation).toBe(next.operationId);
});

test('who joins an operation whose first caller was killed on the way finds it at its URL', async () => {
  dieAt('operations', 'createEntity');
  await expect(ask()).rejects.toThrow('killed');
  const joined = await ask();
  expect(await stateOf(joined.operationId)).toEqual({ operation: 'NotStarted', server: 'Provisioning' });
  // The minute starts what was only asked for.
  later(30_000);
  await settleLeases(made.deps, start);
  expect(made.world.started).toEqual([joined.operationId]);
});

test('of two requests that replace a dead operation at the same moment one wins, and the other joins it', async () => {
  await ask();
  later(leaseMilliseconds + 1000);
  const [first, second] = await Promise.all([ask(), ask()]);
  expect(second.operationId).toBe(first.operationId);
  expect((await findLease(made.deps.tables, 'demo'))?.fence).toBe(2);
});
