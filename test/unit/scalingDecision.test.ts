import { expect, test } from 'vitest';
import type { NodeReport } from '../../shared/node/report.ts';
import { decideScaling, type ScalingMinute } from '../../shared/scaling/decision.ts';
import { provisionChanges } from '../../shared/scaling/provisionFleet.ts';
import { whyNotYet } from '../../shared/scaling/rest.ts';
import { basisOf } from '../../shared/scaling/timetable.ts';
import type { JumpServer, JumpServerState } from '../../shared/store/jumpServers.ts';
import type { Lease } from '../../shared/store/leases.ts';
import type { NodeRecord, NodeState } from '../../shared/store/nodes.ts';
import { secondsAfter } from '../../shared/time.ts';
import { specWith } from './sample.ts';

const now = new Date('2026-11-23T12:00:00Z');
const ago = (seconds: number) => secondsAfter(now, -seconds);
const fleet = (...states: NodeState[]): NodeRecord[] =>
  states.map((state, index) => ({ number: index + 1, state, since: ago(3600) }));

const server = (state: JumpServerState, scaling: object = {}): JumpServer => ({
  name: 'demo',
  spec: specWith({ scaling }),
  state,
  createdAt: ago(86_400),
  lastOperation: 'op',
  etag: '',
});

const lease = (change: Partial<Lease>): Lease => ({
  jumpServer: 'demo',
  operationId: 'op',
  kind: 'scale',
  state: 'finished',
  fence: 1,
  deadline: secondsAfter(now, 300),
  requestedAt: ago(60),
  requestedBy: { objectId: 'x', name: 'x' },
  spec: JSON.stringify({ count: 2 }),
  reason: '',
  yields: false,
  cancelRequested: false,
  ...change,
});

const minute = (change: Partial<ScalingMinute>): ScalingMinute => ({
  server: server('Ready'),
  nodes: fleet('running', 'running'),
  memory: { needs: [] },
  lease: undefined,
  openSessions: 0,
  now,
  ...change,
});
const rotating: NodeRecord = { number: 1, state: 'draining', since: ago(3600), rotates: true };
const second = (node: NodeRecord): NodeRecord => ({ ...node, number: 2 });
const asleep = { server: server('Hibernated', { overrides: [] }), nodes: fleet('deallocated', 'deallocated') };
const byHand = (count: number) => {
  const { scaling, web } = server('Ready').spec;
  return {
    needs: [],
    byHand: { count, from: ago(600), until: undefined, by: 'anna', basis: basisOf(scaling, web.count) },
  };
};

test.each<[string, Partial<ScalingMinute>, number | undefined]>([
  ['nothing where the plan is met', {}, undefined],
  ['one more where one is missing', { nodes: fleet('running', 'deallocated') }, 2],
  ['fewer where there are too many', { nodes: fleet('running', 'running', 'running') }, 2],
  ['nothing while it is being provisioned', { server: server('Provisioning'), nodes: [] }, undefined],
  ['nothing for what has failed', { server: server('Failed'), nodes: fleet('running') }, undefined],
  ['nothing while an operation runs', { nodes: fleet('running'), lease: lease({ state: 'running' }) }, undefined],
  [
    'another count over an operation that only waits',
    { nodes: fleet('running', 'draining'), lease: lease({ state: 'running', yields: true, spec: '{"count":1}' }) },
    2,
  ],
  [
    'nothing over an operation that waits for the same count',
    { nodes: fleet('running', 'running', 'draining'), lease: lease({ state: 'running', yields: true }) },
    undefined,
  ],
  [
    'what the morning wants over nodes that still drain for the night',
    { nodes: fleet('draining', 'draining'), lease: lease({ state: 'running', yields: true, spec: '{"count":0}' }) },
    2,
  ],
  [
    'nothing over nodes that drain for the night',
    {
      nodes: fleet('draining', 'draining'),
      lease: lease({ state: 'running', yields: true, spec: '{"count":0}' }),
      memory: byHand(0),
    },
    undefined,
  ],
  ['nothing while a node drains to be rotated', { nodes: [rotating, ...fleet('running').map(second)] }, undefined],
  [
    'such a node back when the rotation has ended without',
    { nodes: [rotating, ...fleet('running').map(second)], lease: lease({ kind: 'rotate', spec: '{}' }) },
    2,
  ],
  [
    'another count over a rotation that waits for sessions',
    {
      nodes: [rotating, ...fleet('running').map(second)],
      lease: lease({ kind: 'rotate', state: 'running', yields: true, spec: '{}' }),
      memory: byHand(1),
    },
    1,
  ],
  ['what was interrupted', { nodes: fleet('running', 'running', 'draining') }, 2],
  [
    'nothing soon after the end of the same attempt, however long it took',
    { nodes: fleet('running'), lease: lease({ requestedAt: ago(3600), deadline: ago(599) }) },
    undefined,
  ],
  [
    'the same attempt again after a pause',
    { nodes: fleet('running'), lease: lease({ requestedAt: ago(3600), deadline: ago(600) }) },
    2,
  ],
  ['another count at once', { nodes: fleet('running'), lease: lease({ spec: '{"count":1}' }) }, 2],
  ['after a provision at once', { nodes: fleet('running'), lease: lease({ kind: 'provision', spec: '{}' }) }, 2],
  ['zero by hand', { memory: byHand(0) }, 0],
  ['the way back from zero', asleep, 2],
  [
    'nothing while it sleeps',
    { ...asleep, memory: { ...byHand(0), checkDatabaseAt: secondsAfter(now, 60) } },
    undefined,
  ],
  ['a look at the database after 30 days', { ...asleep, memory: { ...byHand(0), checkDatabaseAt: ago(1) } }, 0],
  ['a stop of the database that was missed', { ...asleep, memory: byHand(0) }, 0],
  ['zero again where only the nodes sleep', { ...asleep, server: server('Ready'), memory: byHand(0) }, 0],
])('a minute asks for %s', (_, change, count) => expect(decideScaling(minute(change)).order?.count).toBe(count));

