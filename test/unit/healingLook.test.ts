import { RestError } from '@azure/core-rest-pipeline';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { orderByHand, resetBreaker } from '../../shared/healing/byHand.ts';
import { decideHealing, type HealingDecision } from '../../shared/healing/decision.ts';
import type { NodeSight } from '../../shared/healing/findings.ts';
import { closeLostSessions } from '../../shared/healing/lostSessions.ts';
import type { HealOrder } from '../../shared/healing/order.ts';
import { lookCloser, platformAtFault } from '../../shared/healing/sight.ts';
import { inTurn, observeFleet, roomForHeals, sweepHealing } from '../../shared/healing/sweep.ts';
import { requestOperation } from '../../shared/operations.ts';
import {
  findHealing,
  findHeartbeat,
  forgetLoss,
  nothingToHeal,
  rememberLoss,
  rememberNode,
  rememberServer,
} from '../../shared/store/healing.ts';
import { findJumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, findLease, type Lease } from '../../shared/store/leases.ts';
import { secondsAfter } from '../../shared/time.ts';
import { ago, broken, noon, openHealingWorld } from './healingWorld.ts';

interface Machine {
  power: string | undefined;
  agent: string;
  tags?: Record<string, string>;
  provisioningState?: string;
}

let made: Awaited<ReturnType<typeof openHealingWorld>>;
let machines: Record<string, Machine | Error | undefined>;
let health: Record<string, string> | Error;
let probed: string[] | Error;
let listing: Error | undefined;
let looks: string[];
/** How long a look at a jump server takes. Seconds. */
let lookTakes: number;
let closed: { from: string; until: string }[];
let whileClosing: () => Promise<unknown>;

const missing = () => Object.assign(new Error('gone'), { statusCode: 404 });
const fine: Machine = { power: 'running', agent: 'ProvisioningState/succeeded' };

const shown = (node: string, { power, agent, tags = {}, provisioningState = 'Succeeded' }: Machine) => ({
  id: `${made.server.spec.resourceGroup}/${node}`,
  tags,
  provisioningState,
  instanceView: {
    statuses: power === undefined ? [] : [{ code: `PowerState/${power}` }],
    vmAgent: { statuses: [{ code: agent }] },
  },
});

beforeEach(async () => {
  machines = { 'demo-1': fine, 'demo-2': fine };
  health = { availabilityState: 'Available' };
  probed = ['10.20.0.4', '10.20.0.5'];
  listing = undefined;
  looks = [];
  lookTakes = 0;
  closed = [];
  whileClosing = async () => {};
  const azure = {
    compute: {
      virtualMachines: {
        get: async (_: string, node: string) => {
          looks.push(node);
          if (node.endsWith('-1')) made.world.now = secondsAfter(made.world.now, lookTakes);
          const machine = machines[node];
          if (machine === undefined) throw missing();
          if (machine instanceof Error) throw machine;
          return shown(node, machine);
        },
        async *listAll() {
          if (listing !== undefined) throw listing;
          const root = `/subscriptions/${made.deps.config.AZURE_SUBSCRIPTION_ID}/resourceGroups/molcajete-demo`;
          for (const [node, machine] of Object.entries(machines))
            if (machine !== undefined && !(machine instanceof Error))
              yield { ...shown(node, machine), id: `${root}/providers/Microsoft.Compute/virtualMachines/${node}` };
        },
      },
    },
    network: {
      loadBalancerLoadBalancingRules: {
        health: async () => {
          if (probed instanceof Error) throw probed;
          return { loadBalancerBackendAddresses: probed.map((ipAddress) => ({ ipAddress, state: 'Up' })) };
        },
      },
    },
    resources: {
      resources: {
        getById: async () => {
          if (health instanceof Error) throw health;
          return { properties: health };
        },
      },
    },
  };
  const update = {
    set: () => update,
    where: (column: string, operator: string, value: string) => {
      if (operator === '<' && column === 'start_date') closed.push({ from: column, until: value });
      return update;
    },
    execute: async () => {
      await whileClosing();
      return [];
    },
  };
  made = await openHealingWorld({ azure, guacamole: async () => ({ updateTable: () => update }) });
  await made.addresses();
});

