import { describe, expect, test } from 'vitest';
import { forEach, forEachAtOnce } from '../../shared/forEach.ts';
import { decideHealing, type HealingDecision } from '../../shared/healing/decision.ts';
import {
  diagnose,
  findings,
  type Machine,
  type NodeSight,
  nextRepair,
  type Sight,
} from '../../shared/healing/findings.ts';
import { surelyOver } from '../../shared/healing/lostSessions.ts';
import { repairs } from '../../shared/healing/repairs.ts';
import { isFleetTroubled, nextBeat } from '../../shared/healing/sweep.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { type HealingMemory, type NodeMemory, nothingToHeal, type ServerMemory } from '../../shared/store/healing.ts';
import type { JumpServer } from '../../shared/store/jumpServers.ts';
import type { Lease } from '../../shared/store/leases.ts';
import type { StoredReport } from '../../shared/store/reports.ts';
import { secondsAfter } from '../../shared/time.ts';
import { specWith } from './sample.ts';

const now = new Date('2026-11-23T12:00:00Z');
const ago = (seconds: number) => secondsAfter(now, -seconds);
const never = new Date(0);

const running: Machine = { power: 'running', failed: false };
const well: NodeSight['voice'] = { kind: 'well' };
const silent = (seconds: number): NodeSight['voice'] => ({ kind: 'silent', since: ago(seconds) });
const unwell = (seconds: number, ...parts: string[]): NodeSight['voice'] => ({
  kind: 'unwell',
  parts,
  detail: `${parts.join(', ')}: broken`,
  since: ago(seconds),
});

const node = (number: number, change: Partial<NodeSight> = {}): NodeSight => ({
  record: { number, state: 'running', since: ago(7200) },
  name: `demo-${number}`,
  machine: running,
  voice: well,
  memory: undefined,
  ...change,
});

const server = (healing: object = {}, state: JumpServer['state'] = 'Ready'): JumpServer => ({
  name: 'demo',
  spec: specWith({ healing }),
  state,
  createdAt: ago(86_400),
  lastOperation: 'op',
  etag: '',
});

const memory = (change: Partial<ServerMemory> = {}, nodes: NodeMemory[] = []): HealingMemory => ({
  server: { ...nothingToHeal.server, ...change },
  nodes,
});

const sight = (change: Partial<Sight> = {}): Sight => ({
  server: server(),
  nodes: [node(1), node(2)],
  drift: [],
  memory: memory(),
  lease: undefined,
  quietUntil: never,
  fleetTroubled: false,
  byHand: false,
  now,
  ...change,
});

const done = ({ order }: HealingDecision) => order?.nodes.map(({ number, repair }) => `${number} ${repair}`);
const said = ({ conditions }: HealingDecision) => conditions.map(({ type }) => type);
const frozen = { voice: silent(300), guestAgent: 'notReady', probe: 'down' } as const;

/** What is seen of a node, the finding, and its first repair. */
const observations: [string, Partial<NodeSight>, string | undefined, string | undefined][] = [
  ['all is well', {}, undefined, undefined],
  ['there is no machine', { machine: undefined }, 'machineMissing', 'create'],
  [
    'its last change failed',
    { machine: { ...running, failed: true }, voice: silent(1) },
    'provisioningFailed',
    'reapply',
  ],
  ['its last change failed, and it works', { machine: { ...running, failed: true } }, undefined, undefined],
  ['it is stopped', { machine: { power: 'stopped', failed: false } }, 'stopped', 'start'],
  ['it was deallocated by hand', { machine: { power: 'deallocated', failed: false } }, 'deallocated', 'start'],
  ['Azure works on it', { machine: { power: 'changing', failed: false }, voice: silent(9e3) }, undefined, undefined],
  ['its agent is gone', { voice: silent(300), guestAgent: 'ready' }, 'agentGone', 'restartAgent'],
  ['it is frozen', frozen, 'frozen', 'restartMachine'],
  ['it says that it is unwell', { voice: unwell(300, 'web') }, 'unwell', 'restartServices'],
  ['only its probe fails', { probe: 'down', probeDownSince: ago(300) }, 'probeFails', 'restartServices'],
  [
    'its probe fails, and Azure’s agent in it is not ready, though its last report was well',
    { probe: 'down', probeDownSince: ago(300), guestAgent: 'notReady' },
    'frozen',
    'restartMachine',
  ],
  [
    'Azure’s agent in it is not ready, and its probe succeeds',
    { probe: 'up', guestAgent: 'notReady' },
    undefined,
    undefined,
  ],
];

