import { describe, expect, test } from 'vitest';
import type { DataPlane } from '../../local/azure/contract.ts';
import { stillClock } from './clock.ts';
import { gated, machine, poll, result, startsWorlds } from './operations.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { location } from './world.ts';

const start = startsWorlds();

describe('one operation at a time', () => {
  test('a second write of a network resource is 409 AnotherOperationInProgress', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.network/publicipaddresses': plane });
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    const second = await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    expect([second.status, second.body.error.code]).toEqual([409, 'AnotherOperationInProgress']);
    expect(second.body.error.message).toMatch(/use uri: \/subscriptions\/.*\/operations\//);
  });

  test('or 429 RetryableErrorDueToAnotherOperation, as Azure has also been seen to say', async () => {
    const world = await start({ factor: 1, busyNetwork: 'retryable' });
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    const second = await ask(world, [
      'PUT',
      `${b.net('virtualNetworks', 'vnet')}/subnets/data`,
      b.subnet('10.0.2.0/24'),
    ]);
    expect([second.status, second.body.error.code, second.body.error.details[0].code]).toEqual([
      429,
      'RetryableError',
      'RetryableErrorDueToAnotherOperation',
    ]);
  });

  test('naming what is being changed is 429 RetryableError without Retry-After', async () => {
    const world = await start({ factor: 1 });
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    const reply = await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
    expect([reply.status, reply.body.error.code, reply.body.error.details[0].code]).toEqual([
      429,
      'RetryableError',
      'ReferencedResourceNotProvisioned',
    ]);
    expect(reply.headers.get('retry-after')).toBeNull();
    const sibling = await ask(world, [
      'PUT',
      `${b.net('virtualNetworks', 'vnet')}/subnets/data`,
      b.subnet('10.0.2.0/24'),
    ]);
    expect([sibling.status, sibling.body.error.code]).toEqual([409, 'AnotherOperationInProgress']);
  });

  test('naming what has failed is 400 ReferencedResourceNotProvisioned', async () => {
    const world = await start();
    const b = await freshGroup(world);
    world.arm.faults.add({ kind: 'failOperation', match: { type: 'Microsoft.Network/virtualNetworks' } });
    await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    await settled(world);
    const reply = await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
    expect([reply.status, reply.body.error.code]).toEqual([400, 'ReferencedResourceNotProvisioned']);
    expect(reply.body.error.message).toContain('Resource is in Failed state');
  });

  test('a zone group waits for its endpoint: 429 RetryableError', async () => {
    const plane = gated();
    plane.open();
    const world = await start({}, { 'microsoft.network/privateendpoints': plane });
    const b = await freshGroup(world);
    for (const [path, body] of [
      [b.net('virtualNetworks', 'vnet'), b.vnet()],
      [b.server('behind-endpoint'), b.mysql()],
      [b.net('privateDnsZones', 'example.com'), { location: 'global' }],
    ]) {
      await ask(world, ['PUT', String(path), body]);
      await settled(world);
    }
    const endpoint = b.net('privateEndpoints', 'endpoint');
    const zone = { privateDnsZoneId: b.net('privateDnsZones', 'example.com') };
    const group = () =>
      ask(world, [
        'PUT',
        `${endpoint}/privateDnsZoneGroups/default`,
        { properties: { privateDnsZoneConfigs: [{ name: 'zone', properties: zone }] } },
      ]);
    plane.close();
    await ask(world, ['PUT', endpoint, b.endpoint(b.server('behind-endpoint'))]);
    const early = await group();
    expect([early.status, early.body.error.code, early.body.error.details[0].code]).toEqual([
      429,
      'RetryableError',
      'ReferencedResourceNotProvisioned',
    ]);
    plane.open();
    await settled(world);
    expect((await group()).status).toBe(201);
  });

  test('a VM runs one command at a time', async () => {
    const plane = gated();
    plane.open();
    const world = await start({}, { 'microsoft.compute/virtualmachines': plane });
    const b = await machine(world);
    await settled(world);
    plane.close();
    const run = () =>
      ask(world, [
        'POST',
        `${b.com('virtualMachines', 'vm')}/runCommand`,
        { commandId: 'RunShellScript', script: ['true'] },
      ]);
    expect((await run()).status).toBe(202);
    const second = await run();
    expect([second.status, second.body.error.code]).toEqual([409, 'OperationNotAllowed']);
    expect(second.body.error.message).toContain('another operation is in progress');
    plane.open();
    await settled(world);
    expect((await run()).status).toBe(202);
  });

  test('a VM that is being made refuses a restart and yields to a delete', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.compute/virtualmachines': plane });
    const b = await machine(world);
    const vm = b.com('virtualMachines', 'vm');
    const [creation] = world.arm.env.operations.list().filter((operation) => operation.resourceId === vm);
    const refused = await ask(world, ['PUT', vm, b.vm()]);
    expect([refused.status, refused.body.error.code]).toEqual([409, 'OperationNotAllowed']);
    expect((await ask(world, ['DELETE', vm])).status).toBe(202);
    expect(creation).toMatchObject({ status: 'Failed', error: { code: 'OperationPreempted' } });
    const marked = await ask(world, ['POST', `${vm}/start`]);
    expect([marked.status, marked.body.error.message]).toEqual([409, expect.stringContaining('marked for deletion')]);
    plane.open();
    await settled(world);
    expect(plane.calls).toEqual(['apply', 'remove']);
    expect((await ask(world, ['GET', vm])).status).toBe(404);
  });

  test('what is pushed out has failed: the machine is as before it, and its creation reserves the interface', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.compute/virtualmachines': plane });
    const b = await machine(world);
    const vm = b.com('virtualMachines', 'vm');
    const power = async () => (await ask(world, ['GET', `${vm}/instanceView`])).body.statuses[1].code;
    await ask(world, ['POST', `${vm}/deallocate`]);
    expect((await ask(world, ['DELETE', b.net('networkInterfaces', 'nic')])).body.error.code).toBe('NicInUse');
    expect(world.arm.state.get(b.net('networkInterfaces', 'nic'))?.internal.reservedFor).toBe(vm.toLowerCase());
    plane.open();
    await settled(world);
    expect(await power()).toBe('PowerState/deallocated');
    plane.close();
    await ask(world, ['POST', `${vm}/start`]);
    expect(await power()).toBe('PowerState/starting');
    world.arm.faults.add({ kind: 'failOperation', match: { id: vm, action: 'deallocate' } });
    await ask(world, ['POST', `${vm}/deallocate`]);
    plane.open();
    await settled(world);
    expect(await power()).toBe('PowerState/deallocated');
  });

  test('a MySQL server that is busy says so, also to its databases', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.dbformysql/flexibleservers': plane });
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.server('busy-server'), b.mysql()]);
    const reply = await ask(world, ['PATCH', b.server('busy-server'), { tags: {} }]);
    expect([reply.status, reply.body.error.code]).toEqual([409, 'ServerIsBusy']);
    expect((await ask(world, ['PUT', `${b.server('busy-server')}/databases/a`, { properties: {} }])).status).toBe(409);
  });
});

