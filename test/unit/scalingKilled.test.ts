import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { scaleNodes } from '../../orchestrations/activities/scale.ts';
import { createWrites } from '../../shared/azure/armStep.ts';
import type { AzureClients } from '../../shared/azure/clients.ts';
import { nodeName } from '../../shared/azure/names.ts';
import type { Deps } from '../../shared/deps.ts';
import { requestOperation } from '../../shared/operations.ts';
import { isUp } from '../../shared/scaling/fleet.ts';
import { listInventory } from '../../shared/store/inventory.ts';
import { findJumpServer, type JumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import { findLease, type Holder } from '../../shared/store/leases.ts';
import { listNodes, type NodeState, putNode } from '../../shared/store/nodes.ts';
import { findOperation } from '../../shared/store/operations.ts';
import type { Tables } from '../../shared/store/tables.ts';
import { secondsAfter } from '../../shared/time.ts';
import { carryThrough, createProcess, inFakeTime, type Kill, type Process, tablesOf } from './mortal.ts';
import { specWith } from './sample.ts';
import { jumpServer, machineParts, reportAll, type SimulatedNode, seedInventory } from './simulatedNodes.ts';
import { createTablesStub } from './tablesStub.ts';

vi.mock('../../shared/topology.ts', () => ({
  topology: (_name: string, _spec: object, _environment: object, numbers: readonly number[]) => machineParts(numbers),
}));
vi.mock('../../shared/steps/ingress.ts', () => ({
  ingressStep: (_deps: Deps, _name: string, _spec: object, numbers: readonly number[]) => ({
    ...{ key: 'ingress', type: '', id: '', dependsOn: numbers.map((number) => `node-${number}/health`) },
    ensure: async () => ({ state: 'ready', output: { url: 'https://demo.test/' } }),
  }),
}));

const start = new Date('2026-11-23T12:00:00Z');
const spec = specWith({ scaling: { drainTimeout: 'P1D' } });

let tables: Tables;
let nodes: Map<string, SimulatedNode>;
let database: 'Ready' | 'Stopping' | 'Stopped';
/** How long it takes to stop. */
let stopSeconds: number;
/** What was asked for although it was so already. */
let twice: string[];
/** Moments at which no node that users are sent to was running. */
let dark: string[];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: start });
});
afterEach(() => {
  vi.useRealTimers();
});

async function seed(states: readonly NodeState[]): Promise<void> {
  tables = createTablesStub();
  const awake = states.some((state) => state === 'running');
  database = awake ? 'Ready' : 'Stopped';
  stopSeconds = 0;
  nodes = new Map();
  twice = [];
  dark = [];
  const state = awake ? 'Ready' : 'Hibernated';
  await putJumpServer(tables, { name: jumpServer, spec, state, createdAt: start, lastOperation: 'first' });
  await seedInventory(
    tables,
    states.map((_, index) => index + 1),
  );
  for (const [index, one] of states.entries()) {
    await putNode(tables, jumpServer, { number: index + 1, state: one, since: start });
    nodes.set(nodeName(jumpServer, index + 1), { running: true, account: 'a1', certificate: 'c1', sessions: 0 });
  }
  // All of them have been heard of, long ago.
  vi.setSystemTime(start);
  await reportAll(tables, spec, nodes, () => true);
  vi.setSystemTime(new Date(start.getTime() + 3_600_000));
  for (const [index, node] of [...nodes.values()].entries()) node.running = states[index] === 'running';
}

/** Switches a machine; complains where it is so already. */
async function turn(node: string, running: boolean): Promise<void> {
  const known = nodes.get(node);
  if (known === undefined || known.running === running) twice.push(`${node} ${running}`);
  nodes.set(node, { account: 'a1', certificate: 'c1', sessions: 0, ...known, running });
}

function azureOf({ read, write }: Process): AzureClients {
  const stopped = (from: typeof database, to: typeof database) => () =>
    write(async () => {
      if (database !== from) twice.push(`mysql ${to}`);
      if (to === 'Stopped' && stopSeconds > 0) {
        database = 'Stopping';
        await new Promise((wake) => setTimeout(wake, stopSeconds * 1000));
      }
      database = to;
    });
  const azure = {
    exists: (node: string) => nodes.has(node),
    create: (node: string) =>
      write(async () => {
        if (nodes.has(node)) twice.push(`create ${node}`);
        nodes.set(node, { running: true, account: null, certificate: null, sessions: 0 });
      }),
    compute: {
      virtualMachines: {
        instanceView: (_group: string, node: string) =>
          read(async () => ({
            statuses: [{ code: `PowerState/${nodes.get(node)?.running ? 'running' : 'deallocated'}` }],
          })),
        start: (_group: string, node: string) => write(() => turn(node, true)),
        deallocate: (_group: string, node: string) => write(() => turn(node, false)),
      },
    },
    mysql: {
      servers: {
        get: () => read(async () => ({ state: database })),
        beginStartAndWait: stopped('Stopped', 'Ready'),
        beginStopAndWait: stopped('Ready', 'Stopped'),
      },
    },
  };
  return azure as unknown as AzureClients;
}

