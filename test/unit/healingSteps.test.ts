import { beforeEach, describe, expect, test } from 'vitest';
import { createWrites } from '../../shared/azure/armStep.ts';
import { type Attempt, checkGraph, type Outcome } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import { awaitedHealthStep, repairedHealthStep } from '../../shared/healing/healthSteps.ts';
import type { HealOrder, NodeOrder } from '../../shared/healing/order.ts';
import { type Healing, repairStep } from '../../shared/healing/repairStep.ts';
import type { Repair } from '../../shared/healing/repairs.ts';
import { healSteps } from '../../shared/healing/steps.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { findHealing, rememberNode } from '../../shared/store/healing.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { putStep } from '../../shared/store/operations.ts';
import { putReport } from '../../shared/store/reports.ts';
import type { Tables } from '../../shared/store/tables.ts';
import { secondsAfter } from '../../shared/time.ts';
import { openHealingWorld } from './healingWorld.ts';
import { specOf, specWith } from './sample.ts';

type Entity = Record<string, unknown> & { partitionKey: string; rowKey: string };

/** As much of a table as these steps use. */
function memoryTable() {
  const rows = new Map<string, Entity>();
  return {
    async upsertEntity(row: Entity, mode: 'Merge' | 'Replace') {
      const key = `${row.partitionKey}/${row.rowKey}`;
      rows.set(key, mode === 'Merge' ? { ...rows.get(key), ...row } : row);
    },
    async deleteEntity(partitionKey: string, rowKey: string) {
      rows.delete(`${partitionKey}/${rowKey}`);
    },
    async *listEntities({ queryOptions }: { queryOptions?: { filter?: string } } = {}) {
      const partition = /PartitionKey eq '([^']+)'/.exec(queryOptions?.filter ?? '')?.[1];
      for (const row of rows.values()) if (partition === undefined || row.partitionKey === partition) yield row;
    },
  };
}

const now = new Date('2026-11-23T12:00:00Z');
const attempt: Attempt = { permit: async () => {}, within: async (work) => ({ value: await work }) };

/** What was asked of Azure, and what it answers. */
let calls: string[];
let machine: { vmId: string; provisioningState: string } | undefined;
let probed: string[];
let failure: Error | undefined;
let probeFailure: Error | undefined;
let readFailure: Error | undefined;
let tables: Tables;

const missing = () => Object.assign(new Error('gone'), { statusCode: 404 });
const act = (name: string) => async (_group: string, node: string) => {
  calls.push(`${name} ${node}`);
  if (failure !== undefined) throw failure;
};

function healing(operationId = 'op-1'): Healing {
  const virtualMachines = {
    get: async () => {
      if (readFailure !== undefined) throw readFailure;
      return machine ?? Promise.reject(missing());
    },
    restart: act('restart'),
    redeploy: act('redeploy'),
    reapply: act('reapply'),
    delete: act('delete'),
    runCommand: act('runCommand'),
  };
  const health = async () => {
    if (probeFailure !== undefined) throw probeFailure;
    return { loadBalancerBackendAddresses: probed.map((ipAddress) => ({ ipAddress, state: 'Up' })) };
  };
  const azure = { compute: { virtualMachines }, network: { loadBalancerLoadBalancingRules: { health } } };
  const deps = {
    tables,
    azure,
    now: () => now,
    config: { AZURE_SUBSCRIPTION_ID: 'sub', MOLCAJETE_REPORT_SECONDS: 30 },
  } as unknown as Deps;
  const server = { name: 'demo', spec: specOf(), state: 'Ready', createdAt: now, lastOperation: '', etag: '' } as const;
  const fleet = [1, 2].map((number) => ({ number, state: 'running' as const, since: secondsAfter(now, -3600) }));
  const holder = { jumpServer: 'demo', operationId, fence: 1 };
  return { deps, writes: createWrites(), holder, server, fleet, requestedAt: now };
}

