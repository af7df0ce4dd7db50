import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NodeReport } from '../../shared/node/report.ts';
import { nextMove, type SwitchMove, type SwitchSight } from '../../shared/rotation/nodeSwitch.ts';
import type { NodeRecord } from '../../shared/store/nodes.ts';

const now = new Date('2026-05-01T12:00:00Z');
const at = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);

function sight(more: Partial<Omit<SwitchSight, 'record'>> & { record?: Partial<NodeRecord>; served?: number } = {}) {
  const { record, served = 0, ...rest } = more;
  const fine = { healthy: true };
  const report: NodeReport = {
    ...{ bootId: 'b', agentVersion: '1', applied: 'v', haproxy: fine, web: fine, guacd: fine, database: fine },
    ...{ sessions: { served, relayed: 5 }, secrets: {}, draining: record?.state === 'draining' },
  };
  const seen: SwitchSight = {
    record: { number: 1, state: 'running', since: at(-1000), ...record },
    account: 'old',
    target: 'new',
    stored: { node: 'office-1', report, receivedAt: at(-1) },
    silent: false,
    others: { up: true, healthy: true },
    unhealthy: undefined,
    now,
    ...rest,
  };
  return seen;
}

const draining = (until: number, more: Partial<NodeRecord> = {}): Partial<NodeRecord> => ({
  ...{ state: 'draining', since: at(-20), drainUntil: at(until), drainingSince: at(-10), rotates: true },
  ...more,
});
const { drainingSince: _, ...neverHeard } = draining(60);
const alone = { up: false, healthy: false };
const sick = { up: true, healthy: false };

test.each<[string, SwitchSight, SwitchMove['move']]>([
  ['a node at work is drained first', sight(), 'drain'],
  ['also one that has not been confirmed yet', sight({ record: { state: 'starting' } }), 'drain'],
  ['not while no other node is healthy', sight({ others: sick }), 'wait'],
  ['a lone node is told when it serves nobody: no other takes new sessions', sight({ others: alone }), 'switch'],
  ['until then its sessions are waited for', sight({ others: alone, served: 3 }), 'wait'],
  ['for a day', sight({ record: { waitsSince: at(-86_399) }, others: alone, served: 3 }), 'wait'],
  ['and no longer', sight({ record: { waitsSince: at(-86_400) }, others: alone, served: 3 }), 'switch'],
  ['a frozen one is left to healing', sight({ silent: true, unhealthy: 'no report' }), 'wait'],
  ['also a lone one', sight({ others: alone, silent: true, unhealthy: 'no report' }), 'wait'],
  ['one that freezes while it drains is given back to healing', sight({ record: draining(60), silent: true }), 'raise'],
  ['one with open sessions keeps them until its deadline', sight({ record: draining(60), served: 1 }), 'wait'],
  ['at its deadline it is told', sight({ record: draining(0), served: 1 }), 'switch'],
  ['what it passes on to others is no reason to wait', sight({ record: draining(60) }), 'switch'],
  ['one that has not said yet that it drains is waited for', sight({ record: neverHeard }), 'wait'],
  [
    'when the other has become unhealthy it takes sessions again',
    sight({ record: draining(0), others: sick }),
    'raise',
  ],
  [
    'told, it is waited for while it still drains',
    sight({ record: draining(60), account: 'new', unhealthy: 'web is not healthy' }),
    'wait',
  ],
  ['proven, it comes back', sight({ record: draining(60), account: 'new' }), 'raise'],
  [
    'one that scaling takes out of service stays out',
    sight({ record: draining(60, { rotates: false }), account: 'new' }),
    'done',
  ],
  [
    'back, it must be healthy again',
    sight({ record: { state: 'starting' }, account: 'new', unhealthy: 'not applied' }),
    'wait',
  ],
  ['and seen by the balancer', sight({ record: { state: 'starting' }, account: 'new' }), 'confirm'],
  ['then it is done', sight({ account: 'new' }), 'done'],
  ['one that is switched off is only told', sight({ record: { state: 'deallocated' } }), 'switch'],
  ['and not waited for', sight({ record: { state: 'deallocated' }, account: 'new', unhealthy: 'no report' }), 'done'],
])('%s', (_, given, move) => {
  expect(nextMove(given).move).toBe(move);
});

const record = fc.record({
  state: fc.constantFrom('starting' as const, 'running' as const, 'draining' as const, 'deallocated' as const),
  until: fc.integer({ min: -100, max: 100 }),
  rotates: fc.boolean(),
});

test('only sessions are waited for without end, and not those of a node that is frozen', () => {
  fc.assert(
    fc.property(record, fc.nat(3), fc.boolean(), fc.boolean(), (given, served, up, silent) => {
      const { state, until, rotates } = given;
      const node = state === 'draining' ? draining(until, { rotates }) : { state };
      const others = { up, healthy: up };
      const move = nextMove(sight({ record: node, served, others, silent }));
      if (move.move !== 'wait' || move.sessionsUntil === undefined) return;
      expect(served).toBeGreaterThan(0);
      expect(move.sessionsUntil > now).toBe(true);
      expect(silent && rotates).toBe(false);
    }),
  );
});

test('no session of a node ends before its deadline, and never is the last healthy node taken', () => {
  fc.assert(
    fc.property(record, fc.nat(3), fc.boolean(), fc.boolean(), (given, served, up, healthy) => {
      const { state, until, rotates } = given;
      const node = state === 'draining' ? draining(until, { rotates }) : { state };
      const others = { up, healthy: up && healthy };
      const { move } = nextMove(sight({ record: node, served, others }));
      if (move === 'switch' && state !== 'deallocated' && up) {
        expect(state).toBe('draining');
        expect(served === 0 || until <= 0).toBe(true);
        expect(healthy).toBe(true);
      }
      if (move === 'drain') expect(up && healthy).toBe(true);
    }),
  );
});