/** A process of the control plane over this world. */
function boot(process: Process): Deps {
  const config = {
    ...{ AZURE_SUBSCRIPTION_ID: 'sub', MOLCAJETE_API_URL: 'https://api.test/api', MOLCAJETE_API_AUDIENCE: ['api'] },
  };
  const report = async () => {
    await reportAll(tables, spec, nodes, () => database === 'Ready');
    const up = (await listNodes(tables, jumpServer)).filter(isUp).map(({ number }) => nodeName(jumpServer, number));
    if (!up.some((name) => nodes.get(name)?.running)) dark.push(new Date().toISOString());
  };
  return {
    config,
    now: () => new Date(),
    tables: tablesOf(tables, process, report),
    azure: azureOf(process),
    databases: { forget: async () => {} },
  } as unknown as Deps;
}

/** Asks for a scale operation. */
async function ask(count: number): Promise<Holder> {
  const caller = { objectId: 'anna', name: 'anna', roles: [] };
  const asking = boot(createProcess(undefined));
  const lease = await requestOperation(asking, async () => {}, {
    ...{ jumpServer, kind: 'scale', order: { count }, reason: 'test', caller },
  });
  return { jumpServer, operationId: lease.operationId, fence: lease.fence };
}

const begin = (process: Process) => {
  const deps = boot(process);
  return { deps, activity: scaleNodes(deps, createWrites()) };
};

/** Scales from these nodes to a count, killed at that write; how many writes there were. */
async function scale(before: readonly NodeState[], count: number, kill?: Kill): Promise<number> {
  await seed(before);
  const holder = await ask(count);
  const writes = await inFakeTime(carryThrough(begin, holder, kill));
  expect((await findOperation(tables, jumpServer, holder.operationId))?.status, JSON.stringify(kill)).toBe('Succeeded');
  return writes;
}

const all = (count: number, state: NodeState): NodeState[] => Array<NodeState>(count).fill(state);

test.each<[string, NodeState[], number, NodeState[], boolean]>([
  ['two become three', all(2, 'running'), 3, all(3, 'running'), true],
  ['three become two', all(3, 'running'), 2, [...all(2, 'running'), 'deallocated'], true],
  ['one becomes two', ['running', 'deallocated'], 2, all(2, 'running'), true],
  ['two become none', all(2, 'running'), 0, all(2, 'deallocated'), false],
  ['none become two', all(2, 'deallocated'), 2, all(2, 'running'), false],
])(
  '%s, whichever write the control plane is killed at: nothing twice, and a node at work throughout',
  async (_, before, count, after, lit) => {
    const writes = await scale(before, count);
    expect(writes).toBeGreaterThan(8);
    for (let at = 1; at <= writes; at++) {
      for (const done of [false, true]) {
        await scale(before, count, { at, done });
        const where = `killed at write ${at} of ${writes}, ${done ? 'done' : 'not done'}`;
        expect(
          (await listNodes(tables, jumpServer)).map(({ state }) => state),
          where,
        ).toEqual(after);
        expect(
          [...nodes.values()].map(({ running }) => running),
          where,
        ).toEqual(after.map((one) => one === 'running'));
        expect(twice, where).toEqual([]);
        if (lit) expect(dark, where).toEqual([]);
        expect(database, where).toBe(count === 0 ? 'Stopped' : 'Ready');
        expect((await findJumpServer(tables, jumpServer))?.state, where).toBe(count === 0 ? 'Hibernated' : 'Ready');
      }
    }
  },
);

test('a DELETE takes a node that was scaled up down before what it stands on, though the scale did not look at that', async () => {
  await scale(['running'], 2);
  const owned = Object.fromEntries((await listInventory(tables, jumpServer)).map((item) => [item.key, item.dependsOn]));
  expect(owned).toMatchObject({
    'node-2/networkInterface': ['virtualNetwork'],
    'node-2/virtualMachine': ['node-2/networkInterface', 'availabilitySet'],
  });
});

test('a node that drains longer than the spec now says keeps its deadline, and the scale waits for it', async () => {
  await seed(all(2, 'running'));
  const { etag, ...server } = (await findJumpServer(tables, jumpServer)) as JumpServer;
  await putJumpServer(tables, { ...server, spec: specWith({ scaling: { drainTimeout: 'PT1M' } }) }, etag);
  const since = new Date();
  const drainUntil = secondsAfter(since, 7200);
  await putNode(tables, jumpServer, { number: 2, state: 'draining', since, drainUntil });
  nodes.set('demo-2', { running: true, account: 'a1', certificate: 'c1', sessions: 1 });
  const holder = await ask(1);
  await inFakeTime(carryThrough(begin, holder, undefined));
  expect((await findOperation(tables, jumpServer, holder.operationId))?.status).toBe('Succeeded');
  expect(new Date() >= drainUntil).toBe(true);
});