const sight = (number: number, change: Partial<NodeSight> = {}): NodeSight => ({
  record: { number, state: 'running', since: ago(7200) },
  name: `demo-${number}`,
  machine: { power: 'running', failed: false },
  voice: { kind: 'silent', since: ago(300) },
  memory: undefined,
  ...change,
});
const well = { voice: { kind: 'well' } } as const;
const closer = async (...nodes: NodeSight[]) =>
  (await lookCloser(made.deps, made.server, nodes, [1])).map(
    ({ record: _, voice: _voice, name: _name, ...seen }) => seen,
  );

describe('a closer look', () => {
  test.each<[string, () => void, object]>([
    ['at a machine whose agent answers', () => undefined, { guestAgent: 'ready', paused: false, platform: false }],
    [
      'at one whose agent does not',
      () => {
        machines['demo-1'] = { ...fine, agent: 'ProvisioningState/Unavailable' };
      },
      { guestAgent: 'notReady' },
    ],
    [
      'at one with the pause tag, in any letter case',
      () => {
        machines['demo-1'] = { ...fine, tags: { 'Molcajete-Pause': 'maintenance' } };
      },
      { paused: true },
    ],
    [
      'at one whose pause tag says false',
      () => {
        machines['demo-1'] = { ...fine, tags: { 'molcajete-pause': 'False' } };
      },
      { paused: false },
    ],
    [
      'at one that is gone',
      () => {
        machines['demo-1'] = undefined;
      },
      { machine: undefined },
    ],
    [
      'at one that was switched off meanwhile',
      () => {
        machines['demo-1'] = { ...fine, power: 'deallocated' };
      },
      { machine: { power: 'deallocated', failed: false } },
    ],
    [
      'at one that Azure is at work on',
      () => {
        machines['demo-1'] = { ...fine, provisioningState: 'Updating' };
      },
      { machine: { power: 'changing', failed: false, called: 'Updating' } },
    ],
    [
      'at one that says in no way whether it runs',
      () => {
        machines['demo-1'] = { ...fine, power: undefined };
      },
      { machine: { power: 'changing', failed: false } },
    ],
    [
      'at one that is being deallocated',
      () => {
        machines['demo-1'] = { ...fine, power: 'deallocating' };
      },
      { machine: { power: 'changing', failed: false, called: 'PowerState/deallocating' } },
    ],
    [
      'at one whose last change was canceled',
      () => {
        machines['demo-1'] = { ...fine, provisioningState: 'Canceled' };
      },
      { machine: { power: 'running', failed: true } },
    ],
    [
      'at one that the platform broke',
      () => {
        health = { availabilityState: 'Unavailable', reasonType: 'Unplanned', occuredTime: ago(60).toISOString() };
      },
      { platform: true },
    ],
  ])('%s', async (_, arrange, wanted) => {
    arrange();
    const [first, second] = await closer(sight(1), sight(2, well));
    expect(first).toMatchObject(wanted);
    expect(first).not.toHaveProperty('probe');
    expect(second).not.toHaveProperty('guestAgent');
    expect(looks).toEqual(['demo-1']);
  });

  test.each<[string, string[] | Error, string | undefined, string | undefined]>([
    ['is told whom it sends users', ['10.20.0.5'], 'down', 'up'],
    ['is not told anything', new Error('busy'), undefined, undefined],
    ['does not exist', missing(), undefined, undefined],
  ])('asks the balancer where no other node works; it %s', async (_, answer, first, second) => {
    probed = answer;
    expect((await closer(sight(1), sight(2))).map(({ probe }) => probe)).toEqual([first, second]);
  });
});

test.each<[string, Record<string, string> | Error, boolean]>([
  ['available', { availabilityState: 'Available', reasonType: 'Unplanned' }, false],
  [
    'broken just now',
    { availabilityState: 'Unavailable', reasonType: 'Unplanned', occuredTime: ago(1799).toISOString() },
    true,
  ],
  [
    'maintained',
    { availabilityState: 'Unavailable', reasonType: 'Planned', occurredTime: ago(60).toISOString() },
    true,
  ],
  [
    'broken for half an hour',
    { availabilityState: 'Unavailable', reasonType: 'Unplanned', occuredTime: ago(1800).toISOString() },
    false,
  ],
  [
    'switched off by a person',
    { availabilityState: 'Unavailable', reasonType: 'UserInitiated', occuredTime: ago(60).toISOString() },
    false,
  ],
  ['not known', { availabilityState: 'Unknown' }, false],
  ['without an answer', new Error('busy'), false],
])('Azure’s platform is %s', async (_, answer, wanted) => {
  health = answer;
  expect(await platformAtFault(made.deps, '/vm')).toBe(wanted);
});

