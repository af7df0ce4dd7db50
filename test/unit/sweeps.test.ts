import { beforeEach, expect, test } from 'vitest';
import { finishOperation } from '../../orchestrations/activities/operation.ts';
import type { Deps } from '../../shared/deps.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { requestOperation } from '../../shared/operations.ts';
import { orderOf } from '../../shared/rotation/credentials.ts';
import { sweepRotations } from '../../shared/rotation/sweep.ts';
import { sweepScaling } from '../../shared/scaling/sweep.ts';
import { findJumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, type Lease } from '../../shared/store/leases.ts';
import { putNode } from '../../shared/store/nodes.ts';
import { putReport } from '../../shared/store/reports.ts';
import { beginRotation } from '../../shared/store/rotations.ts';
import { secondsAfter } from '../../shared/time.ts';
import { specWith } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const now = new Date('2026-11-23T12:00:00Z');

let deps: Deps;
let started: Lease[];
beforeEach(() => {
  started = [];
  const config = { MOLCAJETE_API_URL: 'https://api.test/api' };
  deps = { config, now: () => now, tables: createTablesStub() } as unknown as Deps;
});

const start = async (lease: Lease): Promise<void> => void started.push(lease);

async function make(name: string, spec: Record<string, object>, nodes: number, createdAt = now): Promise<void> {
  await putJumpServer(deps.tables, { name, spec: specWith(spec), state: 'Ready', createdAt, lastOperation: 'first' });
  for (let number = 1; number <= nodes; number++)
    await putNode(deps.tables, name, { number, state: 'running', since: createdAt });
}

/** What a node reported so many seconds ago. */
async function hear(node: string, served: number, secondsAgo: number): Promise<void> {
  const well = { healthy: true };
  const sessions = { served, relayed: 0 };
  const report = { haproxy: well, web: well, guacd: well, database: well, sessions } as NodeReport;
  const jumpServer = node.replace(/-\d+$/, '');
  await putReport(deps.tables, jumpServer, { node, report, receivedAt: secondsAfter(now, -secondsAgo) });
}

const byDemand = { web: { count: 1 }, scaling: { max: 5, sessionsPerNode: 10 } };

test.each<[string, number[], number | undefined]>([
  ['takes nodes away that open sessions no longer need', [5, 5, 5], 1],
  ['takes none away after our own outage, when no report is fresh', [600, 600, 600], undefined],
  ['takes none away while one of them is not heard of', [5, 5, 600], undefined],
])('demand %s', async (_, ages, count) => {
  await make('demo', byDemand, 3);
  for (const [index, age] of ages.entries()) await hear(`demo-${index + 1}`, 1, age);
  await sweepScaling(deps, start);
  expect(started.map(({ spec }) => (JSON.parse(spec) as { count: number }).count)).toEqual(
    count === undefined ? [] : [count],
  );
});

test.each<[string, number | undefined, number[]]>([
  ['has never come up does not keep itself wanted', undefined, [1]],
  ['was heard of before it was asked to come up does not either', 3000, [1]],
  ['came up and is not heard of any more is carried on, for it may have sessions', 200, [2]],
])('a node that is starting and %s', async (_, heardAgo, counts) => {
  await make('demo', byDemand, 1);
  await hear('demo-1', 1, 5);
  await putNode(deps.tables, 'demo', { number: 2, state: 'starting', since: secondsAfter(now, -2000) });
  if (heardAgo !== undefined) await hear('demo-2', 0, heardAgo);
  await sweepScaling(deps, start);
  expect(started.map(({ spec }) => (JSON.parse(spec) as { count: number }).count)).toEqual(counts);
});

test('what is not heard of keeps nothing from growing', async () => {
  await make('demo', byDemand, 2);
  await hear('demo-1', 31, 5);
  await sweepScaling(deps, start);
  expect(started.map(({ spec }) => JSON.parse(spec))).toEqual([{ count: 4 }]);
});

