import { beforeEach, expect, test } from 'vitest';
import { createWrites } from '../../shared/azure/armStep.ts';
import { type Attempt, Stopped } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { requestOperation } from '../../shared/operations.ts';
import { hibernateStep } from '../../shared/scaling/hibernate.ts';
import { anotherIsHealthy, restStep } from '../../shared/scaling/rest.ts';
import { findJumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, findLease } from '../../shared/store/leases.ts';
import { listNodes, type NodeRecord, putNode } from '../../shared/store/nodes.ts';
import { findOperation } from '../../shared/store/operations.ts';
import { putReport } from '../../shared/store/reports.ts';
import { findScaling } from '../../shared/store/scaling.ts';
import { secondsAfter } from '../../shared/time.ts';
import { specOf } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const start = new Date('2026-11-23T12:00:00Z');
const day = 86_400;
const spec = specOf();
const caller = { objectId: 'anna', name: 'anna', roles: [] };
const attempt: Attempt = { permit: async () => {}, within: async (work) => ({ value: await work }) };

/** A world of one node's machine, which obeys at once, and one MySQL server, which takes its time to stop. */
function createWorld() {
  const world = {
    now: start,
    machine: 'PowerState/running',
    database: 'Ready',
    calls: [] as string[],
    /** At the machine. */
    looks: 0,
    stopped: () => {},
  };
  const obey = (state: string, call: string) => async () => {
    world.calls.push(call);
    world.machine = state;
  };
  const missing = () => Object.assign(new Error('gone'), { statusCode: 404 });
  const deps = {
    config: { AZURE_SUBSCRIPTION_ID: 'sub', MOLCAJETE_API_URL: 'https://api.test/api' },
    now: () => world.now,
    tables: createTablesStub(),
    databases: { forget: async () => {} },
    azure: {
      compute: {
        virtualMachines: {
          instanceView: async () => {
            world.looks++;
            if (world.machine === '') throw missing();
            if (world.machine === 'refused') throw new Error('refused');
            return { statuses: [{ code: 'ProvisioningState/succeeded' }, { code: world.machine }] };
          },
          deallocate: obey('PowerState/deallocated', 'deallocate'),
        },
      },
      mysql: {
        servers: {
          get: async () => ({ state: world.database }),
          beginStopAndWait: () => {
            world.calls.push('stop');
            world.database = 'Stopping';
            return new Promise<void>((resolve) => {
              world.stopped = () => {
                world.database = 'Stopped';
                resolve();
              };
            });
          },
        },
      },
    },
  } as unknown as Deps;
  return { world, deps };
}

let made: ReturnType<typeof createWorld>;
beforeEach(() => {
  made = createWorld();
});

/** Runs a step until it is ready, as many times as the walk would. */
async function settle(step: ReturnType<typeof hibernateStep>, asked = attempt): Promise<string> {
  for (let looks = 0; looks < 5; looks++) {
    const outcome = await step.ensure({}, asked);
    if (outcome.state !== 'pending' || outcome.lookAgainSeconds >= 1) return outcome.state;
  }
  return 'pending';
}

async function readyServer(): Promise<void> {
  const { deps } = made;
  const server = { name: 'demo', spec, state: 'Ready' as const, createdAt: start, lastOperation: 'op' };
  await putJumpServer(deps.tables, server);
}

const holder = { jumpServer: 'demo', operationId: 'op', fence: 1 };
const hibernate = () => hibernateStep(made.deps, createWrites(), holder, spec, []);

/** A call of the activity that ends before the server has stopped, then the next one, which knows only what is written down. */
async function fallAsleep(): Promise<void> {
  const brief: Attempt = { ...attempt, within: async () => undefined };
  expect(await settle(hibernate(), brief)).toBe('pending');
  expect(await settle(hibernate(), brief)).toBe('pending');
  made.world.stopped();
  expect(await settle(hibernate())).toBe('ready');
}

test('a jump server that falls asleep says so before its database stops, and knows when to look again', async () => {
  const { deps, world } = made;
  await readyServer();
  await fallAsleep();
  expect(world.calls).toEqual(['stop']);
  expect((await findJumpServer(deps.tables, 'demo'))?.state).toBe('Hibernated');
  expect((await findScaling(deps.tables, 'demo')).checkDatabaseAt).toEqual(secondsAfter(start, 30 * day + 3600));
});