describe('what is observed of a node leads to a finding and its first repair', () => {
  test.each(observations)('%s', (_, change, finding, repair) => {
    const row = diagnose(node(1, change));
    expect(row?.finding).toBe(finding);
    if (row !== undefined) expect(nextRepair(row, undefined, false)).toBe(repair);
  });

  test('every finding is reached by a row above, and no repair is beyond the known ones', () => {
    const reached = observations.flatMap(([, , finding]) => finding ?? []);
    expect(new Set(reached)).toEqual(new Set(findings.map(({ finding }) => finding)));
    expect(findings).toHaveLength(new Set(findings.map(({ finding }) => finding)).size);
    for (const row of findings) for (const repair of row.repairs) expect(repairs).toContain(repair);
  });
});

test.each([
  ['unwell', undefined, 'in vain', 'restartServices'],
  ['unwell', 'restartServices', 'in vain', 'restartMachine'],
  ['unwell', 'restartMachine', 'in vain', 'redeploy'],
  ['unwell', 'redeploy', 'in vain', 'rebuild'],
  ['unwell', 'rebuild', 'in vain', 'rebuild'],
  // What was learned about a node counts for its next trouble too, until it has been well for long.
  ['frozen', 'restartServices', 'in vain', 'restartMachine'],
  ['frozen', 'restartMachine', 'in vain', 'redeploy'],
  ['frozen', 'restartMachine', 'for a while', 'redeploy'],
  ['frozen', 'rebuild', 'for a while', 'restartMachine'],
  ['agentGone', 'restartAgent', 'in vain', 'restartMachine'],
  ['agentGone', 'restartMachine', 'in vain', 'redeploy'],
  ['agentGone', 'restartMachine', 'for a while', 'restartAgent'],
  ['agentGone', 'restartServices', 'in vain', 'restartAgent'],
  ['machineMissing', 'rebuild', 'in vain', 'create'],
  ['deallocated', 'redeploy', 'in vain', 'start'],
  ['deallocated', 'start', 'in vain', 'rebuild'],
  ['deallocated', 'start', 'for a while', 'start'],
] as const)('%s after %s %s leads to %s', (finding, tried, outcome, repair) => {
  const row = findings.find((one) => one.finding === finding);
  expect(row && nextRepair(row, tried, outcome === 'for a while')).toBe(repair);
});

