import { beforeEach, expect, test } from 'vitest';
import { scalingRoutes } from '../../functions/scaling.ts';
import { finishOperation } from '../../orchestrations/activities/operation.ts';
import type { Deps } from '../../shared/deps.ts';
import { requestOperation } from '../../shared/operations.ts';
import { orderOf, type RotateOrder } from '../../shared/rotation/credentials.ts';
import type { ScaleOrder } from '../../shared/scaling/order.ts';
import { putJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, type Lease } from '../../shared/store/leases.ts';
import { putNode } from '../../shared/store/nodes.ts';
import { putUnended } from '../../shared/store/operations.ts';
import { findScaling } from '../../shared/store/scaling.ts';
import { specOf } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const now = new Date('2026-11-23T12:00:00Z');
const caller = { objectId: 'anna', name: 'anna', roles: [] };

/** A jump server with two nodes at work. */
let deps: Deps;
beforeEach(async () => {
  const config = { MOLCAJETE_API_URL: 'https://api.test/api' };
  deps = { config, now: () => now, tables: createTablesStub() } as unknown as Deps;
  const server = { name: 'demo', spec: specOf(), state: 'Ready' as const, createdAt: now, lastOperation: 'first' };
  await putJumpServer(deps.tables, server);
  for (const number of [1, 2]) await putNode(deps.tables, 'demo', { number, state: 'running', since: now });
});

/** The status of the answer. */
async function scaleTo(count: number): Promise<number> {
  const route = scalingRoutes(deps).find(({ definition }) => definition.operationId === 'JumpServers_Scale');
  const request = { params: { name: 'demo' }, body: { count }, caller, startOperation: async () => {} };
  const answer = await route?.handle(request as unknown as Parameters<typeof route.handle>[0]);
  return answer?.status ?? 200;
}

const ask = (request: { kind: 'scale'; order: ScaleOrder } | { kind: 'rotate'; order: RotateOrder }) =>
  requestOperation(deps, async () => {}, { jumpServer: 'demo', reason: 'test', caller, ...request });
const askFor = (count: number): Promise<Lease> => ask({ kind: 'scale', order: { count } });

test('as many nodes as are up already are remembered as wanted, and nothing is started', async () => {
  expect(await scaleTo(2)).toBe(200);
  expect((await findScaling(deps.tables, 'demo')).byHand).toMatchObject({ count: 2, by: 'anna' });
});

test('as many nodes as are up are not there already while a scale to another count has just been taken', async () => {
  await askFor(3);
  await expect(scaleTo(2)).rejects.toMatchObject({ status: 409, code: 'OperationInProgress' });
  expect((await findScaling(deps.tables, 'demo')).byHand).toBeUndefined();
});

test('a scale that only waits gives way to the count of the nodes that are up', async () => {
  await changeLease(deps.tables, await askFor(3), { yields: true });
  expect(await scaleTo(2)).toBe(202);
});

test('an operation that has ended, or that changes no count, is not in the way of the answer', async () => {
  const ended = await askFor(2);
  const { operationId: id, jumpServer, kind, reason } = ended;
  const operation = { id, jumpServer, kind, reason, requestedBy: 'anna', createdAt: now };
  // Its lease is given back a moment later.
  await putUnended(deps.tables, { ...operation, status: 'Succeeded', finishedAt: now });
  expect(await scaleTo(2)).toBe(200);
  await finishOperation(deps)({ ...ended, ending: { state: 'done' } });
  await ask({ kind: 'rotate', order: orderOf(['guacadmin']) });
  expect(await scaleTo(2)).toBe(200);
});
