import { afterEach, expect, test } from 'vitest';
import { Throttle } from '../../local/azure/arm/throttle.ts';
import { stillClock } from './clock.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { owner, startWorld, type World } from './world.ts';

let world: World | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

const tries = (throttle: Throttle, ...parameters: Parameters<Throttle['take']>): number => {
  for (let n = 0; ; n++) {
    try {
      throttle.take(...parameters);
    } catch {
      return n;
    }
  }
};

test.each([
  ['250 reads of one principal', { verb: 'reads', principal: 'a' }, 250, 25],
  ['200 writes', { verb: 'writes', principal: 'a' }, 200, 10],
  ['200 deletes', { verb: 'deletes', principal: 'a' }, 200, 10],
] as const)('a bucket has %s', (_title, counted, size, refill) => {
  const clock = stillClock();
  const throttle = new Throttle(clock, 1);
  expect(tries(throttle, counted)).toBe(size);
  clock.pass(1);
  expect(tries(throttle, counted)).toBe(refill);
  expect(tries(throttle, { ...counted, principal: 'b' })).toBe(size);
});

test.each([
  ['12 writes of one VM, then 4 a minute', 'PutVM', 12, 4],
  ['12 starts and updates', 'UpdateVM', 12, 4],
  ['12 deletes and deallocations', 'DeleteVM', 12, 4],
  ['36 reads, then 12 a minute', 'GetVM', 36, 12],
])('the compute provider allows %s', (_title, policy, size, refill) => {
  const clock = stillClock();
  const throttle = new Throttle(clock, 1);
  const counted = { verb: 'reads', principal: 'a', compute: { policy, vm: '/vm/1' } } as const;
  expect(tries(throttle, counted)).toBe(size);
  clock.pass(60);
  expect(tries(throttle, counted)).toBe(refill);
  expect(tries(throttle, { ...counted, compute: { policy, vm: '/vm/2' } })).toBe(size);
});

test('answers tell what is left, and a refusal when to come again', async () => {
  const clock = stillClock();
  world = await startWorld({ throttling: true, factor: 1, clock });
  const b = await freshGroup(world);
  const first = await ask(world, ['GET', b.base]);
  expect(first.headers.get('x-ms-ratelimit-remaining-subscription-reads')).toBe('249');
  expect(first.headers.get('x-ms-ratelimit-remaining-subscription-global-reads')).toBe('3749');
  const vm = b.com('virtualMachines', 'none');
  const read = await ask(world, ['GET', vm]);
  expect(read.status).toBe(404);
  for (let n = 1; n < 36; n++) await ask(world, ['GET', vm]);
  const refused = await ask(world, ['GET', vm]);
  expect([refused.status, refused.body.error.code]).toEqual([429, 'OperationNotAllowed']);
  expect(refused.headers.get('retry-after')).toBe('5');
  clock.pass(5);
  expect((await ask(world, ['GET', vm])).status).toBe(404);
});

test('a real client waits as long as it is told and then succeeds', async () => {
  world = await startWorld({ throttling: true, factor: 1 });
  const b = await freshGroup(world);
  await settled(world);
  world.arm.faults.add({ kind: 'throttle', match: { method: 'GET', id: b.base }, count: 1, seconds: 1 });
  const { resources } = world.clients(owner, { retryOptions: { maxRetries: 3 } });
  const started = performance.now();
  expect((await resources.resourceGroups.get(b.base.split('/').at(-1) ?? '')).name).toMatch(/^group-/);
  expect(performance.now() - started).toBeGreaterThan(950);
});