describe('what is done', () => {
  test.each<[string, Partial<Sight>, string[] | undefined]>([
    ['nothing while all is well', {}, undefined],
    ['a missing machine is made at once', { nodes: [node(1, { machine: undefined }), node(2)] }, ['1 create']],
    [
      'all missing and stopped machines together: that ends nobody',
      { nodes: [node(1, { machine: undefined }), node(2, { machine: { power: 'stopped', failed: false } })] },
      ['1 create', '2 start'],
    ],
    [
      'a silent node gets the grace period',
      { nodes: [node(1, { ...frozen, voice: silent(119) }), node(2)] },
      undefined,
    ],
    [
      'after it, it is repaired',
      { nodes: [node(1, { ...frozen, voice: silent(121) }), node(2)] },
      ['1 restartMachine'],
    ],
    [
      'so is one that says that it is unwell',
      { nodes: [node(1, { voice: unwell(121, 'guacd') }), node(2)] },
      ['1 restartServices'],
    ],
    ['a newly unwell one is not', { nodes: [node(1, { voice: unwell(60, 'guacd') }), node(2)] }, undefined],
    ['one node at a time', { nodes: [node(1, frozen), node(2, frozen)] }, ['1 restartMachine']],
    [
      'the next repair is stronger',
      { nodes: [node(1, { ...frozen, memory: { number: 1, repair: 'restartMachine' } }), node(2)] },
      ['1 redeploy'],
    ],
    ['a single frozen node that serves nobody is repaired', { nodes: [node(1, frozen)] }, ['1 restartMachine']],
    [
      'a single node that calls itself broken is repaired when the balancer sends it nobody',
      { nodes: [node(1, { voice: unwell(300, 'web'), probe: 'down' })] },
      ['1 restartServices'],
    ],
    ['nothing while another operation runs', { nodes: [node(1, frozen), node(2)], lease: leaseOf({}) }, undefined],
    [
      'an operation that only waits gives way',
      { nodes: [node(1, frozen), node(2)], lease: leaseOf({ yields: true }) },
      ['1 restartMachine'],
    ],
    [
      'nothing where healing is switched off',
      { nodes: [node(1, frozen), node(2)], server: server({ enabled: false }) },
      undefined,
    ],
    [
      'but by hand',
      { nodes: [node(1, frozen), node(2)], server: server({ enabled: false }), byHand: true },
      ['1 restartMachine'],
    ],
    [
      'by hand without patience',
      { nodes: [node(1, { voice: unwell(1, 'web') }), node(2)], byHand: true },
      ['1 restartServices'],
    ],
    [
      'nothing for what is being made',
      { nodes: [node(1, frozen), node(2)], server: server({}, 'Provisioning') },
      undefined,
    ],
    ['nothing for what hibernates', { nodes: [], server: server({}, 'Hibernated') }, undefined],
    [
      'nothing just after the control plane was away',
      { nodes: [node(1, frozen), node(2)], quietUntil: secondsAfter(now, 5) },
      undefined,
    ],
    [
      'but what Azure itself calls missing',
      { nodes: [node(1, { machine: undefined })], quietUntil: secondsAfter(now, 5) },
      ['1 create'],
    ],
    [
      'another grace period in the spec',
      { nodes: [node(1, { ...frozen, voice: silent(20) }), node(2)], server: server({ gracePeriod: 'PT10S' }) },
      ['1 restartMachine'],
    ],
    [
      'a pause after a repair that did not help',
      { nodes: [node(1, frozen), node(2)], memory: failedBefore([60]) },
      undefined,
    ],
    [
      'a pause after one by hand that failed, too, though it is not counted',
      { nodes: [node(1, frozen), node(2)], memory: failedByHand(119) },
      undefined,
    ],
    [
      'none for longer than that',
      { nodes: [node(1, frozen), node(2)], memory: failedByHand(121) },
      ['1 restartMachine'],
    ],
    [
      'the next one after the pause',
      { nodes: [node(1, frozen), node(2)], memory: failedBefore([121]) },
      ['1 restartMachine'],
    ],
    ['a longer pause after two', { nodes: [node(1, frozen), node(2)], memory: failedBefore([200, 400]) }, undefined],
    [
      'no longer pause for repairs from before the last success',
      { nodes: [node(1, frozen), node(2)], memory: failedBefore([200, 400], ago(300)) },
      ['1 restartMachine'],
    ],
    [
      'patience with a node that has not noticed yet that something was mended',
      { nodes: [node(1, { voice: unwell(300, 'database') }), node(2)], memory: memory({ healedAt: ago(60) }) },
      undefined,
    ],
    [
      'no pause after a repair that helped',
      { nodes: [node(1, frozen), node(2)], memory: memory({ repairs: [ago(60)] }) },
      ['1 restartMachine'],
    ],
  ])('%s', (_, change, wanted) => {
    expect(done(decideHealing(sight(change)))).toEqual(wanted);
  });

  test('drift is put right without touching a node', () => {
    const { order } = decideHealing(sight({ drift: ['loadBalancer differs from what the spec says'] }));
    expect(order).toMatchObject({
      nodes: [],
      everything: true,
      evidence: ['loadBalancer differs from what the spec says'],
    });
  });

  describe('a database that no node reaches', () => {
    const blaming = (...seconds: number[]) =>
      seconds.map((since, index) => node(index + 1, { voice: unwell(since, 'web', 'database') }));

    test('is looked at after the grace period, and no node is repaired for it', () => {
      expect(decideHealing(sight({ nodes: blaming(121, 300) })).order).toMatchObject({ nodes: [], awaits: [1, 2] });
    });

    test.each<[string, Partial<Sight>]>([
      ['before the last node has missed it for the grace period', { nodes: blaming(300, 60) }],
      ['just after something was mended', { memory: memory({ healedAt: ago(60) }) }],
      ['just after the control plane was away', { quietUntil: secondsAfter(now, 5) }],
    ])('is not looked at %s, and neither is a node, but by hand', (_, change) => {
      const seen = sight({ nodes: blaming(300, 300), ...change });
      expect(decideHealing(seen)).toMatchObject({ suspects: [], conditions: [] });
      expect(decideHealing(seen).order).toBeUndefined();
      expect(decideHealing({ ...seen, byHand: true }).order).toMatchObject({ nodes: [], awaits: [1, 2] });
    });

    test('is not looked at while much of the fleet is in trouble, which is said once', () => {
      const decision = decideHealing(sight({ nodes: blaming(300, 300), fleetTroubled: true }));
      expect(decision.order).toBeUndefined();
      expect(decision.conditions).toEqual([
        { type: 'HealingPaused', message: expect.stringMatching(/^No node reaches the database .* many jump servers/) },
      ]);
    });

    test('by one node alone is not that node’s trouble while much of the fleet is in trouble', () => {
      const [first] = blaming(300);
      expect(said(decideHealing(sight({ nodes: [first ?? node(1), node(2)], fleetTroubled: true })))).toEqual([
        'HealingPaused',
      ]);
    });
  });

  test('a database that only one node does not reach is that node’s trouble', () => {
    const nodes = [node(1, { voice: unwell(300, 'database') }), node(2)];
    expect(done(decideHealing(sight({ nodes })))).toEqual(['1 restartServices']);
  });

  test('nodes are repaired when the database was looked at and they still do not reach it', () => {
    const voice = unwell(300, 'database');
    const nodes = [node(1, { voice, probe: 'up' }), node(2, { voice, probe: 'up' })];
    const failure = [{ type: 'NodesStillUnwell', message: '' }];
    expect(done(decideHealing(sight({ nodes, memory: memory({ failure }) })))).toEqual(['1 restartServices']);
  });
});

