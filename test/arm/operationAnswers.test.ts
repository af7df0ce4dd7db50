import { describe, expect, test } from 'vitest';
import { gated, machine, poll, result, startsWorlds } from './operations.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { location, type Reply } from './world.ts';

const start = startsWorlds();

describe('how each provider shows its operations', () => {
  test('network: 201, a signed URL of kilobytes, no Retry-After, a bare status', async () => {
    const plane = gated();
    const world = await start({ operationUrlBytes: 4096 }, { 'microsoft.network/publicipaddresses': plane });
    const b = await freshGroup(world);
    const reply = await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    expect(reply.status).toBe(201);
    expect(reply.body.properties.provisioningState).toBe('Updating');
    expect(reply.headers.get('azure-asyncnotification')).toBe('Enabled');
    expect(reply.headers.get('azure-asyncoperation')).toMatch(
      /\/providers\/Microsoft\.Network\/locations\/westeurope\/operations\/[0-9a-f-]{36}\?api-version=2026-01-01&t=\d+&c=.*&s=.*&h=/,
    );
    expect(reply.headers.get('azure-asyncoperation')?.length).toBe(4096);
    expect([reply.headers.get('location'), reply.headers.get('retry-after')]).toEqual([null, null]);
    expect((await poll(world, reply)).body).toEqual({ status: 'InProgress' });
    plane.open();
    await settled(world);
    expect((await poll(world, reply)).body).toEqual({ status: 'Succeeded' });
  });

  test('network delete: 202 with both URLs; the result is 202 and then 204', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.network/loadbalancers': { ...plane, apply: async () => undefined } });
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    await settled(world);
    await ask(world, ['PUT', b.net('loadBalancers', 'lb'), b.balancer()]);
    await settled(world);
    const reply = await ask(world, ['DELETE', b.net('loadBalancers', 'lb')]);
    expect(reply.status).toBe(202);
    expect(reply.headers.get('location')).toContain('/operationResults/');
    expect((await ask(world, ['GET', b.net('loadBalancers', 'lb')])).body.properties.provisioningState).toBe(
      'Deleting',
    );
    expect((await result(world, reply)).status).toBe(202);
    plane.open();
    await settled(world);
    expect((await result(world, reply)).status).toBe(204);
    expect((await ask(world, ['GET', b.net('loadBalancers', 'lb')])).status).toBe(404);
    expect((await ask(world, ['DELETE', b.net('loadBalancers', 'lb')])).status).toBe(204);
  });

  test('compute: actions are 202 with both URLs, and the finished result is 200', async () => {
    const plane = gated();
    plane.open();
    const world = await start({}, { 'microsoft.compute/virtualmachines': plane });
    const b = await machine(world);
    const reply = await ask(world, [
      'POST',
      `${b.com('virtualMachines', 'vm')}/runCommand`,
      { commandId: 'RunShellScript', script: ['true'] },
    ]);
    expect(reply.status).toBe(202);
    expect(reply.headers.get('location')).toContain('monitor=true');
    await settled(world);
    expect((await poll(world, reply)).body).toMatchObject({
      status: 'Succeeded',
      startTime: expect.any(String),
      endTime: expect.any(String),
      properties: { output: { told: 'runCommand' } },
    });
    expect(await result(world, reply)).toMatchObject({ status: 200, body: { told: 'runCommand' } });
  });

  test('compute: a creation is 201 and an update 200, with the status URL alone; the body says when', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.compute/virtualmachines': plane });
    const b = await freshGroup(world);
    const vm = b.com('virtualMachines', 'vm');
    await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    await settled(world);
    await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
    const seen = async (reply: Reply) => [
      reply.status,
      reply.headers
        .get('azure-asyncoperation')
        ?.replace(/[0-9a-f-]{36}\?.*/, '')
        ?.replace(/.*\/providers/, ''),
      reply.headers.get('location'),
      (await poll(world, reply)).body,
    ];
    const url = '/Microsoft.Compute/locations/westeurope/operations/';
    const running = { startTime: expect.any(String), name: expect.any(String), status: 'InProgress' };
    expect(await seen(await ask(world, ['PUT', vm, b.vm()]))).toEqual([201, url, null, running]);
    plane.open();
    await settled(world);
    plane.close();
    expect(await seen(await ask(world, ['PATCH', vm, { tags: {} }]))).toEqual([200, url, null, running]);
    plane.open();
    await settled(world);
    plane.close();
    expect(await seen(await ask(world, ['PUT', vm, b.vm()]))).toEqual([200, url, null, running]);
    plane.open();
  });

  test('an interface is 201 and Succeeded, and has a status URL all the same', async () => {
    const world = await start();
    const b = await freshGroup(world);
    await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    await settled(world);
    const reply = await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
    expect([reply.status, reply.body.properties.provisioningState]).toEqual([201, 'Succeeded']);
    expect((await poll(world, reply)).body).toEqual({ status: 'Succeeded' });
    expect((await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()])).status).toBe(200);
  });

  test('MySQL: 202 with both URLs and the name of the operation; a poll has name, status and start', async () => {
    const plane = gated();
    const world = await start({}, { 'microsoft.dbformysql/flexibleservers': plane });
    const b = await freshGroup(world);
    const server = b.server('polled');
    const operations: [string, string, unknown, string][] = [
      ['PUT', server, b.mysql(), 'UpsertServerManagementOperation'],
      ['PATCH', server, { tags: {} }, 'UpsertServerManagementOperation'],
      ['POST', `${server}/stop`, undefined, 'StopServerManagementOperation'],
      ['POST', `${server}/start`, undefined, 'StartServerManagementOperation'],
    ];
    for (const [method, path, body, operation] of operations) {
      plane.close();
      const reply = await ask(world, [method, path, body]);
      expect([reply.status, reply.body]).toEqual([202, { operation, startTime: expect.any(String) }]);
      const place = '/providers/Microsoft.DBforMySQL/locations/westeurope';
      expect(reply.headers.get('azure-asyncoperation')).toContain(`${place}/azureAsyncOperation/`);
      expect(reply.headers.get('location')).toContain(`${place}/operationResults/`);
      const { body: shown } = await poll(world, reply);
      expect(shown).toEqual({ name: expect.any(String), status: 'InProgress', startTime: reply.body.startTime });
      expect((await result(world, reply)).status).toBe(202);
      plane.open();
      await settled(world);
      expect((await poll(world, reply)).body).toEqual({ ...shown, status: 'Succeeded' });
      expect((await result(world, reply)).status).toBe(200);
    }
  });

  test('a real client follows URLs of 4 KB to the end', async () => {
    const plane = gated();
    const world = await start({ operationUrlBytes: 4096 }, { 'microsoft.network/publicipaddresses': plane });
    const b = await freshGroup(world);
    const { network } = world.clients();
    const [group, fast] = [b.base.split('/').at(-1) ?? '', { updateIntervalInMs: 5 }];
    const creation = network.publicIPAddresses.createOrUpdate(
      group,
      'ip',
      { location, sku: { name: 'Standard' }, publicIPAllocationMethod: 'Static' },
      fast,
    );
    await expect.poll(() => plane.calls).toEqual(['apply']);
    plane.open();
    expect((await creation).provisioningState).toBe('Succeeded');
    await network.publicIPAddresses.delete(group, 'ip', fast);
    expect((await ask(world, ['GET', b.net('publicIPAddresses', 'ip')])).status).toBe(404);
  });

  test('a group: 202 with Location alone, then 200', async () => {
    const world = await start();
    const b = await freshGroup(world);
    const reply = await ask(world, ['DELETE', b.base]);
    expect([reply.status, reply.headers.get('azure-asyncoperation')]).toEqual([202, null]);
    expect(reply.headers.get('location')).toMatch(/\/operationresults\//);
    await settled(world);
    expect((await result(world, reply)).status).toBe(200);
    expect((await ask(world, ['GET', b.base])).status).toBe(404);
  });

  test('private DNS has URLs of its own below the group', async () => {
    const world = await start();
    const b = await freshGroup(world);
    const reply = await ask(world, ['PUT', b.net('privateDnsZones', 'example.com'), { location: 'global' }]);
    expect(reply.status).toBe(202);
    expect(reply.headers.get('azure-asyncoperation')).toContain(
      `${b.base}/providers/Microsoft.Network/privateDnsOperationStatuses/`,
    );
    expect(reply.headers.get('location')).toContain('/privateDnsOperationResults/');
  });

  test('an unknown operation is 404', async () => {
    const world = await start();
    const b = await freshGroup(world);
    const reply = await ask(world, [
      'GET',
      `${b.base.split('/resourceGroups')[0]}/providers/Microsoft.Network/locations/${location}/operations/none?api-version=2026-01-01`,
    ]);
    expect(reply.status).toBe(404);
  });
});

