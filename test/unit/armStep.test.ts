import { expect, test } from 'vitest';
import { readArmError } from '../../shared/azure/armError.ts';
import { afterError, armStep, createWrites } from '../../shared/azure/armStep.ts';
import type { AzureClients } from '../../shared/azure/clients.ts';
import { type Attempt, Stopped } from '../../shared/azure/engine.ts';
import type { Look, Resource } from '../../shared/azure/resource.ts';

const azure = {} as AzureClients;
const attempt: Attempt = {
  permit: async () => undefined,
  within: async (work) => ({ value: await work }),
};

/** A resource whose looks are given; `writes` counts what was sent. */
function fake(looks: Partial<Look>[], write: () => Promise<void> = async () => undefined, id = '/r') {
  const counted = { writes: 0 };
  const resource: Resource = {
    key: 'r',
    type: 'Test/r',
    id,
    dependsOn: [],
    writeQueue: undefined,
    async look() {
      const given = looks.length > 1 ? looks.shift() : looks[0];
      return { observed: 'ready', output: {}, change: undefined, ...given };
    },
  };
  const change: Look['change'] = {
    kind: 'create',
    write: async () => {
      counted.writes++;
      await write();
    },
  };
  return { resource, change, counted };
}

test('what is right already is not written', async () => {
  const { resource, counted } = fake([{ output: { a: '1' } }]);
  expect(await armStep(resource, azure, createWrites()).ensure({}, attempt)).toEqual({
    state: 'ready',
    output: { a: '1' },
  });
  expect(counted.writes).toBe(0);
});

test('what is missing is written once and read back', async () => {
  const looks: Partial<Look>[] = [];
  const { resource, change, counted } = fake(looks);
  looks.push({ observed: 'missing', change }, { observed: 'ready', output: { a: '1' } });
  const step = armStep(resource, azure, createWrites());
  expect(await step.ensure({}, attempt)).toMatchObject({ state: 'pending', lookAgainSeconds: 0 });
  expect(await step.ensure({}, attempt)).toEqual({ state: 'ready', output: { a: '1' } });
  expect(counted.writes).toBe(1);
});

test('what Azure is still working on is not written over', async () => {
  const { resource, change, counted } = fake([]);
  const look = { observed: 'pending' as const, output: {}, change };
  const step = armStep({ ...resource, look: async () => look }, azure, createWrites());
  expect(await step.ensure({}, attempt)).toMatchObject({ state: 'pending' });
  expect(counted.writes).toBe(0);
});

test('a resource that never becomes what was asked for fails instead of being written for ever', async () => {
  const { resource, change, counted } = fake([]);
  const step = armStep(
    { ...resource, look: async () => ({ observed: 'ready', output: {}, change }) },
    azure,
    createWrites(),
  );
  let outcome = await step.ensure({}, attempt);
  while (outcome.state === 'pending') outcome = await step.ensure({}, attempt);
  expect(outcome).toMatchObject({ state: 'failed', failure: { code: 'DoesNotConverge' } });
  expect(counted.writes).toBe(5);
});

test('the failure of a write that outlived its walk is met by the next one', async () => {
  let fail: (error: Error) => void = () => undefined;
  const write = () =>
    new Promise<void>((_, reject) => {
      fail = reject;
    });
  const { resource, change } = fake([], write);
  const missing: Resource = { ...resource, look: async () => ({ observed: 'missing', output: {}, change }) };
  const writes = createWrites();
  const outOfTime: Attempt = { ...attempt, within: async () => undefined };
  expect(await armStep(missing, azure, writes).ensure({}, outOfTime)).toMatchObject({ state: 'pending' });
  fail(new Error('The long-running operation has failed. AllocationFailed. No room.'));
  expect(await armStep(missing, azure, writes).ensure({}, attempt)).toMatchObject({
    state: 'failed',
    failure: { code: 'AllocationFailed', message: 'No room.' },
  });
});