describe('what is left alone is said', () => {
  test.each<[string, Partial<Sight>, string]>([
    ['a node with the pause tag', { nodes: [node(1, { ...frozen, paused: true }), node(2)] }, 'HealingPaused'],
    [
      'a node that Azure’s platform broke',
      { nodes: [node(1, { ...frozen, platform: true }), node(2)] },
      'PlatformAtFault',
    ],
    ['silence of much of the fleet', { nodes: [node(1, frozen), node(2)], fleetTroubled: true }, 'HealingPaused'],
    ['the last node that serves users', { nodes: [node(1, { ...frozen, probe: 'up' }), node(2, frozen)] }, 'LastNode'],
    [
      'the last one of which the balancer says nothing',
      { nodes: [node(1, { voice: silent(300), guestAgent: 'notReady' })] },
      'LastNode',
    ],
    [
      'the only one, which calls itself unwell while the balancer sends it users',
      { nodes: [node(1, { voice: unwell(300, 'guacd'), probe: 'up' })] },
      'LastNode',
    ],
    [
      'the only one, which calls itself unwell and of which the balancer says nothing',
      { nodes: [node(1, { voice: unwell(300, 'guacd'), guestAgent: 'ready' })] },
      'LastNode',
    ],
    [
      'a part that no node has',
      {
        nodes: [node(1, { voice: unwell(300, 'web'), probe: 'down' }), node(2, { voice: unwell(300, 'web', 'guacd') })],
      },
      'CommonTrouble',
    ],
    [
      'nodes that work, and none of which the probe reaches',
      { nodes: [1, 2].map((number) => node(number, { probe: 'down', probeDownSince: ago(300) })) },
      'CommonTrouble',
    ],
    [
      'a node that cannot make its last change',
      { nodes: [node(1, { voice: { kind: 'well', stuck: 'haproxy: refused' } })] },
      'ChangeNotApplied',
    ],
  ])('%s', (_, change, condition) => {
    const decision = decideHealing(sight(change));
    expect(said(decision)).toContain(condition);
    expect(done(decision) ?? []).not.toContain('1 restartMachine');
  });

  const changing = (seconds: number, called?: string): Partial<NodeSight> => ({
    machine: { power: 'changing', failed: false, ...(called === undefined ? {} : { called }) },
    voice: silent(seconds),
  });

  test('a machine that Azure does not finish with is said after half an hour, with what Azure calls it', () => {
    const nodes = [
      node(1, changing(1801, 'Updating')),
      node(2, changing(1801)),
      node(3, { ...changing(0, 'Updating'), voice: unwell(1801, 'web') }),
      node(4, changing(1799, 'Updating')),
      node(5, { ...changing(0, 'Updating'), voice: well }),
    ];
    const decision = decideHealing(sight({ nodes }));
    expect(decision).toMatchObject({ suspects: [] });
    expect(decision.order).toBeUndefined();
    expect(decision.conditions).toEqual([
      { type: 'MachineChanging', message: expect.stringMatching(/^demo-1, demo-3: .* Azure calls it 'Updating'/) },
      { type: 'MachineChanging', message: expect.stringMatching(/^demo-2: .* Azure does not say whether it runs/) },
    ]);
  });

  test('what was said of it before an operation began goes on being said', () => {
    const nodes = [node(1, changing(1801, 'Updating'))];
    const { conditions } = decideHealing(sight({ nodes }));
    const before = memory({ conditions });
    expect(decideHealing(sight({ nodes, memory: before, lease: leaseOf({ kind: 'scale' }) })).conditions).toEqual(
      conditions,
    );
    expect(
      decideHealing(sight({ nodes: [node(1)], memory: before, lease: leaseOf({ kind: 'scale' }) })).conditions,
    ).toEqual([]);
  });

  test.each<[string, Partial<Sight>]>([
    ['an operation is at work', { lease: leaseOf({ kind: 'heal' }) }],
    ['the control plane was away just before', { quietUntil: secondsAfter(now, 5) }],
  ])('nothing of it while %s', (_, change) => {
    expect(said(decideHealing(sight({ nodes: [node(1, changing(1801, 'Updating'))], ...change })))).toEqual([]);
  });

  describe('while nodes are not looked at more closely', () => {
    const inVain = { repairs: [ago(60)], failure: [{ type: 'NodeNotHealed', message: '' }] };
    const unlooked = { voice: silent(300) };
    const times: [string, Partial<Sight>, Partial<ServerMemory>][] = [
      ['an operation runs', { lease: leaseOf({ kind: 'heal' }) }, {}],
      ['a pause is on', {}, inVain],
    ];

    test.each(times)('none is called the last one: %s', (_, change, remembered) => {
      const nodes = [node(1, unlooked), node(2, unlooked)];
      expect(said(decideHealing(sight({ nodes, ...change, memory: memory(remembered) })))).toEqual([]);
    });

    test.each(times)('what was said of those that are still found stays: %s', (_, change, remembered) => {
      const looked = [
        node(1, { ...frozen, paused: true }),
        node(2, { ...frozen, platform: true }),
        node(3, { ...frozen, platform: true }),
        node(12),
      ];
      const { conditions } = decideHealing(sight({ nodes: looked }));
      expect(conditions).toHaveLength(2);
      const nodes = [node(1), node(2), node(3, unlooked), node(12)];
      const later = decideHealing(sight({ nodes, ...change, memory: memory({ ...remembered, conditions }) }));
      expect(later).toMatchObject({ suspects: [], conditions: conditions.slice(1) });
    });
  });

  test('a hundred nodes that are left alone for the same reason are one condition, with the first names', () => {
    const detail = 'x'.repeat(500);
    const voice = { kind: 'unwell', parts: ['web'], detail, since: ago(300) } as const;
    const nodes = Array.from({ length: 100 }, (_, index) => node(index + 1, { voice, paused: true }));
    const silentOnes = Array.from({ length: 100 }, (_, index) => node(index + 101, { ...frozen, paused: true }));
    const { conditions } = decideHealing(sight({ nodes: [...silentOnes, ...nodes, node(300)] }));
    expect(conditions).toEqual([
      {
        type: 'HealingPaused',
        message: expect.stringMatching(
          /^demo-101 does not answer[^;]*; likewise demo-102, demo-103, demo-104, demo-105, demo-106 and 194 more\. Its/,
        ),
      },
    ]);
  });

  test('a common trouble is said once, after the grace period, and is repaired by hand all the same', () => {
    const broken = (seconds: number) => [1, 2].map((number) => node(number, { voice: unwell(seconds, 'web') }));
    expect(decideHealing(sight({ nodes: broken(60) }))).toMatchObject({ conditions: [], suspects: [] });
    expect(said(decideHealing(sight({ nodes: broken(300) })))).toEqual(['CommonTrouble']);
    const down = broken(300).map((one) => ({ ...one, probe: 'down' as const }));
    expect(done(decideHealing(sight({ nodes: down, byHand: true })))).toEqual(['1 restartServices']);
  });

  test('with a node that says nothing the others have their trouble in common, and it has its own', () => {
    const nodes = [
      node(1, { voice: unwell(300, 'web') }),
      node(2, { voice: unwell(300, 'web') }),
      node(3, frozen),
      node(4, { voice: { kind: 'well', stuck: 'database: secret node-database' } }),
    ];
    expect(done(decideHealing(sight({ nodes: nodes.slice(0, 3) })))).toEqual(['3 restartMachine']);
    expect(done(decideHealing(sight({ nodes })))).toEqual(['1 restartServices']);
  });

  test('its agent may be restarted all the same: no session notices', () => {
    const nodes = [node(1, { voice: silent(300), guestAgent: 'ready', probe: 'up' })];
    expect(done(decideHealing(sight({ nodes })))).toEqual(['1 restartAgent']);
  });
});