describe('what is not finished is visible', () => {
  test('to GET and in lists', async () => {
    const plane = gated();
    const world = await start(
      {},
      { 'microsoft.compute/virtualmachines': plane, 'microsoft.dbformysql/flexibleservers': plane },
    );
    const b = await machine(world);
    const [vm, server] = [b.com('virtualMachines', 'vm'), b.server('not-yet')];
    await ask(world, ['PUT', server, b.mysql()]);
    const collection = (id: string) => id.slice(0, id.lastIndexOf('/'));
    const states = async (id: string, member: string) => [
      (await ask(world, ['GET', id])).body.properties[member],
      ...(await ask(world, ['GET', collection(id)])).body.value.map(
        (one: { properties: Record<string, unknown> }) => one.properties[member],
      ),
    ];
    expect(await states(vm, 'provisioningState')).toEqual(['Creating', 'Creating']);
    expect(await states(server, 'state')).toEqual(['Updating', 'Updating']);
    expect(
      (await ask(world, ['GET', `${b.base}/resources`])).body.value.map((one: { name: string }) => one.name),
    ).toEqual(expect.arrayContaining(['vm', 'not-yet']));
    expect(
      (await ask(world, ['GET', `${vm}/instanceView`])).body.statuses.map((s: { code: string }) => s.code),
    ).toEqual(['ProvisioningState/creating', 'PowerState/creating']);
    plane.open();
    await settled(world);
    expect(await states(vm, 'provisioningState')).toEqual(['Succeeded', 'Succeeded']);
    expect(await states(server, 'state')).toEqual(['Ready', 'Ready']);
  });

  test.each([
    ['a VM', 'microsoft.compute/virtualmachines'],
    ['a public IP', 'microsoft.network/publicipaddresses'],
  ])('a second DELETE of %s joins the first', async (what, type) => {
    const plane = gated();
    plane.open();
    const world = await start({}, { [type]: plane });
    const b = await machine(world);
    await ask(world, ['PUT', b.net('publicIPAddresses', 'ip'), b.publicIp()]);
    await settled(world);
    plane.close();
    const id = what === 'a VM' ? b.com('virtualMachines', 'vm') : b.net('publicIPAddresses', 'ip');
    const [first, second] = [await ask(world, ['DELETE', id]), await ask(world, ['DELETE', id])];
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.headers.get('azure-asyncoperation')).toBe(first.headers.get('azure-asyncoperation'));
    plane.open();
    await settled(world);
    expect(plane.calls.filter((call) => call === 'remove')).toHaveLength(1);
    expect((await ask(world, ['DELETE', id])).status).toBe(204);
  });
});
