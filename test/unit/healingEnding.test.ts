import { beforeEach, expect, test } from 'vitest';
import { finishOperation } from '../../orchestrations/activities/operation.ts';
import { createWrites } from '../../shared/azure/armStep.ts';
import { carryOutDecision } from '../../shared/healing/carryOutDecision.ts';
import { pausedUntil } from '../../shared/healing/decision.ts';
import { isFruitless, notedWrites } from '../../shared/healing/ending.ts';
import type { NodeOrder } from '../../shared/healing/order.ts';
import { requestOperation } from '../../shared/operations.ts';
import type { Ended } from '../../shared/setback.ts';
import { findHealing, rememberHealed, rememberNode, rememberServer } from '../../shared/store/healing.ts';
import { findLease, type Holder } from '../../shared/store/leases.ts';
import { secondsAfter } from '../../shared/time.ts';
import { ago, noon, openHealingWorld } from './healingWorld.ts';

const failed = (code: string): Ended => ({ state: 'failed', failure: { code, message: 'It did not work.' } });
const create: NodeOrder = { number: 1, finding: 'machineMissing', repair: 'create' };
const restart: NodeOrder = { number: 2, finding: 'frozen', repair: 'restartMachine' };

test.each<[string, NodeOrder[], boolean, boolean, Ended, boolean]>([
  ['failed before it wrote anything', [restart], false, false, failed('ControlPlaneUnavailable'), true],
  ['was canceled before it wrote anything', [], false, false, { state: 'canceled' }, true],
  ['wrote, and failed', [restart], false, true, failed('NodeNotHealed'), false],
  ['wrote, and was canceled', [restart], false, true, { state: 'canceled' }, false],
  ['worked without a write: what it was asked for comes again and again', [], false, false, { state: 'done' }, false],
  ['worked for an alert, without a write', [], true, false, { state: 'done' }, true],
  ['worked for an alert', [restart], true, true, { state: 'done' }, false],
  ['found no room for a machine', [create], false, true, failed('AllocationFailed'), true],
  ['found no room for one, and restarted another', [create, restart], false, true, failed('AllocationFailed'), false],
])('a heal that %s', (_, nodes, alert, wrote, ending, fruitless) => {
  expect(isFruitless({ nodes, ...(alert ? { alert: true } : {}) }, wrote, ending)).toBe(fruitless);
});

let made: Awaited<ReturnType<typeof openHealingWorld>>;
beforeEach(async () => {
  made = await openHealingWorld();
});

/** A heal as the sweep asks for it, to its end. */
async function heal(wrote: boolean, ending: Ended, { seconds = 0, everything = false } = {}): Promise<void> {
  const { deps, server } = made;
  const memory = await findHealing(deps.tables, 'demo');
  const order = { nodes: [restart], awaits: [], everything, evidence: ['demo-2 does not answer'] };
  const decision = { order, suspects: [], conditions: [], opensBreaker: false, recovered: [] };
  await carryOutDecision(deps, async () => {}, { server, memory, now: deps.now() }, decision);
  const lease = await findLease(deps.tables, 'demo');
  if (lease === undefined) throw new Error('There is no lease.');
  const holder: Holder = { jumpServer: 'demo', operationId: lease.operationId, fence: lease.fence };
  if (wrote) await notedWrites(deps, holder, createWrites()).start('x', undefined, async () => {});
  made.world.now = secondsAfter(made.world.now, seconds);
  await finishOperation(deps)({ ...holder, ending });
  // As after a crash: once more, with the same result.
  await finishOperation(deps)({ ...holder, ending });
}

const remembered = async () => (await findHealing(made.deps.tables, 'demo')).server;
const unavailable = { state: 'failed', failure: { code: 'ControlPlaneUnavailable', message: 'No vault.' } } as const;

/** Seconds. */
async function pause(): Promise<number> {
  const memory = await findHealing(made.deps.tables, 'demo');
  const { now } = made.world;
  return (pausedUntil({ server: made.server, memory, now }).getTime() - now.getTime()) / 1000;
}

test('one that our own outage ended opens no breaker, is said, and is tried again after a growing pause', async () => {
  await heal(false, unavailable);
  expect(await remembered()).toMatchObject({
    repairs: [],
    fruitless: [noon],
    failure: [{ type: 'ControlPlaneUnavailable', message: 'No vault.' }],
  });
  expect(await pause()).toBe(120);
  made.world.now = new Date(noon.getTime() + 130_000);
  await heal(false, unavailable);
  expect(await pause()).toBe(240);
});

test('one that failed is followed by a pause that begins with its end, however long it took', async () => {
  await heal(true, { state: 'failed', failure: { code: 'NodeNotHealed', message: 'No.' } }, { seconds: 600 });
  expect(await pause()).toBe(120);
});

test('one that wrote is counted, and one that works ends the pause', async () => {
  await heal(true, { state: 'failed', failure: { code: 'NodeNotHealed', message: 'No.' } });
  expect(await remembered()).toMatchObject({ repairs: [noon], fruitless: [], failure: [{ type: 'NodeNotHealed' }] });
  made.world.now = new Date(noon.getTime() + 130_000);
  await heal(true, { state: 'done' });
  const now = made.world.now;
  expect(await remembered()).toMatchObject({ repairs: [noon, now], failure: [], healedAt: now });
});

test('one that another operation was quicker than is not counted', async () => {
  const { deps, server } = made;
  await rememberServer(deps.tables, 'demo', { repairs: [ago(600)] });
  const order = { nodes: [restart], awaits: [], everything: false, evidence: ['demo-2 does not answer'] };
  const caller = { objectId: 'anna', name: 'anna', roles: [] };
  const other = { jumpServer: 'demo', kind: 'heal', order, reason: 'test', caller } as const;
  const { operationId } = await requestOperation(deps, async () => {}, other);
  const memory = await findHealing(deps.tables, 'demo');
  const decision = { order, suspects: [], conditions: [], opensBreaker: false, recovered: [] };
  await carryOutDecision(deps, async () => {}, { server, memory, now: deps.now() }, decision);
  expect(await findLease(deps.tables, 'demo')).toMatchObject({ operationId });
  expect(await remembered()).toMatchObject({ repairs: [ago(600)], fruitless: [] });
});

test('one by hand that works is remembered where it repaired a node, though it is not counted', async () => {
  const { tables } = made.deps;
  await rememberHealed(tables, 'demo', noon);
  expect((await remembered()).healedAt).toBeUndefined();
  await rememberNode(tables, 'demo', { number: 2, repair: 'restartMachine', settledAt: ago(60) });
  await rememberHealed(tables, 'demo', noon);
  expect((await remembered()).healedAt).toEqual(noon);
});

const lost = { state: 'failed', failure: { code: 'DatabaseLost', message: 'Gone.' } } as const;
const noticed = [{ type: 'DatabaseOutOfReach', message: 'No.' }];

test.each([
  ['waits for its turn where nothing was noticed before', [], false, lost, { noticed: [], comparedAt: noon }],
  ['is the next where something was noticed before a heal that failed', noticed, true, lost, { noticed }],
  ['is the next where a heal has looked at some nodes only', noticed, false, { state: 'done' } as const, { noticed }],
  ['is well where a heal has looked at everything', noticed, true, { state: 'done' } as const, { noticed: [] }],
])('to be compared a jump server %s', async (_, before, everything, ending, after) => {
  await rememberServer(made.deps.tables, 'demo', { noticed: before, comparedAt: noon });
  await heal(true, ending, { everything });
  const { noticed, comparedAt } = await remembered();
  expect({ noticed, comparedAt }).toEqual({ comparedAt: undefined, ...after });
});