const askForHeal = (jumpServer: string, order: HealOrder) =>
  requestOperation(made.deps, async () => {}, {
    jumpServer,
    kind: 'heal',
    order,
    reason: 'test',
    caller: { objectId: 'anna', name: 'anna', roles: [] },
  });

describe('a heal by hand', () => {
  const ordered = async () => {
    const { nodes, everything } = await orderByHand(made.deps, made.server);
    return { done: nodes.map(({ number, repair }) => `${number} ${repair}`), everything };
  };

  test.each<[string, () => Promise<unknown> | undefined, string[]]>([
    ['looks at everything where all is well', () => undefined, []],
    ['is not patient with a node', () => made.heard(1, { web: broken }), ['1 restartServices']],
    [
      'makes a machine that is gone',
      async () => {
        machines['demo-2'] = undefined;
      },
      ['2 create'],
    ],
    [
      'leaves a node with the pause tag alone',
      async () => {
        machines['demo-1'] = { ...fine, tags: { 'molcajete-pause': 'yes' } };
        await made.heard(1, { web: broken });
      },
      [],
    ],
    [
      'goes on while the breaker is open',
      async () => {
        await rememberServer(made.deps.tables, 'demo', { breakerSince: ago(60) });
        await made.heard(1, { web: broken });
      },
      ['1 restartServices'],
    ],
    [
      'does not look at a node that sleeps',
      async () => {
        await made.nodes('running', 'deallocated');
        machines['demo-2'] = { ...fine, power: 'deallocated' };
      },
      [],
    ],
  ])('%s', async (_, arrange, done) => {
    for (const number of [1, 2]) await made.heard(number);
    await arrange();
    expect(await ordered()).toEqual({ done, everything: true });
  });

  test.each([
    [403, 'AuthorizationFailed', 502, 'AzureRefuses'],
    [429, 'TooManyRequests', 503, 'AzureUnavailable'],
  ])('tells the caller what Azure says to a look at the machines: %i %s', async (statusCode, code, status, told) => {
    machines['demo-1'] = new RestError('no', { statusCode, code });
    await expect(ordered()).rejects.toMatchObject({ status, code: told });
  });

  test('lets healing go on without making a running heal forget what it has sent', async () => {
    const { tables } = made.deps;
    const { operationId } = await askForHeal('demo', { nodes: [], awaits: [], everything: true, evidence: [] });
    await rememberNode(tables, 'demo', { number: 1, repair: 'rebuild', operationId, sentAt: noon });
    await rememberNode(tables, 'demo', { number: 2, repair: 'redeploy', operationId: 'former', sentAt: ago(600) });
    await rememberServer(tables, 'demo', { repairs: [ago(60)], fruitless: [ago(90)], breakerSince: ago(60) });
    await resetBreaker(made.deps, 'demo');
    const { server, nodes } = await findHealing(tables, 'demo');
    expect(nodes).toMatchObject([{ number: 1, repair: 'rebuild', operationId }]);
    expect(server).toMatchObject({ repairs: [], fruitless: [] });
    expect(server.breakerSince).toBeUndefined();
  });
});

