import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DataPlane } from '../../local/azure/contract.ts';
import type { Bodies } from './bodies.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { startWorld, type World } from './world.ts';

/** Guests as `local/azure/guest` has them: made at the first `apply`, which boots them; on or off from then on. */
const guests = new Map<string, 'on' | 'off'>();
const plane: DataPlane = {
  async apply({ id }) {
    if (!guests.has(id)) guests.set(id, 'on');
    return undefined;
  },
  remove: async ({ id }) => void guests.delete(id),
  async act({ id }, action) {
    if (/^(powerOff|deallocate)$/.test(action)) guests.set(id, 'off');
    if (/^(start|restart|redeploy|reimage)$/.test(action)) guests.set(id, 'on');
    return undefined;
  },
};

let world: World;
beforeAll(async () => {
  world = await startWorld({}, { 'microsoft.compute/virtualmachines': plane });
});
afterAll(() => world.close());
afterEach(async () => {
  world.arm.faults.clear();
  Object.assign(world.arm.env.options, { coreQuota: 100, restrictedSizes: [], patchCarriesOn: true });
  // The cores of all machines are counted together.
  for (const { id } of world.arm.state.list('Microsoft.Compute/virtualMachines')) await ask(world, ['DELETE', id]);
  await settled(world);
});

const vm = (b: Bodies) => b.com('virtualMachines', 'vm');

async function place(): Promise<Bodies> {
  const b = await freshGroup(world);
  await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
  await settled(world);
  await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
  return b;
}

/** A request, or one whose operation fails with the code after the colon: `POST redeploy: AllocationFailed`. */
async function does(b: Bodies, step: string): Promise<number> {
  const [, method = '', action, code] = /^(\w+)(?: (\w+))?(?:: (\w+))?$/.exec(step) ?? [];
  if (code !== undefined) world.arm.faults.add({ kind: 'failOperation', match: { id: vm(b) }, code });
  const bodies: Record<string, object> = { PUT: b.vm(), PATCH: { tags: { a: 'b' } } };
  const reply = await ask(world, [method, action ? `${vm(b)}/${action}` : vm(b), bodies[method]]);
  await settled(world);
  return reply.status;
}

/** What ARM says of the VM, the cores it counts, and what the guest does. */
async function facts(b: Bodies) {
  const { body } = await ask(world, ['GET', `${vm(b)}?$expand=instanceView`]);
  const usages = await ask(world, [
    'GET',
    `${b.base.split('/resourceGroups')[0]}/providers/Microsoft.Compute/locations/westeurope/usages`,
  ]);
  return {
    state: body.properties.provisioningState,
    power: body.properties.instanceView.statuses[1].code.split('/')[1],
    cores: usages.body.value.find((row: { name: { value: string } }) => row.name.value === 'cores').currentValue,
    guest: guests.get(vm(b)) ?? 'none',
  };
}