describe('a group goes with everything in it', () => {
  test('in the order that references allow, and nothing is written meanwhile', async () => {
    const order: string[] = [];
    const plane = gated();
    const noting: DataPlane = {
      apply: async () => undefined,
      async remove(resource) {
        order.push(resource.name);
        await plane.remove(resource);
      },
    };
    const world = await start(
      {},
      { 'microsoft.compute/virtualmachines': noting, 'microsoft.network/networkinterfaces': noting },
    );
    const b = await machine(world);
    await settled(world);
    await ask(world, ['DELETE', b.base]);
    const write = await ask(world, ['PUT', b.net('networkSecurityGroups', 'late'), { location }]);
    expect([write.status, write.body.error.code]).toEqual([409, 'ResourceGroupBeingDeleted']);
    plane.open();
    await settled(world);
    expect(order).toEqual(['vm', 'nic']);
    expect(world.arm.state.all().filter((one) => one.id.startsWith(b.base))).toEqual([]);
  });

  test('unless something outside uses it', async () => {
    const world = await start();
    const [inside, outside] = [await freshGroup(world), await freshGroup(world)];
    await ask(world, ['PUT', inside.net('virtualNetworks', 'vnet'), inside.vnet()]);
    await settled(world);
    await ask(world, ['PUT', outside.net('networkInterfaces', 'nic'), inside.nic()]);
    const reply = await ask(world, ['DELETE', inside.base]);
    await settled(world);
    expect(await result(world, reply)).toMatchObject({
      status: 409,
      body: { error: { code: 'ResourceGroupDeletionBlocked' } },
    });
    expect((await ask(world, ['GET', inside.base])).body.properties.provisioningState).toBe('Succeeded');
  });
});

test('what was deleted may occupy its subnet for a moment', async () => {
  const world = await start({ referenceLagMs: 800 });
  const b = await freshGroup(world);
  await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
  await settled(world);
  await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
  await ask(world, ['DELETE', b.net('networkInterfaces', 'nic')]);
  await settled(world);
  const remove = () => ask(world, ['DELETE', `${b.net('virtualNetworks', 'vnet')}/subnets/web`]);
  expect((await remove()).body.error.code).toBe('InUseSubnetCannotBeDeleted');
  await expect.poll(async () => (await remove()).status, { timeout: 5000 }).toBe(202);
});

describe('time', () => {
  test('an operation takes its time in Azure times the factor, or as long as the real work', async () => {
    // A public IP takes 2 s.
    const world = await start({ factor: 0.05 });
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    await settled(world);
    const [operation] = world.arm.env.operations.list();
    expect((operation?.end ?? 0) - (operation?.start ?? 0)).toBeGreaterThanOrEqual(100);
    const plane = gated();
    const slow = await start({ factor: 0 }, { 'microsoft.network/publicipaddresses': plane });
    const c = await freshGroup(slow);
    const reply = await ask(slow, ['PUT', c.net('publicIPAddresses', 'ip'), c.publicIp()]);
    expect((await poll(slow, reply)).body.status).toBe('InProgress');
    plane.open();
    await settled(slow);
    expect((await poll(slow, reply)).body.status).toBe('Succeeded');
  });
});