describe('the sweep', () => {
  const sweep = async () => {
    await sweepHealing(made.deps, async () => {});
    const { spec, reason } = (await findLease(made.deps.tables, 'demo')) ?? { spec: '{}', reason: '' };
    return { order: JSON.parse(spec) as Partial<NonNullable<HealingDecision['order']>>, reason };
  };

  test('asks for nothing while all is well', async () => {
    for (const number of [1, 2]) await made.heard(number);
    expect(await sweep()).toEqual({ order: {}, reason: '' });
    expect(looks).toEqual([]);
  });

  test('sees a node that has never reported, and remembers that it looked', async () => {
    await made.heard(1);
    machines['demo-2'] = { ...fine, agent: 'none' };
    expect((await sweep()).order.nodes).toEqual([{ number: 2, finding: 'frozen', repair: 'restartMachine' }]);
    const { server } = await findHealing(made.deps.tables, 'demo');
    expect(server).toMatchObject({ lookedAt: noon, repairs: [noon] });
  });

  test.each([
    ['that takes long has not been away', 100, 0],
    ['that was held up at one jump server has been', 151, 90],
  ])('%s', async (_, seconds, quietFor) => {
    const { etag: _etag, ...row } = made.server;
    await putJumpServer(made.deps.tables, { ...row, name: 'second' });
    lookTakes = seconds;
    await sweep();
    expect(made.world.now).toEqual(secondsAfter(noon, 2 * seconds));
    const until = quietFor === 0 ? new Date(0) : secondsAfter(made.world.now, quietFor);
    expect(await findHeartbeat(made.deps.tables)).toEqual({ at: made.world.now, quietUntil: until });
  });

  test('gives a node its grace period after a boot that somebody else began', async () => {
    const sweepAt = async (seconds: number, provisioningState: string) => {
      made.world.now = secondsAfter(noon, seconds);
      machines['demo-2'] = { ...fine, agent: 'none', provisioningState };
      await made.heard(1, {}, -seconds);
      return (await sweep()).order.nodes;
    };
    expect(await sweepAt(0, 'Updating')).toBeUndefined();
    expect(await sweepAt(60, 'Updating')).toBeUndefined();
    expect(await sweepAt(120, 'Succeeded')).toBeUndefined();
    expect(await sweepAt(179, 'Succeeded')).toBeUndefined();
    expect(await sweepAt(181, 'Succeeded')).toMatchObject([{ finding: 'frozen', repair: 'restartMachine' }]);
  });

  const conditions = async () => (await findHealing(made.deps.tables, 'demo')).server.conditions;

  test('says on every jump server that it may not look, and takes that back once it may', async () => {
    for (const number of [1, 2]) await made.heard(number);
    listing = Object.assign(new Error('Pagination failed'), { statusCode: 403, code: 'AuthorizationFailed' });
    await expect(sweep()).rejects.toThrow('Pagination failed');
    expect(await conditions()).toEqual([
      { type: 'AuthorizationFailed', message: expect.stringMatching(/cannot be listed .* Give it the roles/) },
    ]);
    listing = undefined;
    await sweep();
    expect(await conditions()).toEqual([]);
  });

  test('says nothing of a list that fails for once', async () => {
    listing = Object.assign(new Error('busy'), { statusCode: 503, code: 'ServerBusy' });
    await expect(sweep()).rejects.toThrow('busy');
    expect(await conditions()).toEqual([]);
  });

  const blameDatabase = async () => {
    for (const number of [1, 2]) {
      await made.heard(number, { database: broken });
      await rememberNode(made.deps.tables, 'demo', { number, unwellSince: ago(300) });
    }
  };

  test('begins no more than forty heals that nobody asked for, and who waits for room keeps its place', async () => {
    const { tables } = made.deps;
    await blameDatabase();
    await rememberServer(tables, 'demo', { lookedAt: ago(600) });
    const order = { nodes: [], awaits: [], everything: true, evidence: [], countedAt: ago(60).toISOString() };
    const { etag: _, ...row } = made.server;
    const names = Array.from({ length: 40 }, (_, index) => `other${index}`);
    const leases: Lease[] = [];
    for (const name of names) {
      await putJumpServer(tables, { ...row, name });
      leases.push(await askForHeal(name, order));
    }
    expect((await sweep()).order).toEqual({});
    expect((await findHealing(tables, 'demo')).server).toMatchObject({ lookedAt: ago(600), repairs: [] });
    const [first] = leases;
    if (first !== undefined) await changeLease(tables, first, { state: 'finished' });
    await putJumpServer(
      tables,
      { ...row, name: 'other0', state: 'Failed' },
      (await findJumpServer(tables, 'other0'))?.etag,
    );
    expect((await sweep()).order).toMatchObject({ awaits: [1, 2] });
    expect((await findHealing(tables, 'demo')).server).toMatchObject({ lookedAt: noon, repairs: [noon] });
  });

  test('counts no heal that a person asked for among the forty', async () => {
    const order = { nodes: [], awaits: [], everything: true, evidence: [] };
    const byHand = await askForHeal('one', order);
    const byItself = await askForHeal('two', { ...order, countedAt: ago(60).toISOString() });
    const room = (lease: Lease) => roomForHeals([lease], noon);
    expect(room(byHand) - room(byItself)).toBe(1);
  });

  test('sees to databases that no node reaches in turn, too', async () => {
    await blameDatabase();
    const [one] = await observeFleet(made.deps, new Date(0));
    if (one === undefined) throw new Error('There is no sight.');
    const sights = Array.from({ length: 30 }, () => ({ ...one }));
    expect(inTurn(sights)).toEqual(new Set(sights.slice(0, 20)));
  });

  test('looks at twenty at most, those first that have waited longest', async () => {
    await made.heard(1, { web: broken }, 300);
    await made.heard(2);
    const [one] = await observeFleet(made.deps, new Date(0));
    if (one === undefined) throw new Error('There is no sight.');
    expect(decideHealing(one).suspects).toEqual([1]);
    const sights = Array.from({ length: 30 }, (_, index) => {
      const server = { ...nothingToHeal.server, ...(index < 5 ? {} : { lookedAt: ago(60 * (index % 7)) }) };
      return { ...one, memory: { ...nothingToHeal, server } };
    });
    const looked = inTurn(sights);
    expect(looked.size).toBe(20);
    const waited = (at: Date | undefined) =>
      at === undefined ? Number.POSITIVE_INFINITY : noon.getTime() - at.getTime();
    const times = (chosen: boolean) =>
      sights.filter((sight) => looked.has(sight) === chosen).map(({ memory }) => waited(memory.server.lookedAt));
    expect(Math.min(...times(true))).toBeGreaterThanOrEqual(Math.max(...times(false)));
  });
});