describe('ARM, the quota and the guest agree', () => {
  test.each<[title: string, steps: string[], state: string, power: string, cores: number, guest: string]>([
    ['a creation without room is nothing', ['PUT: AllocationFailed'], 'Failed', 'deallocated', 0, 'none'],
    ['another failed creation too', ['PUT: InternalServerError'], 'Failed', 'stopped', 2, 'none'],
    ['a slow boot comes up all the same', ['PUT: OSProvisioningTimedOut'], 'Failed', 'running', 2, 'on'],
    ['a PUT makes it', ['PUT: AllocationFailed', 'PUT'], 'Succeeded', 'running', 2, 'on'],
    ['a PATCH makes it', ['PUT: AllocationFailed', 'PATCH'], 'Succeeded', 'running', 2, 'on'],
    ['a reapply makes it', ['PUT: AllocationFailed', 'POST reapply'], 'Succeeded', 'running', 2, 'on'],
    ['a start makes it', ['PUT: AllocationFailed', 'POST start'], 'Succeeded', 'running', 2, 'on'],
    ['or fails once more', ['PUT: AllocationFailed', 'PUT: AllocationFailed'], 'Failed', 'deallocated', 0, 'none'],
    ['and once more', ['PUT: Broken', 'POST start: Broken'], 'Failed', 'stopped', 2, 'none'],
    ['it can be stopped', ['PUT: Broken', 'POST deallocate'], 'Succeeded', 'deallocated', 0, 'none'],
    ['and made then', ['PUT: Broken', 'POST deallocate', 'POST start'], 'Succeeded', 'running', 2, 'on'],
    ['a redeploy without room', ['PUT', 'POST redeploy: AllocationFailed'], 'Failed', 'deallocated', 0, 'off'],
    [
      'a start brings it back',
      ['PUT', 'POST redeploy: AllocationFailed', 'POST start'],
      'Succeeded',
      'running',
      2,
      'on',
    ],
    [
      'a start without room',
      ['PUT', 'POST powerOff', 'POST start: AllocationFailed'],
      'Failed',
      'deallocated',
      0,
      'off',
    ],
    ['any other failed restart', ['PUT', 'POST restart: Broken'], 'Failed', 'running', 2, 'on'],
    ['a failed stop', ['PUT', 'POST deallocate: Broken'], 'Failed', 'running', 2, 'on'],
    ['a failed update', ['PUT', 'PATCH: Broken'], 'Failed', 'running', 2, 'on'],
    [
      'a PUT does not start what is deallocated',
      ['PUT', 'POST deallocate', 'PUT'],
      'Succeeded',
      'deallocated',
      0,
      'off',
    ],
  ])('%s: %s', async (_title, steps, state, power, cores, guest) => {
    const b = await place();
    for (const step of steps) expect(await does(b, step)).toBeLessThan(300);
    expect(await facts(b)).toEqual({ state, power, cores, guest });
  });

  test.each(['PUT', 'PATCH', 'POST reapply', 'POST start'])(
    'what carries it on may meet no room again: %s',
    async (step) => {
      const b = await place();
      world.arm.faults.add({ kind: 'allocationFailure', match: {}, count: 2 });
      await does(b, 'PUT');
      await does(b, step);
      expect(world.arm.faults.list()).toEqual([]);
      expect(await facts(b)).toEqual({ state: 'Failed', power: 'deallocated', cores: 0, guest: 'none' });
    },
  );

  test('a PATCH carries no failed creation on where Azure is said to be like that', async () => {
    const b = await place();
    await does(b, 'PUT: AllocationFailed');
    world.arm.env.options.patchCarriesOn = false;
    expect(await does(b, 'PATCH')).toBe(200);
    expect(await facts(b)).toEqual({ state: 'Failed', power: 'deallocated', cores: 0, guest: 'none' });
    expect((await ask(world, ['GET', vm(b)])).body.tags).toEqual({ a: 'b' });
  });

  test('a failed creation is not made by a restart of the local Azure', async () => {
    const b = await place();
    await does(b, 'PUT: AllocationFailed');
    await world.restart();
    expect(await facts(b)).toMatchObject({ power: 'deallocated', guest: 'none' });
  });
});

describe('room is asked for at a creation, a resize and a start, and at nothing else', () => {
  const used = { coreQuota: 1 };
  const restricted = { restrictedSizes: ['Standard_B2s'] };
  test.each<[before: string[], then: string, options: object, status: number]>([
    [['PUT'], 'PUT', used, 200],
    [['PUT'], 'PATCH', used, 200],
    [['PUT'], 'PUT', restricted, 200],
    [['PUT'], 'PATCH', restricted, 200],
    [['PUT'], 'POST restart', used, 202],
    [['PUT', 'POST powerOff'], 'POST start', used, 202],
    [['PUT', 'POST deallocate'], 'POST start', used, 409],
    [['PUT', 'POST deallocate'], 'POST start', restricted, 409],
    [['PUT', 'POST deallocate'], 'PATCH', restricted, 200],
    [['PUT: AllocationFailed'], 'PUT', used, 409],
    [['PUT: AllocationFailed'], 'POST reapply', restricted, 409],
    [[], 'PUT', used, 409],
    [[], 'PUT', restricted, 409],
  ])('%s, then %s with %o: %i', async (before, then, options, status) => {
    const b = await place();
    for (const step of before) await does(b, step);
    Object.assign(world.arm.env.options, options);
    expect(await does(b, then)).toBe(status);
  });
});