describe('the circuit breaker', () => {
  const nodes = [node(1, frozen), node(2)];
  const repaired = (...seconds: number[]) => memory({ repairs: seconds.map(ago) });

  test('opens after maxRepairsPerHour repairs within an hour, and says how it is closed', () => {
    const decision = decideHealing(
      sight({ nodes, server: server({ maxRepairsPerHour: 2 }), memory: repaired(3000, 600) }),
    );
    expect(decision).toMatchObject({ opensBreaker: true });
    expect(decision.order).toBeUndefined();
    expect(decision.conditions[0]?.message).toContain('POST /jump-servers/demo/heal with {"resetBreaker": true}');
  });

  test('counts only the last hour', () => {
    const decision = decideHealing(
      sight({ nodes, server: server({ maxRepairsPerHour: 2 }), memory: repaired(3601, 600) }),
    );
    expect(done(decision)).toEqual(['1 restartMachine']);
  });

  test('stays open whatever is found, and does not open while nothing is', () => {
    const open = memory({ breakerSince: ago(86_400) });
    expect(decideHealing(sight({ nodes, memory: open }))).toMatchObject({ conditions: [{ type: 'HealingStopped' }] });
    expect(decideHealing(sight({ nodes, memory: open })).order).toBeUndefined();
    expect(decideHealing(sight({ server: server({ maxRepairsPerHour: 1 }), memory: repaired(60) }))).toMatchObject({
      opensBreaker: false,
      conditions: [],
    });
  });

  test('does not stop a person', () => {
    expect(done(decideHealing(sight({ nodes, memory: memory({ breakerSince: ago(60) }), byHand: true })))).toEqual([
      '1 restartMachine',
    ]);
  });
});