test('demand is not lowered by the draining that it leads to: sessions count until their node is off', async () => {
  await make('demo', byDemand, 3);
  await putNode(deps.tables, 'demo', { number: 3, state: 'draining', since: secondsAfter(now, -60) });
  await putNode(deps.tables, 'demo', { number: 4, state: 'deallocated', since: secondsAfter(now, -60) });
  for (const [node, served] of [
    ['demo-1', 4],
    ['demo-2', 5],
    ['demo-3', 9],
    ['demo-4', 9],
  ] as const)
    await hear(node, served, 5);
  const caller = { objectId: 'molcajete', name: 'Molcajete', roles: [] };
  const order = { count: 2 };
  const common = { jumpServer: 'demo', kind: 'scale', order, reason: 'test', caller } as const;
  await changeLease(deps.tables, await requestOperation(deps, async () => {}, common), { yields: true });
  await sweepScaling(deps, start);
  expect(started).toEqual([]);
});

test('a scale that failed and is wanted no more is no condition any longer', async () => {
  await make('demo', { web: { count: 2 } }, 2);
  const setback = { kind: 'scale', type: 'NoHealthyNode', message: 'None was healthy.' } as const;
  const server = await findJumpServer(deps.tables, 'demo');
  if (server === undefined) throw new Error('It is gone.');
  await putJumpServer(deps.tables, { ...server, setback }, server.etag);
  await sweepScaling(deps, start);
  expect(await findJumpServer(deps.tables, 'demo')).not.toHaveProperty('setback');
  expect(started).toEqual([]);
});

test('a jump server that cannot be decided on does not keep the others from their schedule', async () => {
  for (const name of ['first', 'second']) await make(name, { web: { count: 2 } }, 1);
  // A zone that the system no longer knows.
  const schedule = [{ name: 'morning', cron: '0 7 * * *', timeZone: 'Nowhere/Gone', count: 1 }];
  const spec = specWith({ web: { count: 2 } });
  const broken = { ...spec, scaling: { ...spec.scaling, schedule } };
  const { etag } = (await findJumpServer(deps.tables, 'first')) ?? {};
  const first = { name: 'first', spec: broken, state: 'Ready', createdAt: now, lastOperation: '' } as const;
  await putJumpServer(deps.tables, first, etag);
  await expect(sweepScaling(deps, start)).rejects.toThrow(/1 of 2/);
  expect(started.map(({ jumpServer }) => jumpServer)).toEqual(['second']);
});

test('rotation.every starts a rotation of everything when its time has come, and none before', async () => {
  const day = 86_400;
  await make('old', { rotation: { every: 'P90D' } }, 1, secondsAfter(now, -90 * day));
  await make('young', { rotation: { every: 'P90D' } }, 1, secondsAfter(now, -89 * day));
  await sweepRotations(deps, start);
  expect(started.map(({ jumpServer, kind, reason }) => [jumpServer, kind, reason])).toEqual([
    ['old', 'rotate', 'due: certificate, mysqlAdministrator, controlAccount, guacadmin, nodeAccount'],
  ]);
  expect(started[0]?.requestedBy.name).toBe('Molcajete');
});

test('a rotation that was canceled is not carried on at once where a scale has put its node back meanwhile', async () => {
  await make('demo', {}, 1);
  const caller = { objectId: 'anna', name: 'anna', roles: [] };
  const common = { jumpServer: 'demo', reason: 'test', caller };
  const order = orderOf(['nodeAccount']);
  const rotation = await requestOperation(deps, start, { ...common, kind: 'rotate', order });
  await beginRotation(deps.tables, 'demo', { credential: 'nodeAccount', operationId: rotation.operationId });
  await finishOperation(deps)({ ...rotation, ending: { state: 'canceled' } });
  const scale = await requestOperation(deps, start, { ...common, kind: 'scale', order: { count: 1 } });
  await finishOperation(deps)({ ...scale, ending: { state: 'done' } });
  const carriedOn = async (seconds: number) => {
    started = [];
    await sweepRotations({ ...deps, now: () => secondsAfter(now, seconds) }, start);
    return started.length;
  };
  expect(await carriedOn(599)).toBe(0);
  expect(await carriedOn(600)).toBe(1);
});
