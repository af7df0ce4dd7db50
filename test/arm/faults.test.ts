import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { controlListener } from '../../local/azure/arm/control.ts';
import type { DataPlane } from '../../local/azure/contract.ts';
import { stillClock } from './clock.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { location, startWorld, type World } from './world.ts';

const happened: [name: string, action: string][] = [];
const plane: DataPlane = {
  apply: async () => undefined,
  remove: async (resource) => void happened.push([resource.name, 'remove']),
  async act(resource, action) {
    happened.push([resource.name, action]);
    return undefined;
  },
};

let world: World;
let control: string;
let server: Server;
beforeAll(async () => {
  world = await startWorld(
    {},
    { 'microsoft.compute/virtualmachines': plane, 'microsoft.dbformysql/flexibleservers': plane },
  );
  const connectivity = (from: string, to: string, port: number) => ({
    result: 'open',
    detail: `${from} ${to} ${port}`,
  });
  server = createServer(controlListener(world.arm, { connectivity }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  control = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await world.close();
});
beforeEach(async () => {
  happened.length = 0;
  await tell('DELETE', '/faults');
});

async function tell(method: string, path: string, body?: unknown) {
  const reply = await fetch(`${control}${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever came
  return { status: reply.status, body: (await reply.json()) as any };
}
const fault = (body: object) => tell('POST', '/faults', body);

/** The request has met its fault, and then its client has no more patience. */
async function givesUp(request: (abortSignal: AbortSignal) => PromiseLike<unknown>): Promise<void> {
  const patience = new AbortController();
  const refused = expect(Promise.resolve(request(patience.signal))).rejects.toThrow(/abort/i);
  await expect.poll(() => world.arm.faults.list()).toEqual([]);
  patience.abort();
  await refused;
}

async function machine() {
  const b = await freshGroup(world);
  await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
  await settled(world);
  await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
  return { b, vm: b.com('virtualMachines', 'vm') };
}

describe('a fault for the next requests that match', () => {
  test('throttle: 429 with Retry-After, as often as asked, nothing done', async () => {
    const b = await freshGroup(world);
    const nsg = b.net('networkSecurityGroups', 'nsg');
    await fault({
      kind: 'throttle',
      match: { method: 'PUT', type: 'microsoft.network/networksecuritygroups' },
      count: 2,
      seconds: 7,
    });
    for (let i = 0; i < 2; i++) {
      const reply = await ask(world, ['PUT', nsg, { location }]);
      expect([reply.status, reply.body.error.code, reply.headers.get('retry-after')]).toEqual([
        429,
        'TooManyRequests',
        '7',
      ]);
    }
    expect((await ask(world, ['GET', nsg])).status).toBe(404);
    expect((await ask(world, ['PUT', nsg, { location }])).status).toBe(201);
    expect((await tell('GET', '/faults')).body.value).toEqual([]);
  });

  test('status: any code and message, as a policy, a quota or a broken service would answer', async () => {
    const b = await freshGroup(world);
    await fault({
      kind: 'status',
      match: { id: b.base },
      status: 403,
      code: 'RequestDisallowedByPolicy',
      message: 'Policy says no.',
    });
    expect(await ask(world, ['PUT', b.net('networkSecurityGroups', 'nsg'), { location }])).toMatchObject({
      status: 403,
      body: { error: { code: 'RequestDisallowedByPolicy', message: 'Policy says no.' } },
    });
    await fault({ kind: 'status', match: { id: b.base }, code: 503, seconds: 2 });
    const busy = await ask(world, ['GET', b.base]);
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '2']);
  });

  test('status: nothing is done, as often as asked; the next one is carried out', async () => {
    const b = await freshGroup(world);
    const nsg = b.net('networkSecurityGroups', 'nsg');
    await fault({ kind: 'status', match: { method: 'PUT', id: nsg }, status: 500, count: 2 });
    for (let n = 0; n < 2; n++) {
      expect((await ask(world, ['PUT', nsg, { location }])).status).toBe(500);
      expect((await ask(world, ['GET', nsg])).status).toBe(404);
    }
    expect((await ask(world, ['PUT', nsg, { location }])).status).toBe(201);
    await fault({ kind: 'status', match: { method: 'DELETE', id: nsg }, status: 503 });
    expect((await ask(world, ['DELETE', nsg])).status).toBe(503);
    await settled(world);
    expect((await ask(world, ['GET', nsg])).body.properties.provisioningState).toBe('Succeeded');
  });

  test('a share of the requests, the same ones for the same seed', async () => {
    const b = await freshGroup(world);
    const run = async (seed: number) => {
      await tell('DELETE', '/faults');
      await fault({ kind: 'status', match: { id: b.base }, status: 500, count: 1000, probability: 0.3, seed });
      const statuses = [];
      for (let i = 0; i < 60; i++) statuses.push((await ask(world, ['GET', b.base])).status);
      return statuses;
    };
    const [one, again, other] = [await run(7), await run(7), await run(8)];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    expect(one.filter((status) => status === 500).length).toBeGreaterThan(8);
    expect(one.filter((status) => status === 500).length).toBeLessThan(30);
  });

  test('skip: the third one', async () => {
    const b = await freshGroup(world);
    await fault({ kind: 'status', match: { id: b.base }, status: 500, skip: 2 });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask(world, ['GET', b.base])).status);
    expect(statuses).toEqual([200, 200, 500, 200]);
  });

  test('cut: the request is carried out and the answer is lost', async () => {
    const b = await freshGroup(world);
    const nsg = b.net('networkSecurityGroups', 'nsg');
    await fault({ kind: 'cut', match: { method: 'PUT', id: nsg } });
    await expect(ask(world, ['PUT', nsg, { location }])).rejects.toThrow(/socket hang up|ECONNRESET/);
    await settled(world);
    expect((await ask(world, ['GET', nsg])).status).toBe(200);
  });

  test('cut: a refusal is lost like any other answer', async () => {
    const b = await freshGroup(world);
    const nic = b.net('networkInterfaces', 'nic');
    await fault({ kind: 'cut', match: { method: 'PUT', id: nic } });
    await expect(ask(world, ['PUT', nic, b.nic()])).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await ask(world, ['PUT', nic, b.nic()])).body.error.code).toBe('InvalidResourceReference');
  });

  test('cut before: the request is lost', async () => {
    const b = await freshGroup(world);
    const nsg = b.net('networkSecurityGroups', 'nsg');
    await fault({ kind: 'cut', match: { method: 'PUT', id: nsg }, when: 'before' });
    await expect(ask(world, ['PUT', nsg, { location }])).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await ask(world, ['GET', nsg])).status).toBe(404);
  });

  test('hang: no answer until the client gives up', async () => {
    const b = await freshGroup(world);
    await fault({ kind: 'hang', match: { method: 'GET', id: b.base } });
    const { resources } = world.clients();
    await givesUp((abortSignal) => resources.resourceGroups.get(b.base.split('/').at(-1) ?? '', { abortSignal }));
    expect((await ask(world, ['GET', b.base])).status).toBe(200);
  });

  test('hang: nothing is done', async () => {
    const { b, vm } = await machine();
    await ask(world, ['PUT', vm, b.vm()]);
    await settled(world);
    await fault({ kind: 'hang', match: { method: 'POST', id: vm } });
    const { compute } = world.clients();
    const group = b.base.split('/').at(-1) ?? '';
    await givesUp((abortSignal) => compute.virtualMachines.powerOff(group, 'vm', { abortSignal }));
    await settled(world);
    expect(happened).toEqual([]);
    expect(
      (await ask(world, ['GET', `${vm}/instanceView`])).body.statuses.map((s: { code: string }) => s.code),
    ).toEqual(['ProvisioningState/succeeded', 'PowerState/running']);
    expect((await ask(world, ['POST', `${vm}/powerOff`])).status).toBe(202);
    await settled(world);
    expect(happened.at(-1)).toEqual(['vm', 'powerOff']);
  });

  test('slow: the answer comes late', async () => {
    const b = await freshGroup(world);
    await fault({ kind: 'slow', match: { method: 'GET', id: b.base }, seconds: 0.15 });
    const started = performance.now();
    expect((await ask(world, ['GET', b.base])).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThan(140);
  });

  test('failOperation: accepted, then Failed with the code; the resource stays, Failed', async () => {
    const b = await freshGroup(world);
    const ip = b.net('publicIPAddresses', 'ip');
    await fault({
      kind: 'failOperation',
      match: { method: 'PUT', id: ip },
      code: 'NetworkingInternalOperationError',
      message: 'Something broke.',
    });
    const reply = await ask(world, ['PUT', ip, b.publicIp()]);
    expect(reply.status).toBe(201);
    await settled(world);
    expect((await world.send('GET', reply.headers.get('azure-asyncoperation') ?? '')).body).toEqual({
      status: 'Failed',
      error: { code: 'NetworkingInternalOperationError', message: 'Something broke.' },
    });
    expect((await ask(world, ['GET', ip])).body.properties.provisioningState).toBe('Failed');
    expect((await ask(world, ['PUT', ip, b.publicIp()])).status).toBe(200);
    await settled(world);
    expect((await ask(world, ['GET', ip])).body.properties.provisioningState).toBe('Succeeded');
  });

  test('failOperation: of an interface, which is made before the answer, is the answer', async () => {
    const b = await freshGroup(world);
    const nic = b.net('networkInterfaces', 'nic');
    await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    await settled(world);
    await fault({ kind: 'failOperation', match: { method: 'PUT', id: nic } });
    expect(await ask(world, ['PUT', nic, b.nic()])).toMatchObject({
      status: 500,
      body: { error: { code: 'InternalServerError' } },
    });
    expect((await ask(world, ['GET', nic])).body.properties.provisioningState).toBe('Failed');
    expect((await ask(world, ['PUT', nic, b.nic()])).status).toBe(200);
  });

  test.each([
    ['a DELETE', 'DELETE', '', undefined, 202, 'PowerState/running'],
    ['a PATCH', 'PATCH', '', { tags: { a: 'b' } }, 200, 'PowerState/running'],
    ['a restart', 'POST', '/restart', undefined, 202, 'PowerState/running'],
    ['a powerOff', 'POST', '/powerOff', undefined, 202, 'PowerState/running'],
  ])('failOperation: %s of a VM', async (_title, method, action, body, status, power) => {
    const { b, vm } = await machine();
    await ask(world, ['PUT', vm, b.vm()]);
    await settled(world);
    await fault({ kind: 'failOperation', match: { method, id: vm }, code: 'InternalExecutionError' });
    const reply = await ask(world, [method, `${vm}${action}`, body]);
    expect(reply.status).toBe(status);
    await settled(world);
    expect((await world.send('GET', reply.headers.get('azure-asyncoperation') ?? '')).body).toMatchObject({
      status: 'Failed',
      error: { code: 'InternalExecutionError' },
    });
    expect(happened).toEqual([]);
    expect((await ask(world, ['GET', vm])).body.properties.provisioningState).toBe('Failed');
    expect(
      (await ask(world, ['GET', `${vm}/instanceView`])).body.statuses.map((s: { code: string }) => s.code),
    ).toEqual(['ProvisioningState/failed/InternalExecutionError', power]);
    expect((await ask(world, [method, `${vm}${action}`, body])).status).toBe(status);
    await settled(world);
    expect((await ask(world, ['GET', vm])).body.properties?.provisioningState).toBe(
      method === 'DELETE' ? undefined : 'Succeeded',
    );
  });

  test('a reapply ends the Failed state of a VM that runs', async () => {
    const { b, vm } = await machine();
    await ask(world, ['PUT', vm, b.vm()]);
    await settled(world);
    await fault({ kind: 'failOperation', match: { method: 'PATCH', id: vm } });
    await ask(world, ['PATCH', vm, { tags: {} }]);
    await settled(world);
    expect((await ask(world, ['GET', vm])).body.properties.provisioningState).toBe('Failed');
    await ask(world, ['POST', `${vm}/reapply`]);
    await settled(world);
    expect((await ask(world, ['GET', vm])).body.properties.provisioningState).toBe('Succeeded');
    expect(happened).toEqual([['vm', 'reapply']]);
  });

  test.each([
    ['AllocationFailed', undefined, 'PowerState/deallocated'],
    ['ZonalAllocationFailed', 'ZonalAllocationFailed', 'PowerState/deallocated'],
  ])('allocationFailure: %s is shown in the view', async (shown, code, power) => {
    const { b, vm } = await machine();
    await fault({ kind: 'allocationFailure', match: { id: vm }, code });
    await ask(world, ['PUT', vm, b.vm()]);
    await settled(world);
    const view = await ask(world, ['GET', `${vm}/instanceView`]);
    expect(view.body.statuses.map((one: { code: string }) => one.code)).toEqual([
      `ProvisioningState/failed/${shown}`,
      power,
    ]);
  });

  test('OSProvisioningTimedOut: the VM is Failed and runs, and its view says why', async () => {
    const { b, vm } = await machine();
    const message = "OS Provisioning for VM 'vm' did not finish in the allotted time.";
    await fault({ kind: 'failOperation', match: { id: vm }, code: 'OSProvisioningTimedOut', message });
    await ask(world, ['PUT', vm, b.vm()]);
    await settled(world);
    expect((await ask(world, ['GET', `${vm}/instanceView`])).body.statuses).toMatchObject([
      { code: 'ProvisioningState/failed/OSProvisioningTimedOut', level: 'Error', message },
      { code: 'PowerState/running' },
    ]);
  });

  test('a real client throws a plain error with the code in its text', async () => {
    const { b } = await machine();
    await fault({
      kind: 'failOperation',
      match: { type: 'Microsoft.Network/publicIPAddresses' },
      code: 'Broken',
      message: 'For a test.',
    });
    const { network } = world.clients();
    const group = b.base.split('/').at(-1) ?? '';
    const creation = network.publicIPAddresses.createOrUpdate(
      group,
      'ip',
      { location, sku: { name: 'Standard' }, publicIPAllocationMethod: 'Static' },
      { updateIntervalInMs: 5 },
    );
    await expect(creation).rejects.toThrow(/The long-running operation has failed\. Broken\. For a test\./);
  });

  test('allocationFailure: a new VM fails inside its operation and keeps its NIC to itself for a while', async () => {
    const { b, vm } = await machine();
    await fault({ kind: 'allocationFailure', match: { id: vm } });
    const reply = await ask(world, ['PUT', vm, b.vm()]);
    expect(reply.status).toBe(201);
    await settled(world);
    expect((await world.send('GET', reply.headers.get('azure-asyncoperation') ?? '')).body).toMatchObject({
      status: 'Failed',
      error: { code: 'AllocationFailed' },
    });
    expect((await ask(world, ['GET', vm])).body.properties.provisioningState).toBe('Failed');
    const view = await ask(world, ['GET', `${vm}/instanceView`]);
    expect(view.body.statuses.map((one: { code: string }) => one.code)).toEqual([
      'ProvisioningState/failed/AllocationFailed',
      'PowerState/deallocated',
    ]);
  });

  test('allocationFailure: a start fails and leaves the VM deallocated', async () => {
    const { b, vm } = await machine();
    await ask(world, ['PUT', vm, b.vm()]);
    await settled(world);
    await ask(world, ['POST', `${vm}/deallocate`]);
    await settled(world);
    await fault({ kind: 'allocationFailure', match: { type: 'Microsoft.Compute/virtualMachines', action: 'start' } });
    const reply = await ask(world, ['POST', `${vm}/start`]);
    await settled(world);
    expect((await world.send('GET', reply.headers.get('azure-asyncoperation') ?? '')).body.error.code).toBe(
      'AllocationFailed',
    );
    expect(happened.map(([, action]) => action)).not.toContain('start');
    expect((await ask(world, ['GET', `${vm}/instanceView`])).body.statuses[1].code).toBe('PowerState/deallocated');
    expect((await ask(world, ['POST', `${vm}/start`])).status).toBe(202);
    await settled(world);
    expect((await ask(world, ['GET', `${vm}/instanceView`])).body.statuses[1].code).toBe('PowerState/running');
  });
});

test('failOperation: a MySQL server that does not stop is Ready again', async () => {
  const b = await freshGroup(world);
  const server = b.server('unstoppable');
  await ask(world, ['PUT', server, b.mysql()]);
  await settled(world);
  await fault({ kind: 'failOperation', match: { id: server, action: 'stop' } });
  await ask(world, ['POST', `${server}/stop`]);
  await settled(world);
  expect((await ask(world, ['GET', server])).body.properties.state).toBe('Ready');
});

test('failOperation: a MySQL server that was never made is Disabled until a PUT makes it', async () => {
  const b = await freshGroup(world);
  const server = b.server('made-late');
  const state = async () => {
    await settled(world);
    return (await ask(world, ['GET', server])).body.properties.state;
  };
  await fault({ kind: 'failOperation', match: { id: server }, count: 2 });
  for (const expected of ['Disabled', 'Disabled', 'Ready']) {
    expect((await ask(world, ['PUT', server, b.mysql()])).status).toBe(202);
    expect(await state()).toBe(expected);
  }
});

test('after a failed creation the NIC is reserved for that VM for 180 seconds', async () => {
  const clock = stillClock();
  const still = await startWorld({ factor: 1, clock });
  try {
    const b = await freshGroup(still);
    await ask(still, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    await settled(still);
    await ask(still, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
    still.arm.faults.add({ kind: 'allocationFailure', match: {} });
    await ask(still, ['PUT', b.com('virtualMachines', 'vm'), b.vm()]);
    await settled(still);
    await ask(still, ['DELETE', b.com('virtualMachines', 'vm')]);
    await settled(still);
    const remove = () => ask(still, ['DELETE', b.net('networkInterfaces', 'nic')]);
    clock.pass(179);
    expect((await remove()).body.error.code).toBe('NicReservedForAnotherVm');
    clock.pass(2);
    expect((await remove()).status).toBe(202);
  } finally {
    await still.close();
  }
});

describe('what happens to the thing itself', () => {
  test.each(['stop', 'lose'])('%s of a MySQL server reaches its data plane; ARM still says Ready', async (kind) => {
    const b = await freshGroup(world);
    const server = b.server(`broken-by-${kind}`);
    await ask(world, ['PUT', server, b.mysql()]);
    await settled(world);
    expect((await fault({ kind, match: { id: server } })).status).toBe(200);
    expect(happened).toEqual([[`broken-by-${kind}`, `fault:${kind}`]]);
    expect((await ask(world, ['GET', server])).body.properties.state).toBe('Ready');
  });

  test.each(['crash', 'freeze', 'isolate', 'lose'])(
    '%s of a VM reaches its data plane; ARM still says running',
    async (kind) => {
      const { b, vm } = await machine();
      await ask(world, ['PUT', vm, b.vm()]);
      await settled(world);
      expect((await fault({ kind, match: { id: vm } })).status).toBe(200);
      expect(happened).toEqual([['vm', `fault:${kind}`]]);
      expect((await ask(world, ['GET', `${vm}/instanceView`])).body.statuses[1].code).toBe('PowerState/running');
    },
  );

  test('a resource disappears behind our back, whatever uses it', async () => {
    const { b, vm } = await machine();
    await ask(world, ['PUT', vm, b.vm()]);
    await settled(world);
    happened.length = 0;
    expect((await tell('DELETE', `/resources?id=${encodeURIComponent(vm)}`)).status).toBe(200);
    expect(happened).toEqual([['vm', 'remove']]);
    expect((await ask(world, ['GET', vm])).status).toBe(404);
    expect(
      (await tell('DELETE', `/resources?id=${encodeURIComponent(b.net('networkInterfaces', 'nic'))}`)).status,
    ).toBe(200);
  });

  test('a resource or a part of it changes behind our back', async () => {
    const b = await freshGroup(world);
    const nsg = b.net('networkSecurityGroups', 'nsg');
    await ask(world, [
      'PUT',
      nsg,
      { location, tags: { a: 'b' }, properties: { securityRules: [{ name: 'https', ...b.rule() }] } },
    ]);
    await settled(world);
    await tell('PATCH', `/resources?id=${encodeURIComponent(nsg)}`, { tags: { a: 'changed' } });
    const rule = `/resources?id=${encodeURIComponent(`${nsg}/securityRules/https`)}`;
    await tell('PATCH', rule, {
      properties: { access: 'Deny' },
    });
    expect((await ask(world, ['GET', nsg])).body).toMatchObject({
      tags: { a: 'changed' },
      properties: { securityRules: [{ properties: { access: 'Deny', priority: 100 } }] },
    });
    await tell('DELETE', rule);
    expect((await ask(world, ['GET', nsg])).body.properties.securityRules).toEqual([]);
  });
});

test('operations are listed with their times', async () => {
  const b = await freshGroup(world);
  const ip = b.net('publicIPAddresses', 'ip');
  await ask(world, ['PUT', ip, b.publicIp()]);
  await settled(world);
  const { value } = (await tell('GET', '/operations')).body;
  expect(value.find((one: { resourceId: string }) => one.resourceId === ip)).toMatchObject({
    method: 'PUT',
    status: 'Succeeded',
    start: expect.any(String),
    end: expect.any(String),
    seconds: expect.any(Number),
    modelledSeconds: 0,
  });
});

test('thousands of resources can be stored for measuring', async () => {
  const b = await freshGroup(world);
  const value = Array.from({ length: 500 }, (_, i) => ({
    id: b.com('virtualMachines', `seed-${i}`),
    name: `seed-${i}`,
    type: 'Microsoft.Compute/virtualMachines',
    location,
    properties: { provisioningState: 'Succeeded', vmId: `${i}` },
  }));
  expect((await tell('PUT', '/resources', { value })).body).toEqual({ stored: 500 });
  const { compute } = world.clients();
  let [pages, machines] = [0, 0];
  for await (const page of compute.virtualMachines.listAll({ statusOnly: 'true' }).byPage()) {
    pages += 1;
    machines += page.filter((one) => one.name?.startsWith('seed-')).length;
  }
  expect(machines).toBe(500);
  expect(pages).toBe(3);
});

test('what makes no sense is refused with the reason', async () => {
  expect(await fault({ kind: 'explode' })).toMatchObject({
    status: 400,
    body: { error: { message: expect.stringContaining("'kind' must be one of") } },
  });
  expect(await fault({ kind: 'throttle', count: 0 })).toMatchObject({ status: 400 });
  expect(await fault({ kind: 'crash', match: { id: '/nowhere' } })).toMatchObject({ status: 404 });
  expect(await tell('GET', '/nothing')).toMatchObject({ status: 404 });
});

test('Resource Health says what it is told to', async () => {
  const { b, vm } = await machine();
  await ask(world, ['PUT', vm, b.vm()]);
  await settled(world);
  const health = async () =>
    (await ask(world, ['GET', `${vm}/providers/Microsoft.ResourceHealth/availabilityStatuses/current`])).body
      .properties;
  expect(await health()).toMatchObject({ availabilityState: 'Available' });
  const said = { availabilityState: 'Unavailable', context: 'Platform Initiated', reasonType: 'Unplanned' };
  await tell('PUT', '/health', { id: vm, ...said });
  expect(await health()).toMatchObject(said);
});

test('options change while it runs, and only known ones', async () => {
  expect((await tell('PATCH', '/options', { coreQuota: 2 })).body).toMatchObject({ coreQuota: 2 });
  const { b, vm } = await machine();
  await ask(world, ['PUT', vm, b.vm()]);
  const reply = await ask(world, ['PUT', vm, b.vm({ hardwareProfile: { vmSize: 'Standard_B4ms' } })]);
  expect([reply.status, reply.body.error.code]).toEqual([409, 'OperationNotAllowed']);
  expect(reply.body.error.message).toMatch(/exceeding approved Total Regional Cores quota.*Current Limit: 2/);
  await settled(world);
  expect((await tell('PATCH', '/options', { coreQuota: 100 })).status).toBe(200);
  expect(await tell('PATCH', '/options', { coreQuota: 'many' })).toMatchObject({ status: 400 });
  expect(await tell('PATCH', '/options', { gravity: 1 })).toMatchObject({ status: 400 });
});

test('a namespace that is not registered takes no writes until it is', async () => {
  const b = await freshGroup(world);
  const { resources } = world.clients();
  await tell('PATCH', '/options', { unregistered: ['Microsoft.Network'] });
  const refused = await ask(world, ['PUT', b.net('networkSecurityGroups', 'nsg'), { location }]);
  expect([refused.status, refused.body.error.code]).toEqual([409, 'MissingSubscriptionRegistration']);
  expect((await resources.providers.get('Microsoft.Network')).registrationState).toBe('NotRegistered');
  await resources.providers.register('Microsoft.Network');
  expect((await ask(world, ['PUT', b.net('networkSecurityGroups', 'nsg'), { location }])).status).toBe(201);
});

test('connectivity is asked of the network', async () => {
  expect((await tell('POST', '/connectivity', { from: 'a', to: 'b', port: 443 })).body).toEqual({
    result: 'open',
    detail: 'a b 443',
  });
});