test('a node that has been well for five grace periods begins anew with its next trouble', () => {
  const after = (seconds: number) => {
    const own: NodeMemory = { number: 1, repair: 'redeploy', settledAt: ago(seconds) };
    return decideHealing(sight({ nodes: [node(1, { memory: own }), node(2)] })).recovered;
  };
  expect(after(599)).toEqual([]);
  expect(after(601)).toEqual([1]);
});

test('what an operation that runs has noted of a node is not forgotten', () => {
  const own: NodeMemory = { number: 1, repair: 'redeploy', operationId: 'op', sentAt: ago(700) };
  const nodes = [node(1, { memory: own }), node(2)];
  expect(decideHealing(sight({ nodes, lease: leaseOf({ kind: 'heal' }) })).recovered).toEqual([]);
  expect(decideHealing(sight({ nodes })).recovered).toEqual([1]);
});

test('those that are asked at once are so many at most, and all are asked', async () => {
  const asked: number[] = [];
  let [now, most] = [0, 0];
  const work = async (one: number) => {
    most = Math.max(most, ++now);
    await Promise.resolve();
    now--;
    asked.push(one);
    if (one === 3) throw new Error('away');
  };
  await expect(forEachAtOnce([1, 2, 3, 4, 5], work, 2)).rejects.toThrow('1 of 5 could not be looked at.');
  expect([asked, most]).toEqual([[1, 2, 3, 4, 5], 2]);
});