test('a scale to none that waited long for sessions waits for the database to stop, too', async () => {
  await seed(['running', 'deallocated']);
  const { etag, ...server } = (await findJumpServer(tables, jumpServer)) as JumpServer;
  await putJumpServer(tables, { ...server, spec: specWith({ scaling: { drainTimeout: 'PT1M' } }) }, etag);
  const since = new Date();
  await putNode(tables, jumpServer, { number: 1, state: 'draining', since, drainUntil: secondsAfter(since, 7200) });
  nodes.set('demo-1', { running: true, account: 'a1', certificate: 'c1', sessions: 1 });
  stopSeconds = 300;
  const holder = await ask(0);
  await inFakeTime(carryThrough(begin, holder, undefined));
  expect((await findOperation(tables, jumpServer, holder.operationId))?.status).toBe('Succeeded');
  expect([database, (await findJumpServer(tables, jumpServer))?.state]).toEqual(['Stopped', 'Hibernated']);
});

test('none while a session goes on gives way, and the morning takes up the node that still drains', async () => {
  await seed(['running', 'deallocated']);
  nodes.set('demo-1', { running: true, account: 'a1', certificate: 'c1', sessions: 1 });
  const evening = await ask(0);
  const over = inFakeTime(carryThrough(begin, evening, undefined));
  for (let looked = 0; looked < 60 && (await findLease(tables, jumpServer))?.yields !== true; looked++)
    await new Promise((wake) => setTimeout(wake, 10_000));
  const morning = await ask(1);
  expect((await findOperation(tables, jumpServer, evening.operationId))?.failure?.code).toBe('GaveWay');
  await inFakeTime(carryThrough(begin, morning, undefined));
  await over;
  expect((await listNodes(tables, jumpServer)).map(({ state }) => state)).toEqual(['running', 'deallocated']);
  expect([twice, database]).toEqual([[], 'Ready']);
});

/** What the store says every ten seconds while an operation with nodes that never report goes on. */
async function watchStuck(before: readonly NodeState[], ...mute: string[]) {
  await seed(before);
  for (const name of mute) {
    const known = nodes.get(name) ?? { running: true, account: null, certificate: null, sessions: 0 };
    nodes.set(name, { ...known, mute: true });
  }
  const holder = await ask(2);
  const seen: { seconds: number; state: string | undefined; yields: boolean }[] = [];
  let over = false;
  const begun = Date.now();
  const watching = (async () => {
    while (!over) {
      const [server, lease] = await Promise.all([findJumpServer(tables, jumpServer), findLease(tables, jumpServer)]);
      seen.push({ seconds: (Date.now() - begun) / 1000, state: server?.state, yields: lease?.yields ?? false });
      await new Promise((wake) => setTimeout(wake, 10_000));
    }
  })();
  await inFakeTime(carryThrough(begin, holder, undefined));
  over = true;
  await inFakeTime(watching);
  const operation = await findOperation(tables, jumpServer, holder.operationId);
  return { seen, failure: operation?.failure?.code, seconds: (Date.now() - begun) / 1000 };
}

test('a wake with a node that never comes up is awake from the first node on, and fails with a condition', async () => {
  const { seen, failure } = await watchStuck(all(2, 'deallocated'), 'demo-2');
  expect(seen.filter(({ seconds }) => seconds > 60).map(({ state }) => state)).not.toContain('Hibernated');
  expect(failure).toBe('TimedOut');
  const server = await findJumpServer(tables, jumpServer);
  expect([server?.state, server?.setback?.type]).toEqual(['Ready', 'TimedOut']);
});

test('a wake on which no node comes up ends as ready, for healing to see to it: the database runs', async () => {
  const { failure } = await watchStuck(all(2, 'deallocated'), 'demo-1', 'demo-2');
  expect([failure, database]).toEqual(['TimedOut', 'Ready']);
  const server = await findJumpServer(tables, jumpServer);
  expect([server?.state, server?.setback?.type]).toEqual(['Ready', 'TimedOut']);
});

test('a wake whose database does not start leaves it hibernating, with a condition', async () => {
  await seed(all(2, 'deallocated'));
  database = 'Stopping';
  const holder = await ask(2);
  await inFakeTime(carryThrough(begin, holder, undefined));
  const server = await findJumpServer(tables, jumpServer);
  expect([server?.state, server?.setback?.type]).toEqual(['Hibernated', 'TimedOut']);
});

test('a scale-out that is stuck gives way to a repair every two minutes after the first five, and ends after half an hour whatever sessions may take', async () => {
  const { seen, failure, seconds } = await watchStuck(['running', 'deallocated'], 'demo-2');
  expect(failure).toBe('TimedOut');
  expect(seconds).toBeLessThan(2000);
  expect(seen.filter(({ yields }) => yields).every(({ seconds: at }) => at >= 300)).toBe(true);
  const late = seen.filter(({ seconds: at }) => at > 420 && at < 1780);
  late.slice(12).forEach((_, index) => {
    expect(late.slice(index, index + 12).some(({ yields }) => yields)).toBe(true);
  });
});