test('the list of statuses may show for a while what was; a VM itself shows what is', async () => {
  const clock = stillClock();
  const world = await start({ factor: 1, clock, statusLagSeconds: 60 });
  const b = await machine(world);
  const vm = b.com('virtualMachines', 'vm');
  clock.pass(61);
  const listed = async () => {
    const all = `${b.base.split('/resourceGroups')[0]}/providers/Microsoft.Compute/virtualMachines?statusOnly=true`;
    return (await ask(world, ['GET', all])).body.value[0].properties.instanceView.statuses[1].code;
  };
  const own = async () => (await ask(world, ['GET', `${vm}/instanceView`])).body.statuses[1].code;
  await ask(world, ['POST', `${vm}/deallocate`]);
  await settled(world);
  expect([await listed(), await own()]).toEqual(['PowerState/running', 'PowerState/deallocated']);
  clock.pass(59);
  expect(await listed()).toBe('PowerState/running');
  clock.pass(2);
  expect(await listed()).toBe('PowerState/deallocated');
});

describe('a restart', () => {
  test('carries on what was under way; its URL still answers', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.network/publicipaddresses': plane });
    const b = await freshGroup(world);
    const reply = await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    const after: DataPlane = { apply: async () => ({ ipAddress: '127.9.160.1' }), remove: async () => {} };
    await world.restart({ 'microsoft.network/publicipaddresses': after });
    await settled(world);
    expect((await poll(world, reply)).body.status).toBe('Succeeded');
    expect((await ask(world, ['GET', b.net('publicIPAddresses', 'ip')])).body.properties).toMatchObject({
      provisioningState: 'Succeeded',
      ipAddress: '127.9.160.1',
    });
  });

  test('makes what is stored real again', async () => {
    const world = await start();
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    await settled(world);
    const plane = gated();
    plane.open();
    await world.restart({ 'microsoft.network/publicipaddresses': plane });
    expect(plane.calls).toEqual(['apply']);
    expect(plane.secrets).toEqual([{}]);
  });

  test('fails a creation whose password had not arrived: it is kept nowhere', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.dbformysql/flexibleservers': plane });
    const b = await freshGroup(world);
    const reply = await ask(world, ['PUT', b.server('half-made'), b.mysql()]);
    expect(plane.secrets).toEqual([{ administratorLoginPassword: 'Val1d-Pass-word' }]);
    await world.restart({});
    await settled(world);
    expect((await poll(world, reply)).body).toMatchObject({ status: 'Failed', error: { code: 'InternalServerError' } });
    expect((await ask(world, ['PUT', b.server('half-made'), b.mysql()])).status).toBe(202);
    await settled(world);
    expect((await ask(world, ['GET', b.server('half-made')])).body.properties.state).toBe('Ready');
  });

  test.each([
    ['a delete', 'DELETE', '', ['remove']],
    ['a deallocation', 'POST', '/deallocate', ['deallocate']],
    ['a start', 'POST', '/start', ['apply', 'start']],
    ['a delete that will fail', 'DELETE', '', ['apply']],
  ])('carries on %s, and brings up only what is to be up', async (title, method, action, calls) => {
    const [first, second] = [gated(), gated()];
    const world = await start({}, { 'microsoft.compute/virtualmachines': first });
    const b = await machine(world);
    first.open();
    await settled(world);
    first.close();
    const vm = b.com('virtualMachines', 'vm');
    if (title.endsWith('fail')) world.arm.faults.add({ kind: 'failOperation', match: { id: vm } });
    expect((await ask(world, [method, `${vm}${action}`])).status).toBe(202);
    second.open();
    await world.restart({ 'microsoft.compute/virtualmachines': second });
    await settled(world);
    expect(second.calls).toEqual(calls);
  });

  test('carries on the delete of a group', async () => {
    const plane = gated();
    const world = await start(
      {},
      { 'microsoft.network/networkinterfaces': { ...plane, apply: async () => undefined } },
    );
    const b = await machine(world);
    await settled(world);
    await ask(world, ['DELETE', b.base]);
    await world.restart({});
    await settled(world);
    expect(world.arm.state.all().filter((one) => one.id.startsWith(b.base))).toEqual([]);
  });
});

test('a server that was stopped for 30 days starts by itself', async () => {
  const clock = stillClock();
  const world = await start({ factor: 1, clock });
  const b = await freshGroup(world);
  const server = b.server('forgotten');
  const state = async () => (await ask(world, ['GET', server])).body.properties.state;
  const after = async (days: number) => {
    clock.pass(days * 86_400);
    world.arm.tick();
    await settled(world);
    return state();
  };
  await ask(world, ['PUT', server, b.mysql()]);
  await settled(world);
  await ask(world, ['POST', `${server}/stop`]);
  await settled(world);
  expect(await after(29)).toBe('Stopped');
  expect(await after(2)).toBe('Ready');
});