test('a minute remembers what open sessions need, and only what has changed', () => {
  const busy = { server: server('Ready', { max: 5, sessionsPerNode: 10 }), openSessions: 35 };
  const needs = [{ at: now, nodes: 4 }];
  expect(decideScaling(minute(busy))).toMatchObject({ order: { count: 4 }, needs });
  expect(decideScaling(minute({ ...busy, openSessions: 0, memory: { needs } }))).not.toHaveProperty('needs');
});

const draining: NodeRecord = {
  number: 2,
  state: 'draining',
  since: ago(60),
  drainUntil: secondsAfter(now, 60),
  drainingSince: ago(30),
};
const heard = (served: number, relayed: number, change: { at?: Date; draining?: boolean } = {}) => ({
  node: 'demo-2',
  receivedAt: change.at ?? ago(5),
  report: { sessions: { served, relayed }, draining: change.draining ?? true } as NodeReport,
});

test.each<[string, Parameters<typeof whyNotYet>, RegExp | undefined]>([
  ['waits for a session that it serves', [draining, heard(1, 0), now, true], /1 sessions served/],
  ['waits for a session that it passes on', [draining, heard(0, 2), now, true], /2 relayed/],
  ['goes when it is idle', [draining, heard(0, 0), now, true], undefined],
  ['goes at its deadline whatever is open', [{ ...draining, drainUntil: now }, heard(9, 9), now, true], undefined],
  [
    'lets the balancer notice even past its deadline',
    [{ ...draining, drainUntil: ago(1), drainingSince: ago(11) }, heard(9, 9), now, true],
    /balancer/,
  ],
  ['is given up when it stays silent', [{ ...draining, drainUntil: ago(60) }, undefined, now, true], undefined],
  ['is not given up at once', [{ ...draining, drainUntil: ago(59) }, undefined, now, true], /agent/],
  ['waits for its agent', [draining, heard(0, 0, { draining: false }), now, true], /agent/],
  ['does not believe a report from before', [draining, heard(0, 0, { at: ago(90) }), now, true], /agent/],
  ['waits when it says nothing', [draining, undefined, now, true], /agent/],
  ['waits for the balancer', [{ ...draining, drainingSince: ago(10) }, heard(0, 0), now, true], /balancer/],
  ['goes at once where all go', [{ ...draining, drainingSince: ago(10) }, heard(0, 0), now, false], undefined],
])('a draining node %s', (_, asked, why) => {
  const answer = whyNotYet(...asked);
  if (why === undefined) expect(answer).toBeUndefined();
  else expect(answer).toMatch(why);
});

test.each<[string, NodeRecord[], object, string[]]>([
  ['makes web.count nodes first', [], { web: { count: 2 } }, ['1 starting', '2 starting']],
  ['adds what web.count adds', fleet('running', 'running'), { web: { count: 3 } }, ['3 starting']],
  ['drains what web.count takes away', fleet('running', 'running', 'running'), { web: { count: 2 } }, ['3 draining']],
  [
    'proves web.count nodes first even where the plan wants none',
    [],
    { scaling: { schedule: [{ name: 'never', cron: '0 0 * * *', timeZone: 'UTC', count: 0 }] } },
    ['1 starting', '2 starting'],
  ],
  [
    'leaves zero to a scale operation',
    fleet('running', 'running'),
    { scaling: { schedule: [{ name: 'never', cron: '0 0 * * *', timeZone: 'UTC', count: 0 }] } },
    [],
  ],
  [
    'takes away no node that open sessions may need, though what they needed was last said long ago',
    fleet('running', 'running', 'running'),
    { scaling: { max: 4, sessionsPerNode: 10 } },
    [],
  ],
  [
    'drains what is above max all the same',
    fleet('running', 'running', 'running', 'running'),
    { scaling: { max: 3, sessionsPerNode: 10 } },
    ['4 draining'],
  ],
])('a PUT %s', (_, recorded, change, wanted) => {
  const { changes } = provisionChanges(specWith(change as Record<string, object>), recorded, { needs: [] }, now);
  expect(changes.map(({ number, state }) => `${number} ${state}`)).toEqual(wanted);
});

test('a PUT takes away what a person asked to have taken away, whatever sessions need', () => {
  const spec = specWith({ scaling: { max: 4, sessionsPerNode: 10 } });
  const basis = basisOf(spec.scaling, spec.web.count);
  const memory = { needs: [], byHand: { count: 1, from: ago(600), until: undefined, by: 'anna', basis } };
  const { changes } = provisionChanges(spec, fleet('running', 'running'), memory, now);
  expect(changes.map(({ number, state }) => `${number} ${state}`)).toEqual(['2 draining']);
});