test('what fails for one jump server keeps no other waiting, and is not hushed up', async () => {
  const seen: number[] = [];
  const work = async (one: number) => {
    if (one === 2) throw new Error('throttled');
    seen.push(one);
  };
  await expect(forEach([1, 2, 3], work)).rejects.toThrow('1 of 3 could not be looked at.');
  expect(seen).toEqual([1, 3]);
});

describe('our own trouble', () => {
  const fleetOf = (servers: number, silentNodes: number) =>
    Array.from({ length: servers }, (_, index) =>
      [1, 2].map((number) => node(number, index * 2 + number <= silentNodes ? frozen : {})),
    );

  const noDatabase = (number: number) => node(number, { voice: unwell(300, 'database') });

  const fewOfMany = [
    Array.from({ length: 100 }, (_, index) => node(index + 1, index < 3 ? frozen : {})),
    [1, 2].map((number) => node(number, frozen)),
  ];

  test.each<[string, NodeSight[][], boolean]>([
    ['a silent node of many is its own trouble', fleetOf(10, 1), false],
    ['three of six too', fleetOf(3, 3), false],
    ['four of eight are ours', fleetOf(4, 4), true],
    ['four of a hundred are theirs', fleetOf(50, 4), false],
    [
      'four of eight that do not reach their databases are ours, too',
      fleetOf(4, 4).map((nodes) =>
        nodes.map((one) => (one.voice.kind === 'silent' ? noDatabase(one.record.number) : one)),
      ),
      true,
    ],
    [
      'all nodes of one jump server of two have a trouble of their own',
      [[1, 2, 3, 4].map(noDatabase), [node(1)]],
      false,
    ],
    [
      'a lost database stops no repair of a jump server beside it',
      [[1, 2, 3, 4].map(noDatabase), [node(1, frozen), node(2)], [1, 2, 3].map((number) => node(number))],
      false,
    ],
    ['five of a hundred and two are theirs', fewOfMany, false],
    ['in whatever order', fewOfMany.toReversed(), false],
    ['two of two in each of two are ours', [1, 2].map(() => [1, 2].map((number) => node(number, frozen))), true],
    ['one jump server cannot tell', [Array.from({ length: 8 }, (_, index) => node(index + 1, frozen))], false],
    [
      'machines that are off are silent for a good reason',
      [[1, 2, 3, 4].map((number) => node(number, { voice: silent(300), machine: undefined })), [node(1)]],
      false,
    ],
  ])('%s', (_, fleets, expected) => {
    expect(isFleetTroubled(fleets)).toBe(expected);
  });

  test('the sweep only watches for a while after it has not run, and not for being new', () => {
    expect(nextBeat(undefined, now)).toEqual({ at: now, quietUntil: never });
    expect(nextBeat({ at: ago(60), quietUntil: never }, now)).toEqual({ at: now, quietUntil: never });
    expect(nextBeat({ at: ago(151), quietUntil: never }, now).quietUntil).toEqual(secondsAfter(now, 90));
    const quietUntil = secondsAfter(now, 30);
    expect(nextBeat({ at: ago(60), quietUntil }, now).quietUntil).toEqual(quietUntil);
  });
});

