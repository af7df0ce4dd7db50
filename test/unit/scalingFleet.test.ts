import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  changesFor,
  drainSeconds,
  fleetOf,
  isSettled,
  isSurplus,
  isUp,
  upCount,
  withChanges,
} from '../../shared/scaling/fleet.ts';
import type { NodeRecord, NodeState } from '../../shared/store/nodes.ts';
import { specOf, specWith } from './sample.ts';

const now = new Date('2026-11-23T12:00:00Z');
const fleet = (...states: NodeState[]): NodeRecord[] =>
  states.map((state, index) => ({ number: index + 1, state, since: new Date(0) }));
const rotating = (number: number): NodeRecord => ({ number, state: 'draining', since: new Date(0), rotates: true });
const changed = (before: NodeRecord[], count: number) =>
  changesFor(before, count, now, 1800).map(({ number, state }) => `${number} ${state}`);

test.each<[string, NodeRecord[], number, string[]]>([
  ['nothing where as many are up', fleet('running', 'running'), 2, []],
  ['one new node', fleet('running', 'running'), 3, ['3 starting']],
  ['a deallocated node before a new one', fleet('running', 'deallocated', 'running'), 4, ['2 starting', '4 starting']],
  ['a draining node before a deallocated one', fleet('running', 'deallocated', 'draining'), 2, ['3 starting']],
  ['the highest number to drain', fleet('running', 'running', 'running'), 2, ['3 draining']],
  ['the highest that is up, not one that drains already', fleet('running', 'running', 'draining'), 1, ['2 draining']],
  ['everything to drain for zero', fleet('running', 'starting', 'deallocated'), 0, ['1 draining', '2 draining']],
  ['a node back that drains to be rotated', [rotating(1), ...fleet('running', 'running').slice(1)], 2, ['1 running']],
  [
    'it back and makes one more',
    [rotating(1), ...fleet('running', 'running').slice(1)],
    3,
    ['1 running', '3 starting'],
  ],
  [
    'it back where others must go',
    [rotating(1), ...fleet('running', 'running').slice(1)],
    1,
    ['1 running', '2 draining'],
  ],
  ['everything back from zero', fleet('deallocated', 'deallocated'), 2, ['1 starting', '2 starting']],
])('changes %s', (_, before, count, wanted) => expect(changed(before, count)).toEqual(wanted));

test('gives a draining node its time', () => {
  expect(changesFor(fleet('running', 'running'), 1, now, 1800)).toEqual([
    { number: 2, state: 'draining', since: now, drainUntil: new Date('2026-11-23T12:30:00Z') },
  ]);
});

test('whatever the fleet was, as many are up afterwards as were asked for, and a second look changes nothing', () => {
  const states = fc.array(fc.constantFrom<NodeState>('starting', 'running', 'draining', 'deallocated'), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(states, fc.nat(12), (given, count) => {
      const before = fleet(...given);
      const changes = changesFor(before, count, now, 60);
      const after = withChanges(before, changes);
      expect(upCount(after)).toBe(count);
      expect(changesFor(after, count, now, 60)).toEqual([]);
      // Nobody is both: an unneeded start or a needless drain.
      expect(new Set(changes.map(isUp)).size).toBeLessThanOrEqual(1);
      expect(new Set(after.map(({ number }) => number)).size).toBe(after.length);
    }),
  );
});

test('begins with web.count nodes that are to come up', () => {
  expect(fleetOf(specOf(), [], now).map(({ number, state }) => `${number} ${state}`)).toEqual([
    '1 starting',
    '2 starting',
  ]);
  expect(isSettled(fleetOf(specOf(), [], now))).toBe(false);
});

test.each([
  ['keeps what max allows', { max: 4 }, 4, false],
  ['lets go what max no longer allows', { max: 3 }, 4, true],
  ['keeps web.count where there is no max', {}, 2, false],
  ['lets go what nothing names', {}, 3, true],
])('%s', (_, scaling, number, surplus) => {
  expect(isSurplus({ number, state: 'deallocated', since: now }, specWith({ scaling }))).toBe(surplus);
  expect(isSurplus({ number, state: 'running', since: now }, specWith({ scaling }))).toBe(false);
});

const at = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);
const draining: NodeRecord = { number: 2, state: 'draining', since: at(-10), drainUntil: at(7200) };
const drained = (seconds: number): NodeRecord => ({ number: 2, state: 'deallocated', since: at(seconds) });

test.each<[string, NodeRecord[], number]>([
  ['as long as the spec says', fleet('running'), 60],
  ['until the deadline that a node has from before', [...fleet('running'), draining], 7200],
  ['as long as it took, once that node is off', [...fleet('running'), drained(7000)], 7000],
  ['also where another has not come up yet', [...fleet('starting'), drained(7000)], 7000],
  ['no longer for a node that was off before', [...fleet('running'), drained(-7000)], 60],
  ['not at all where nodes only come up', [...fleet('starting'), drained(-7000)], 0],
])('an operation has time to drain %s', (_, nodes, seconds) => {
  expect(drainSeconds(specWith({ scaling: { drainTimeout: 'PT1M' } }), nodes, now)).toBe(seconds);
});