/** Another process: nothing is left of the former but what it has written down. */
const run = (order: NodeOrder, operationId?: string): Promise<Outcome> =>
  repairStep(healing(operationId), order).ensure({}, attempt);

const frozen = (repair: NodeOrder['repair']): NodeOrder => ({ number: 1, finding: 'frozen', repair });
const healthy = { healthy: true };
const well = { haproxy: healthy, web: healthy, guacd: healthy, database: healthy } as NodeReport;

beforeEach(async () => {
  calls = [];
  machine = { vmId: 'first', provisioningState: 'Succeeded' };
  probed = ['10.20.0.4', '10.20.0.5'];
  failure = undefined;
  probeFailure = undefined;
  readFailure = undefined;
  tables = Object.fromEntries(
    ['healing', 'reports', 'inventory'].map((name) => [name, memoryTable()]),
  ) as unknown as Tables;
  await putReport(tables, 'demo', { node: 'demo-2', report: well, receivedAt: now });
  for (const number of [1, 2]) {
    const key = `node-${number}/networkInterface`;
    const output = { privateIPAddress: `10.20.0.${number + 3}` };
    await putInventory(tables, 'demo', { key, type: '', id: '', dependsOn: [], output });
  }
});

test('a repair is sent once, and remembered with the sessions that it ended', async () => {
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'ready' });
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'ready' });
  expect(calls).toEqual(['restart demo-1']);
  const { nodes, server } = await findHealing(tables, 'demo');
  expect(nodes).toMatchObject([{ number: 1, repair: 'restartMachine', operationId: 'op-1', sentAt: now }]);
  expect(server.losses).toEqual([{ number: 1, at: now }]);
});

test('a repair whose process died is waited for, not sent again', async () => {
  const hangs: Attempt = { ...attempt, within: async () => undefined };
  expect(await repairStep(healing(), frozen('redeploy')).ensure({}, hangs)).toMatchObject({ state: 'pending' });
  machine = { vmId: 'first', provisioningState: 'Updating' };
  expect(await run(frozen('redeploy'))).toMatchObject({ state: 'pending' });
  machine = { vmId: 'first', provisioningState: 'Succeeded' };
  expect(await run(frozen('redeploy'))).toMatchObject({ state: 'ready' });
  expect(calls).toEqual(['redeploy demo-1']);
});

test('a repair that was canceled in Azure is not waited for: nothing is at work any more', async () => {
  const hangs: Attempt = { ...attempt, within: async () => undefined };
  await repairStep(healing(), frozen('redeploy')).ensure({}, hangs);
  machine = { vmId: 'first', provisioningState: 'Canceled' };
  expect(await run(frozen('redeploy'))).toMatchObject({ state: 'ready' });
});

test('another operation sends its own', async () => {
  await run(frozen('restartMachine'));
  await run(frozen('redeploy'), 'op-2');
  expect(calls).toEqual(['restart demo-1', 'redeploy demo-1']);
});

test('a rebuild that was cut off deletes the machine it meant, and never the one made after it', async () => {
  const hangs: Attempt = { ...attempt, within: async () => undefined };
  await repairStep(healing(), frozen('rebuild')).ensure({}, hangs);
  await run(frozen('rebuild'));
  expect(calls).toEqual(['delete demo-1', 'delete demo-1']);

  await repairStep(healing('op-2'), frozen('rebuild')).ensure({}, hangs);
  machine = { vmId: 'second', provisioningState: 'Succeeded' };
  expect(await run(frozen('rebuild'), 'op-2')).toMatchObject({ state: 'ready' });
  expect(calls).toHaveLength(3);
});

test('a rebuild whose process died while it was taken back ends sessions that are remembered again', async () => {
  const begun = { number: 1, repair: 'rebuild', operationId: 'op-1', sentAt: now, vmId: 'first' } as const;
  await rememberNode(tables, 'demo', begun);
  await run(frozen('rebuild'));
  expect(calls).toEqual(['delete demo-1']);
  expect((await findHealing(tables, 'demo')).server.losses).toEqual([{ number: 1, at: now }]);
});