test('writes of one queue go one at a time, also after one has failed', async () => {
  const writes = createWrites();
  const log: string[] = [];
  const write =
    (name: string, fails = false) =>
    async () => {
      log.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      log.push(`${name} ends`);
      if (fails) throw new Error('refused');
    };
  const sent = [
    writes.start('/a', 'network', write('a', true)),
    writes.start('/b', 'network', write('b')),
    writes.start('/c', 'network', write('c')),
  ];
  expect((await Promise.allSettled(sent)).map((one) => one.status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

test('an operation that may not write any more is no failure of the step', () => {
  expect(() => afterError(new Stopped('canceled'), 1)).toThrow(Stopped);
});

const rest = (statusCode: number, code: string, message = 'text', headers: Record<string, string> = {}) =>
  Object.assign(new Error(message), {
    statusCode,
    code,
    response: { headers: { get: (name: string) => headers[name] } },
  });

const errors: [string, Error, ReturnType<typeof readArmError>['kind'], string][] = [
  ['a quota', rest(409, 'QuotaExceeded'), 'hopeless', 'QuotaExceeded'],
  ['a policy', rest(403, 'RequestDisallowedByPolicy'), 'hopeless', 'RequestDisallowedByPolicy'],
  ['an unknown 400', rest(400, 'SomethingInvalid'), 'hopeless', 'SomethingInvalid'],
  [
    'a busy VM',
    rest(409, 'OperationNotAllowed', 'not allowed since another operation is in progress'),
    'transient',
    'OperationNotAllowed',
  ],
  [
    'a quota as OperationNotAllowed',
    rest(409, 'OperationNotAllowed', 'exceeding approved Total Regional Cores quota'),
    'hopeless',
    'OperationNotAllowed',
  ],
  ['another operation', rest(409, 'AnotherOperationInProgress'), 'transient', 'AnotherOperationInProgress'],
  ['a subnet still in use', rest(400, 'InUseSubnetCannotBeDeleted'), 'transient', 'InUseSubnetCannotBeDeleted'],
  ['a reserved NIC', rest(400, 'NicReservedForAnotherVm'), 'transient', 'NicReservedForAnotherVm'],
  ['throttling of compute', rest(429, 'OperationNotAllowed', 'exceeded'), 'transient', 'OperationNotAllowed'],
  ['a broken server with a code of its own', rest(503, 'AllocationFailed'), 'transient', 'AllocationFailed'],
  ['a network that is not there', rest(400, 'InvalidResourceReference'), 'missing', 'InvalidResourceReference'],
  ['a group that is not there', rest(404, 'ResourceGroupNotFound'), 'missing', 'ResourceGroupNotFound'],
  ['a subscription that is not there', rest(404, 'SubscriptionNotFound'), 'hopeless', 'SubscriptionNotFound'],
  ['a group of another region', rest(409, 'InvalidResourceGroupLocation'), 'hopeless', 'InvalidResourceGroupLocation'],
  ['a role that somebody gave', rest(409, 'RoleAssignmentExists'), 'hopeless', 'RoleAssignmentExists'],
  ['a vault name that is taken', rest(409, 'VaultAlreadyExists'), 'hopeless', 'VaultAlreadyExists'],
  ['a vault that is being deleted', rest(409, 'ConflictError'), 'transient', 'ConflictError'],
  ['throttling', rest(429, 'TooManyRequests'), 'transient', 'TooManyRequests'],
  ['a broken server', rest(500, 'InternalServerError'), 'transient', 'InternalServerError'],
  [
    'what broke inside of Azure',
    rest(400, 'NetworkingInternalOperationError'),
    'transient',
    'NetworkingInternalOperationError',
  ],
  ['a cut connection', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), 'transient', 'ECONNRESET'],
  [
    'a failed operation',
    new Error('The long-running operation has failed. SkuNotAvailable. Not here.'),
    'hopeless',
    'SkuNotAvailable',
  ],
  ['a failed operation without a code', new Error('The long-running operation has failed.'), 'transient', 'Unknown'],
];

test.each(errors)('%s is read as what it is', (_, error, kind, code) => {
  expect(readArmError(error)).toMatchObject({ kind, failure: { code } });
});

test('Azure says how long to wait', () => {
  const error = rest(429, 'TooManyRequests', 'slow down', { 'retry-after': '17' });
  expect(afterError(error, 1)).toMatchObject({ state: 'pending', lookAgainSeconds: 17 });
});

test('what failed for an operation that was canceled is no news to the next one', async () => {
  const looks: Partial<Look>[] = [];
  const refusal = Object.assign(new Error('no room'), { code: 'AllocationFailed', statusCode: 409 });
  const { resource, change } = fake(looks, () => Promise.reject(refusal));
  looks.push({ observed: 'missing', change });
  const writes = createWrites();
  const timeIsUp: Attempt = { permit: async () => undefined, within: async () => undefined };
  await armStep(resource, azure, writes.of('first')).ensure({}, timeIsUp);
  looks.splice(0, 1, { observed: 'ready', output: { a: '1' } });
  const next = await armStep(resource, azure, writes.of('second')).ensure({}, attempt);
  expect(next).toEqual({ state: 'ready', output: { a: '1' } });
});

test('what refers to something that is not there is tried for some minutes, through several walks, and then fails', async () => {
  let now = 0;
  const writes = createWrites(() => now);
  const looks: Partial<Look>[] = [];
  const missing = rest(400, 'InvalidResourceReference', 'Resource /hub referenced by /peering was not found.');
  const { resource, change, counted } = fake(looks, () => Promise.reject(missing));
  looks.push({ observed: 'missing', change });
  const walk = (operation: string) => armStep(resource, azure, writes.of(operation)).ensure({}, attempt);
  expect(await walk('first')).toMatchObject({ state: 'pending', failure: { code: 'InvalidResourceReference' } });
  now = 299_000;
  expect(await walk('first')).toMatchObject({ state: 'pending' });
  now = 301_000;
  expect(await walk('first')).toMatchObject({
    state: 'failed',
    failure: { code: 'InvalidResourceReference', advice: expect.stringContaining('take it out of the spec') },
  });
  expect(await walk('next')).toMatchObject({ state: 'pending' });
  expect(counted.writes).toBe(4);
});

test('what Azure is busy with is looked at less often than one machine may be read', async () => {
  const { resource } = fake([{ observed: 'pending' }]);
  const step = armStep(resource, azure, createWrites());
  let looks = 0;
  for (let seconds = 0; seconds < 45; looks++) {
    const outcome = await step.ensure({}, attempt);
    seconds += outcome.state === 'pending' ? outcome.lookAgainSeconds : 0;
  }
  // 12 reads a minute are refilled (azure-behaviour.md, 1.6); a call of the activity lasts 45 s.
  expect(looks).toBeLessThanOrEqual(9);
});

test('an operation waits for the write that an earlier one sent, however that ends', async () => {
  const looks: Partial<Look>[] = [];
  let refuse: () => void = () => undefined;
  const refused = new Promise<void>((_, reject) => {
    refuse = () => reject(Object.assign(new Error('no room'), { code: 'AllocationFailed', statusCode: 409 }));
  });
  const { resource, change, counted } = fake(looks, () => refused);
  looks.push({ observed: 'missing', change });
  const writes = createWrites();
  const timeIsUp: Attempt = { permit: async () => undefined, within: async () => undefined };
  await armStep(resource, azure, writes.of('first')).ensure({}, timeIsUp);
  const second = armStep(resource, azure, writes.of('second')).ensure({}, attempt);
  refuse();
  expect(await second).toMatchObject({ state: 'pending' });
  expect(counted.writes).toBe(1);
});

test('what failed for operations that nobody asks about any more is forgotten, what is in flight is not', async () => {
  const writes = createWrites();
  const inFlight = writes.of('first').start('/in-flight', undefined, () => new Promise(() => {}));
  const fail = (id: string) => writes.of('ended').start(id, undefined, () => Promise.reject(new Error('no room')));
  for (let number = 0; number <= 1000; number++) await expect(fail(`/${number}`)).rejects.toThrow('no room');
  const failed = writes.of('ended');
  expect([failed.find('/0'), failed.find('/1')]).toEqual([undefined, undefined]);
  expect([failed.find('/2'), failed.find('/1000')]).not.toContain(undefined);
  expect(writes.of('first').find('/in-flight')).toBe(inFlight);
});

/** Only a new jump server can have another: a PUT on one that is there, also on one whose first PUT failed, refuses it. */
const fixed = /(vmSize|location|resourceGroup|subnets)\b/;

test.each([
  ...[
    'AllocationFailed',
    'ZonalAllocationFailed',
    'OverconstrainedAllocationRequest',
    'SkuNotAvailable',
    'QuotaExceeded',
  ],
  ...['InvalidResourceGroupLocation', 'InvalidResourceLocation', 'LocationNotAvailableForResourceType'],
  ...[
    'VaultAlreadyExists',
    'NetcfgSubnetRangesOverlap',
    'NetcfgInvalidSubnet',
    'SubnetIsFull',
    'VnetAddressSpacesOverlap',
  ],
])('the advice for %s does not ask for a change that a PUT refuses', (code) => {
  const { advice = '' } = readArmError(rest(409, code)).failure;
  const sentences = advice.split('. ').filter((sentence) => fixed.test(sentence));
  expect(sentences).toEqual([expect.stringMatching(/^Another .* needs DELETE and a new PUT\.?$/)]);
});
