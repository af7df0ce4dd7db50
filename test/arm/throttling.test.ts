import { afterEach, expect, test } from 'vitest';
import { Throttle } from '../../local/azure/arm/throttle.ts';
import { stillClock } from './clock.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { location, owner, startWorld, type World } from './world.ts';

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
  ['45 polls, then 15 a minute', 'GetOperation', 45, 15],
])('the compute provider allows %s', (_title, policy, size, refill) => {
  const clock = stillClock();
  const throttle = new Throttle(clock, 1);
  const counted = { verb: 'reads', principal: 'a', compute: { policy, vm: '/vm/1' } } as const;
  expect(tries(throttle, counted)).toBe(size);
  clock.pass(60);
  expect(tries(throttle, counted)).toBe(refill);
  expect(tries(throttle, { ...counted, compute: { policy, vm: '/vm/2' } })).toBe(size);
});

/** Many principals, none of whom meets a limit of its own: what all together may. */
function triesOfAll(throttle: Throttle, counted: Omit<Parameters<Throttle['take']>[0], 'principal'>): number {
  for (let all = 0; ; ) {
    const own = tries(throttle, { ...counted, principal: crypto.randomUUID() });
    if (own === 0) return all;
    all += own;
  }
}

test.each([
  ['3,750 reads, 15 times what one may', { verb: 'reads' }, 3750, 1, 375],
  ['3,000 writes', { verb: 'writes' }, 3000, 1, 150],
  ['3,000 deletes', { verb: 'deletes' }, 3000, 1, 150],
  ['900 lists of VMs, then 300 a minute', { verb: 'reads', compute: { policy: 'ListVM' } }, 900, 60, 300],
  ['1,500 creations of VMs, then 500 a minute', { verb: 'writes', compute: { policy: 'PutVM' } }, 1500, 60, 500],
  ['500 reads of private DNS, in 5 minutes', { verb: 'reads', network: 'dnsRead' }, 500, 300, 500],
  ['1,000 writes of networks, in 5 minutes', { verb: 'writes', network: 'write' }, 1000, 300, 1000],
] as const)('all together may make %s', (_title, counted, size, seconds, refill) => {
  const clock = stillClock();
  const throttle = new Throttle(clock, 1);
  expect(triesOfAll(throttle, counted)).toBe(size);
  clock.pass(seconds);
  expect(triesOfAll(throttle, counted)).toBe(refill);
});

test.each([
  ['the polls of one VM', 'poll', 45, 'GetOperation'],
  ['the reads and views of one VM', 'view', 36, 'GetVM'],
  ['the writes of its extensions, its restarts and its changes', 'change', 12, 'UpdateVM'],
])('%s are counted together, whatever is asked', async (_title, what, size, policy) => {
  world = await startWorld({ throttling: true, factor: 1, clock: stillClock() });
  const b = await freshGroup(world);
  const vm = b.com('virtualMachines', 'vm');
  const made = [];
  for (const [path, body] of [
    [b.net('virtualNetworks', 'vnet'), b.vnet()],
    [b.net('networkInterfaces', 'nic'), b.nic()],
    [vm, b.vm()],
    [vm, b.vm()],
  ] as const) {
    made.push(await ask(world, ['PUT', path, body]));
    await settled(world);
  }
  const polls = made.slice(2).map((reply) => reply.headers.get('azure-asyncoperation') ?? '');
  const extension = { location, properties: { publisher: 'p', type: 't' } };
  const requests: Record<string, [string, string, unknown?][]> = {
    poll: polls.map((url) => ['GET', url]),
    view: [
      ['GET', vm],
      ['GET', `${vm}/instanceView`],
    ],
    change: [
      ['PUT', `${vm}/extensions/e`, extension],
      ['POST', `${vm}/restart`],
      ['PATCH', vm, { tags: {} }],
    ],
  };
  const turns = requests[what] ?? [];
  const next = async (n: number) => {
    const reply = await ask(world as World, turns[n % turns.length] ?? ['GET', vm]);
    await settled(world as World);
    return reply;
  };
  for (let n = 0; n < size; n++) expect((await next(n)).status).toBeLessThan(300);
  const refused = await next(size);
  expect([refused.status, refused.body.error.code, refused.body.error.message]).toEqual([
    429,
    'OperationNotAllowed',
    expect.stringContaining(policy),
  ]);
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
  expect([read.status, read.headers.get('x-ms-ratelimit-remaining-resource')]).toEqual([
    404,
    'Microsoft.Compute/GetVMSubscriptionMaximum;23999,Microsoft.Compute/GetVMResourceMaximum;35',
  ]);
  for (let n = 1; n < 36; n++) await ask(world, ['GET', vm]);
  const refused = await ask(world, ['GET', vm]);
  expect([refused.status, refused.body]).toEqual([
    429,
    { error: { code: 'OperationNotAllowed', message: expect.stringContaining('too many requests') } },
  ]);
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