test('nothing that ends sessions is done to the only node that serves users', async () => {
  await putReport(tables, 'demo', { node: 'demo-2', report: well, receivedAt: secondsAfter(now, -600) });
  probed = ['10.20.0.4'];
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'failed', failure: { code: 'LastNode' } });
  expect(calls).toEqual([]);
  expect((await findHealing(tables, 'demo')).nodes).toEqual([]);
  probed = ['10.20.0.5'];
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'ready' });
});

test('what calls itself unwell, and still has the users, is left alone too', async () => {
  await putReport(tables, 'demo', { node: 'demo-2', report: well, receivedAt: secondsAfter(now, -600) });
  probed = ['10.20.0.4'];
  const order: NodeOrder = { number: 1, finding: 'unwell', repair: 'restartServices' };
  expect(await run(order)).toMatchObject({ state: 'failed', failure: { code: 'LastNode' } });
  probed = ['10.20.0.4', '10.20.0.5'];
  expect(await run(order)).toMatchObject({ state: 'ready' });
});

test('nothing is done while the balancer does not say whom it would hit; where there is no balancer nobody is served', async () => {
  await putReport(tables, 'demo', { node: 'demo-2', report: well, receivedAt: secondsAfter(now, -600) });
  probeFailure = Object.assign(new Error('busy'), { statusCode: 503, code: 'ServiceUnavailable' });
  const step = repairStep(healing(), frozen('restartMachine'));
  expect(await step.ensure({}, attempt)).toMatchObject({ state: 'pending' });
  expect(await step.ensure({}, attempt)).toMatchObject({ state: 'pending' });
  expect(await step.ensure({}, attempt)).toMatchObject({ state: 'failed', failure: { code: 'LastNodeUnknown' } });
  expect(calls).toEqual([]);
  probeFailure = Object.assign(new Error('gone'), { statusCode: 404 });
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'ready' });
});

test('another node that works by its own word only does not count: the balancer sends it nobody', async () => {
  probed = ['10.20.0.4'];
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'failed', failure: { code: 'LastNode' } });
  expect(calls).toEqual([]);
});

test('a node that the balancer sends nobody is repaired, whatever the other ones say', async () => {
  await putReport(tables, 'demo', { node: 'demo-2', report: well, receivedAt: secondsAfter(now, -600) });
  probed = [];
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'ready' });
});

test('what disturbs nobody is done without asking the balancer', async () => {
  probeFailure = Object.assign(new Error('busy'), { statusCode: 503, code: 'ServiceUnavailable' });
  expect(await run({ number: 1, finding: 'agentGone', repair: 'restartAgent' })).toMatchObject({ state: 'ready' });
});

test.each(['reapply', 'restartMachine', 'rebuild'] as const)(
  'a machine whose last change failed is not written before %s is noted and done',
  async (repair) => {
    const { deps } = await openHealingWorld();
    const order = { nodes: [{ number: 1, finding: 'provisioningFailed', repair } as const], awaits: [] };
    const steps = healSteps({ ...healing(), deps }, { ...order, everything: false, evidence: [] }, [2]);
    expect(() => checkGraph(steps)).not.toThrow();
    const of = (key: string) => steps.find((step) => step.key === `node-1/${key}`)?.dependsOn;
    expect(of('virtualMachine')).toContain('node-1/repair');
    expect(of('repair')).toEqual(['mysqlServer/kept']);
  },
);