describe('sessions that ended with their node', () => {
  const healthy = { healthy: true };
  const report = (served: number, seconds: number): StoredReport => ({
    node: 'x',
    receivedAt: ago(seconds),
    report: {
      haproxy: healthy,
      web: healthy,
      guacd: healthy,
      database: healthy,
      sessions: { served, relayed: 0 },
    } as NodeReport,
  });
  const loss = (number: number, seconds: number) => ({ number, at: ago(seconds) });

  test.each<[string, [number, StoredReport][], { number: number; at: Date }[], Date | undefined]>([
    [
      'cannot be told from others while some are open',
      [
        [1, report(0, 5)],
        [2, report(3, 5)],
      ],
      [loss(1, 500)],
      undefined,
    ],
    [
      'are all that are open when no node serves any',
      [
        [1, report(0, 5)],
        [2, report(0, 20)],
      ],
      [loss(1, 500)],
      ago(50),
    ],
    [
      'are all from before the first loss when every node has lost its own',
      [
        [1, report(2, 5)],
        [2, report(3, 5)],
      ],
      [loss(1, 500), loss(2, 300)],
      ago(500),
    ],
    ['cannot be told while a node says nothing', [[1, report(0, 5)]], [loss(1, 500)], undefined],
  ])('%s', (_, reports, losses, until) => {
    expect(surelyOver([1, 2], new Map(reports), losses, now)).toEqual(until);
  });
});

function failedBefore(seconds: number[], healedAt: Date = never): HealingMemory {
  const failure = [{ type: 'NodeNotHealed', message: '' }];
  return memory({ repairs: seconds.map(ago).reverse(), failure, healedAt });
}

function failedByHand(seconds: number): HealingMemory {
  return memory({ failure: [{ type: 'HealCanceled', message: '' }], failedAt: ago(seconds) });
}

function leaseOf(change: Partial<Lease>): Lease {
  return {
    jumpServer: 'demo',
    operationId: 'op',
    kind: 'provision',
    state: 'running',
    fence: 1,
    deadline: secondsAfter(now, 300),
    requestedAt: ago(60),
    requestedBy: { objectId: 'x', name: 'x' },
    spec: '',
    reason: '',
    yields: false,
    cancelRequested: false,
    ...change,
  };
}