test('a database that Azure started again after 30 days is stopped again', async () => {
  const { deps, world } = made;
  await readyServer();
  await fallAsleep();
  world.now = secondsAfter(start, 30 * day + 3600);
  world.database = 'Ready';
  await fallAsleep();
  expect(world.calls).toEqual(['stop', 'stop']);
  expect((await findScaling(deps.tables, 'demo')).checkDatabaseAt).toEqual(secondsAfter(world.now, 30 * day + 3600));
});

test('a database that is still stopped after 30 days is looked at every hour', async () => {
  const { deps, world } = made;
  await readyServer();
  await fallAsleep();
  world.now = secondsAfter(start, 30 * day + 3600);
  expect(await settle(hibernate())).toBe('ready');
  expect(world.calls).toEqual(['stop']);
  expect((await findScaling(deps.tables, 'demo')).checkDatabaseAt).toEqual(secondsAfter(world.now, 3600));
});

test('an operation that lost its lease puts nothing to sleep', async () => {
  const { deps, world } = made;
  await readyServer();
  const fenced: Attempt = { ...attempt, permit: () => Promise.reject(new Stopped('fenced')) };
  await expect(hibernate().ensure({}, fenced)).rejects.toThrow(Stopped);
  expect(world.calls).toEqual([]);
  expect((await findJumpServer(deps.tables, 'demo'))?.state).toBe('Ready');
  expect(await findScaling(deps.tables, 'demo')).toEqual({ needs: [] });
});

const two: NodeRecord = { number: 2, state: 'draining', since: start, drainUntil: secondsAfter(start, 600) };
const staying: NodeRecord[] = [{ number: 1, state: 'running', since: secondsAfter(start, -day) }];

/** A report of a node, now. */
async function report(node: string, served: number, draining: boolean): Promise<void> {
  const well = { healthy: true };
  const body = { haproxy: well, web: well, guacd: well, database: well, sessions: { served, relayed: 0 }, draining };
  const { deps, world } = made;
  await putReport(deps.tables, 'demo', { node, report: body as NodeReport, receivedAt: world.now });
}

async function rest(): Promise<ReturnType<typeof restStep>> {
  const record = (await listNodes(made.deps.tables, 'demo')).find(({ number }) => number === 2);
  if (record === undefined) throw new Error('There is no node 2.');
  return restStep(made.deps, createWrites(), 'demo', spec, record, staying);
}

test('a node goes when its last session has ended and the balancer has noticed, whoever looks', async () => {
  const { deps, world } = made;
  await putNode(deps.tables, 'demo', two);
  const look = async (seconds: number, served: number, draining: boolean) => {
    world.now = secondsAfter(start, seconds);
    await report('demo-1', 0, false);
    await report('demo-2', served, draining);
    // Another step each time, as after a crash.
    return settle(await rest());
  };
  expect(await look(5, 1, false)).toBe('pending');
  expect(await look(10, 1, true)).toBe('pending');
  expect(await look(15, 0, true)).toBe('pending');
  expect(world.calls).toEqual([]);
  expect(await look(22, 0, true)).toBe('ready');
  expect(world.calls).toEqual(['deallocate']);
  expect((await listNodes(deps.tables, 'demo'))[0]).toEqual({ number: 2, state: 'deallocated', since: world.now });
});

test('no node goes while none of those that stay is healthy, not even at its deadline', async () => {
  const { deps, world } = made;
  await putNode(deps.tables, 'demo', { ...two, drainingSince: secondsAfter(start, 10) });
  world.now = secondsAfter(start, 700);
  await report('demo-2', 3, true);
  // It looks rarely, so that the operation yields to the repair of a node that stays.
  expect(await (await rest()).ensure({}, attempt)).toMatchObject({ state: 'pending', lookAgainSeconds: 60 });
  expect(world.calls).toEqual([]);
  await report('demo-1', 0, false);
  world.now = secondsAfter(start, 720);
  expect(await settle(await rest())).toBe('ready');
  expect(world.calls).toEqual(['deallocate']);
});