describe('after a PUT that failed', () => {
  const setback = { kind: 'provision', type: 'RequestDisallowedByPolicy', message: '' } as const;
  const keysOf = async (order: Partial<HealOrder>) => {
    const { deps } = await openHealingWorld();
    const { server, ...rest } = healing();
    const whole = { nodes: [], awaits: [], everything: false, evidence: [], ...order };
    const steps = healSteps({ ...rest, deps, server: { ...server, setback } }, whole, [2]);
    expect(() => checkGraph(steps)).not.toThrow();
    return steps.map(({ key }) => key);
  };

  test.each<[Repair, string[]]>([
    ['restartMachine', ['node-1/repair', 'node-1/health', 'ingress']],
    ['create', ['node-1/networkInterface', 'node-1/virtualMachine', 'node-1/repair', 'node-1/health', 'ingress']],
    ['rebuild', ['node-1/networkInterface', 'node-1/virtualMachine', 'node-1/repair', 'node-1/health', 'ingress']],
  ])('to %s looks at the node alone: what the PUT failed at is not in its way', async (repair, keys) => {
    expect(await keysOf({ nodes: [{ number: 1, finding: 'frozen', repair }] })).toEqual(keys);
  });

  test.each<[string, Partial<HealOrder>]>([
    ['a heal by hand', { everything: true }],
    ['a heal of the database', { awaits: [1, 2] }],
  ])('%s looks at what is shared all the same', async (_, order) => {
    expect(await keysOf(order)).toEqual(expect.arrayContaining(['publicIpAddress', 'mysqlServer', 'database']));
  });
});

test('a heal whose node cannot get its interface back is not left waiting for the balancer to see it', async () => {
  const { deps } = await openHealingWorld();
  const order = { nodes: [], awaits: [], everything: true, evidence: [] };
  const steps = healSteps({ ...healing(), deps }, order, [1, 2]);
  const { dependsOn } = steps.find(({ key }) => key === 'ingress') ?? { dependsOn: [] };
  expect(dependsOn).toEqual(expect.arrayContaining(['node-1/networkInterface', 'node-2/networkInterface']));
});

test('to push a model that Azure refuses is remembered, so that the next repair is stronger', async () => {
  failure = Object.assign(new Error('no'), { statusCode: 409, code: 'OperationNotAllowed' });
  await run({ number: 1, finding: 'provisioningFailed', repair: 'reapply' });
  expect(calls).toEqual(['reapply demo-1']);
  expect((await findHealing(tables, 'demo')).nodes).toMatchObject([{ number: 1, repair: 'reapply' }]);
});

const inProgress = {
  statusCode: 409,
  code: 'Conflict',
  message: 'Run command extension execution is in progress. Please wait for completion before invoking a run command.',
};

test.each<[Repair, { statusCode: number; code: string; message?: string }]>([
  ['restartAgent', inProgress],
  ['restartServices', { statusCode: 429, code: 'TooManyRequests' }],
  ['restartMachine', { statusCode: 503, code: 'ServiceUnavailable' }],
  ['rebuild', { statusCode: 500, code: 'InternalServerError' }],
])(
  '%s that Azure does not take up just now is asked for three times, and then counts as not tried: nobody has lost a session',
  async (repair, answer) => {
    const former = {
      number: 1,
      repair: 'start',
      sentAt: secondsAfter(now, -900),
      settledAt: secondsAfter(now, -800),
    } as const;
    await rememberNode(tables, 'demo', { ...former, operationId: 'op-0' });
    failure = Object.assign(new Error(answer.message ?? 'busy'), answer);
    const step = repairStep(healing(), frozen(repair));
    for (const state of ['pending', 'pending', 'failed'])
      expect(await step.ensure({}, attempt)).toMatchObject({ state, failure: { code: answer.code } });
    expect(calls).toHaveLength(3);
    const { nodes, server } = await findHealing(tables, 'demo');
    expect(nodes).toMatchObject([{ ...former, operationId: '' }]);
    expect(server.losses).toEqual([]);
  },
);