describe('sessions that ended with their node', () => {
  const lose = () => rememberLoss(made.deps.tables, 'demo', { number: 1, at: ago(600) });

  describe('while their database does not answer', () => {
    const forgotten: string[] = [];
    beforeEach(async () => {
      forgotten.length = 0;
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      made.deps.guacamole = () => new Promise(() => {});
      made.deps.databases.forget = async (name) => void forgotten.push(name);
      for (const number of [1, 2]) await made.heard(number);
      const { etag: _, ...row } = made.server;
      await putJumpServer(made.deps.tables, { ...row, name: 'second' });
      await lose();
    });
    afterEach(() => void vi.useRealTimers());

    test('keep the sweep from nothing, and are left to a later one after fifteen seconds', async () => {
      const swept = sweepHealing(made.deps, async () => {});
      await vi.waitFor(async () => expect(await findLease(made.deps.tables, 'second')).toBeDefined());
      await vi.advanceTimersByTimeAsync(15_000);
      await swept;
      expect(forgotten).toEqual(['demo']);
      expect((await findHealing(made.deps.tables, 'demo')).server.losses).toHaveLength(1);
    });
  });

  test.each<[string, ('running' | 'draining' | 'deallocated' | 'starting')[], number, number]>([
    ['are closed where no node has any', ['running', 'running'], 0, 1],
    ['are not while a node that drains has some', ['running', 'draining'], 3, 0],
    ['are not while a node that comes up has some', ['running', 'starting'], 3, 0],
    ['are closed beside a node that sleeps', ['running', 'deallocated'], 3, 1],
  ])('%s', async (_, states, served, wanted) => {
    await made.nodes(...states);
    await made.heard(1);
    await made.heard(2, { sessions: { served, relayed: 0 } });
    await lose();
    await closeLostSessions(made.deps, made.server);
    expect(closed).toHaveLength(wanted);
  });

  test('are closed while a node that has none only cannot make its last change', async () => {
    await made.heard(1);
    await made.heard(2, { haproxy: { ...broken, works: true } });
    await lose();
    await closeLostSessions(made.deps, made.server);
    expect(closed).toHaveLength(1);
  });

  test('are left open where a repair that Azure did not take up has taken its loss back', async () => {
    await made.nodes('running');
    await lose();
    await forgetLoss(made.deps.tables, 'demo', { number: 1, at: ago(600) });
    await made.heard(1, { sessions: { served: 3, relayed: 0 } });
    await closeLostSessions(made.deps, made.server);
    expect(closed).toEqual([]);
  });

  test('are remembered of several nodes at once, and forgotten when they are closed', async () => {
    const { tables } = made.deps;
    await Promise.all([1, 2].map((number) => rememberLoss(tables, 'demo', { number, at: ago(600 - number) })));
    expect((await findHealing(tables, 'demo')).server.losses.map(({ number }) => number)).toEqual([1, 2]);
    for (const number of [1, 2]) await made.heard(number);
    whileClosing = () => rememberLoss(tables, 'demo', { number: 1, at: noon });
    await closeLostSessions(made.deps, made.server);
    // One that came in meanwhile is not forgotten with them.
    expect((await findHealing(tables, 'demo')).server.losses).toEqual([{ number: 1, at: noon }]);
  });
});