test.each<[string, string, string[]]>([
  ['was never made', '', []],
  ['is off', 'PowerState/deallocated', []],
  ['is stopped and still costs', 'PowerState/stopped', ['deallocate']],
])('a node whose machine %s does not wait', async (_, machine, calls) => {
  const { deps, world } = made;
  await putNode(deps.tables, 'demo', two);
  await report('demo-1', 0, false);
  world.machine = machine;
  expect(await settle(await rest())).toBe('ready');
  expect(world.calls).toEqual(calls);
});

test.each<[string, string, number, string]>([
  [
    'has gone off with sessions on it is not waited for when nothing is heard of it',
    'PowerState/deallocated',
    100,
    'ready',
  ],
  ['may just have gone off and was heard of lately is waited for', 'PowerState/deallocated', 80, 'pending'],
  ['runs is waited for, for its sessions may go on', 'PowerState/running', 100, 'pending'],
  ['Azure says nothing of is waited for', 'PowerState/unknown', 100, 'pending'],
  ['Azure does not answer about is waited for', 'refused', 100, 'pending'],
])('a draining node whose machine %s', async (_, machine, silent, expected) => {
  const { deps, world } = made;
  await putNode(deps.tables, 'demo', { ...two, drainingSince: secondsAfter(start, 10) });
  world.now = secondsAfter(start, 20);
  await report('demo-2', 1, true);
  world.now = secondsAfter(world.now, silent);
  await report('demo-1', 0, false);
  world.machine = machine;
  expect(await settle(await rest())).toBe(expected);
  expect(world.calls).toEqual([]);
});

test('the machine of a silent node that drains is looked at every ten seconds, however often the node is', async () => {
  const { deps, world } = made;
  await putNode(deps.tables, 'demo', two);
  await report('demo-1', 0, false);
  const step = await rest();
  for (let second = 0; second < 40; second++) {
    world.now = secondsAfter(start, second);
    expect(await step.ensure({}, attempt)).toMatchObject({ state: 'pending', lookAgainSeconds: 1 });
  }
  expect(world.looks).toBe(4);
  world.machine = 'PowerState/deallocated';
  world.now = secondsAfter(start, 40);
  expect(await settle(step)).toBe('ready');
});

const ask = (count: number) =>
  requestOperation(made.deps, async () => {}, {
    jumpServer: 'demo',
    kind: 'scale',
    order: { count },
    reason: 'test',
    caller,
  });

test('an operation that only waits gives way to another, one that works does not', async () => {
  const { deps } = made;
  await readyServer();
  const first = await ask(1);
  await expect(ask(2)).rejects.toMatchObject({ status: 409, code: 'OperationInProgress' });
  await changeLease(deps.tables, first, { yields: true });
  const second = await ask(2);
  expect((await findLease(deps.tables, 'demo'))?.operationId).toBe(second.operationId);
  const ended = await findOperation(deps.tables, 'demo', first.operationId);
  expect([ended?.status, ended?.failure?.code]).toEqual(['Canceled', 'GaveWay']);
  expect(await changeLease(deps.tables, first, { yields: false })).toBe(false);
  expect((await findJumpServer(deps.tables, 'demo'))?.state).toBe('Ready');
});

test.each<[string, object, boolean]>([
  ['of which nothing is broken', {}, true],
  ['whose Guacamole does not work', { web: { healthy: false } }, false],
  ['that could not change its Guacamole, and works', { web: { healthy: false, works: true } }, true],
  [
    'that could not change its HAProxy: it may not know who drains',
    { haproxy: { healthy: false, works: true } },
    false,
  ],
])('a node %s takes over from others or not', async (_, change, expected) => {
  const well = { healthy: true };
  const heard = { haproxy: well, web: well, guacd: well, database: well, ...change } as NodeReport;
  await putReport(made.deps.tables, 'demo', { node: 'demo-1', report: heard, receivedAt: made.world.now });
  expect(await anotherIsHealthy(made.deps, 'demo', staying)).toBe(expected);
});