test('the first repair of a node that Azure does not take up leaves nothing behind that the next one is stronger than', async () => {
  failure = Object.assign(new Error('busy'), { statusCode: 503, code: 'ServiceUnavailable' });
  await run(frozen('restartMachine'));
  expect((await findHealing(tables, 'demo')).nodes[0]?.repair).toBeUndefined();
  failure = undefined;
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'ready' });
  expect((await findHealing(tables, 'demo')).nodes).toMatchObject([{ repair: 'restartMachine', operationId: 'op-1' }]);
  expect((await findHealing(tables, 'demo')).server.losses).toHaveLength(1);
});

test('a repair that was sent is not sent again because Azure cannot say how far it is', async () => {
  const hangs: Attempt = { ...attempt, within: async () => undefined };
  await repairStep(healing(), frozen('restartMachine')).ensure({}, hangs);
  readFailure = Object.assign(new Error('busy'), { statusCode: 503, code: 'ServiceUnavailable' });
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'pending' });
  readFailure = undefined;
  expect(await run(frozen('restartMachine'))).toMatchObject({ state: 'ready' });
  expect(calls).toEqual(['restart demo-1']);
});

test('a command that the machine does not take is given up at once: the next repair needs none', async () => {
  failure = Object.assign(new Error('no agent'), { code: 'VMAgentStatusCommunicationError', statusCode: 409 });
  expect(await run({ number: 1, finding: 'unwell', repair: 'restartServices' })).toMatchObject({
    state: 'failed',
    failure: { code: 'VMAgentStatusCommunicationError' },
  });
  expect(calls).toHaveLength(1);
  expect((await findHealing(tables, 'demo')).nodes).toMatchObject([{ repair: 'restartServices', operationId: '' }]);
});

describe('the time that a node gets to be well', () => {
  /** How the health step of node 1, which does not report, ends so many seconds after its beginning. */
  async function endAfter(seconds: number, { gracePeriod, repair }: { gracePeriod: string; repair?: Repair }) {
    const { deps, world } = await openHealingWorld();
    const spec = specWith({ healing: { gracePeriod } });
    const { server, ...rest } = healing();
    const own: Healing = { ...rest, deps, server: { ...server, spec }, requestedAt: secondsAfter(now, -1200) };
    // Azure was done with it long before the node's turn came.
    const settledAt = secondsAfter(now, -900);
    await rememberNode(deps.tables, 'demo', { number: 1, operationId: 'op-1', sentAt: own.requestedAt, settledAt });
    const step =
      repair === undefined ? awaitedHealthStep(own, 1) : repairedHealthStep(own, { ...frozen(repair), number: 1 });
    await putStep(deps.tables, 'op-1', { key: step.key, type: '', state: 'working', startedAt: now });
    world.now = secondsAfter(now, seconds);
    const outcome = await step.ensure({}, attempt);
    return outcome.state === 'failed' ? outcome.failure.code : outcome.state;
  }

  test('one that waits for the database gets it from the moment at which that is in order', async () => {
    expect(await endAfter(599, { gracePeriod: 'PT2M' })).toBe('pending');
    expect(await endAfter(601, { gracePeriod: 'PT2M' })).toBe('NodesStillUnwell');
  });

  test.each<[Repair, string, number]>([
    ['rebuild', 'PT2M', 600],
    ['restartMachine', 'PT2M', 240],
    ['restartServices', 'PT2M', 120],
    ['rebuild', 'PT5S', 300],
    ['create', 'PT5S', 300],
    ['start', 'PT5S', 120],
    ['restartMachine', 'PT5S', 120],
    ['redeploy', 'PT5S', 120],
    ['restartServices', 'PT1M', 60],
  ])(
    'after %s with a grace period of %s it is %i s from the end of what Azure does, enough for a boot',
    async (repair, gracePeriod, seconds) => {
      expect(await endAfter(seconds - 1, { gracePeriod, repair })).toBe('pending');
      expect(await endAfter(seconds + 1, { gracePeriod, repair })).toBe('NodeNotHealed');
    },
  );
});
