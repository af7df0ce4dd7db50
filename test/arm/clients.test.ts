import { restorePoller } from '@azure/arm-network';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, freshGroup, settled } from './rules.ts';
import { location, startWorld, tenantId, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  const act = async (_resource: unknown, action: string) => {
    if (action.endsWith('/health'))
      return {
        up: 1,
        down: 0,
        loadBalancerBackendAddresses: [{ ipAddress: '10.0.1.4', state: 'Up', reason: 'Up_Probe_Success' }],
      };
    if (action === 'runCommand') return { value: [{ code: 'ComponentStatus/StdOut/succeeded', message: 'done' }] };
    if (action === 'instanceView')
      return {
        vmAgent: { vmAgentVersion: '2.9', statuses: [{ code: 'ProvisioningState/succeeded', displayStatus: 'Ready' }] },
      };
    return undefined;
  };
  const plane = { apply: async () => undefined, remove: async () => {}, act };
  world = await startWorld(
    {},
    { 'microsoft.network/loadbalancers': plane, 'microsoft.compute/virtualmachines': plane },
  );
});
afterAll(() => world.close());

const fast = { updateIntervalInMs: 5 };

async function scene() {
  const b = await freshGroup(world);
  for (const [path, body] of [
    [b.net('publicIPAddresses', 'ip'), b.publicIp()],
    [b.net('virtualNetworks', 'vnet'), b.vnet()],
    [b.net('loadBalancers', 'lb'), b.balancer()],
    [
      b.net('networkInterfaces', 'nic'),
      b.nic({ loadBalancerBackendAddressPools: [{ id: `${b.net('loadBalancers', 'lb')}/backendAddressPools/pool` }] }),
    ],
    [b.com('virtualMachines', 'vm'), b.vm()],
  ] as const) {
    expect((await ask(world, ['PUT', path, body])).status).toBeLessThan(300);
    await settled(world);
  }
  return { b, group: b.base.split('/').at(-1) ?? '' };
}

test('arm-compute: every action of a VM, its view, sizes and usages', async () => {
  const { group } = await scene();
  const { compute } = world.clients();
  const power = async () => (await compute.virtualMachines.instanceView(group, 'vm')).statuses?.at(-1)?.code;
  await compute.virtualMachines.restart(group, 'vm', fast);
  await compute.virtualMachines.redeploy(group, 'vm', fast);
  await compute.virtualMachines.reapply(group, 'vm', fast);
  await compute.virtualMachines.reimage(group, 'vm', fast);
  const output = await compute.virtualMachines.runCommand(
    group,
    'vm',
    { commandId: 'RunShellScript', script: ['true'] },
    fast,
  );
  expect(output.value?.[0]?.message).toBe('done');
  expect((await compute.virtualMachines.instanceView(group, 'vm')).vmAgent?.statuses?.[0]?.displayStatus).toBe('Ready');
  await compute.virtualMachines.powerOff(group, 'vm', { ...fast, skipShutdown: true });
  expect(await power()).toBe('PowerState/stopped');
  await compute.virtualMachines.deallocate(group, 'vm', fast);
  expect(await power()).toBe('PowerState/deallocated');
  await compute.virtualMachines.start(group, 'vm', fast);
  expect(await power()).toBe('PowerState/running');
  expect((await compute.virtualMachines.update(group, 'vm', { tags: { a: 'b' } }, fast)).tags).toEqual({ a: 'b' });
  expect(
    (await compute.virtualMachines.get(group, 'vm', { expand: 'instanceView' })).instanceView?.statuses,
  ).toHaveLength(2);
  const { etag } = await compute.virtualMachines.get(group, 'vm');
  const stale = compute.virtualMachines.update(group, 'vm', { tags: {} }, { ...fast, ifMatch: 'W/"stale"' });
  await expect(stale).rejects.toMatchObject({ statusCode: 412 });
  await compute.virtualMachines.update(group, 'vm', { tags: { a: 'c' } }, { ...fast, ifMatch: etag });
  const skus = [];
  for await (const sku of compute.resourceSkus.list({ filter: `location eq '${location}'` })) skus.push(sku.name);
  expect(skus).toContain('Standard_B2s');
  const used = [];
  for await (const usage of compute.usage.list(location)) used.push(usage.name?.value);
  expect(used).toContain('cores');
  await compute.virtualMachines.delete(group, 'vm', { ...fast, forceDeletion: true });
  await expect(compute.virtualMachines.get(group, 'vm')).rejects.toMatchObject({
    statusCode: 404,
    code: 'ResourceNotFound',
  });
});

test('arm-network: the health of a rule, tags, parts and deletes', async () => {
  const { group } = await scene();
  const { network, compute } = world.clients();
  const health = await network.loadBalancerLoadBalancingRules.health(group, 'lb', 'rule', fast);
  expect(health).toMatchObject({
    up: 1,
    down: 0,
    loadBalancerBackendAddresses: [{ ipAddress: '10.0.1.4', state: 'Up', reason: 'Up_Probe_Success' }],
  });
  expect((await network.virtualNetworks.updateTags(group, 'vnet', { tags: { a: 'b' } })).tags).toEqual({ a: 'b' });
  expect(
    (await network.subnets.createOrUpdate(group, 'vnet', 'data', { addressPrefix: '10.0.2.0/24' }, fast))
      .provisioningState,
  ).toBe('Succeeded');
  await network.subnets.delete(group, 'vnet', 'data', fast);
  const rules = await network.networkInterfaces.listEffectiveNetworkSecurityGroups(group, 'nic', fast);
  expect(rules.value).toEqual([]);
  const routes = await network.networkInterfaces.getEffectiveRouteTable(group, 'nic', fast);
  expect(routes.value?.map((route) => route.nextHopType)).toEqual(['VnetLocal', 'Internet']);
  const pool = await network.loadBalancerBackendAddressPools.get(group, 'lb', 'pool');
  const down = {
    ...pool,
    loadBalancerBackendAddresses: pool.loadBalancerBackendAddresses?.map((one) => ({ ...one, adminState: 'Down' })),
  };
  const written = await network.loadBalancerBackendAddressPools.createOrUpdate(group, 'lb', 'pool', down, fast);
  expect(written.loadBalancerBackendAddresses?.[0]?.adminState).toBe('Down');
  await expect(network.networkInterfaces.delete(group, 'nic', fast)).rejects.toMatchObject({
    statusCode: 400,
    code: 'NicInUse',
  });
  await compute.virtualMachines.delete(group, 'vm', fast);
  await network.networkInterfaces.delete(group, 'nic', fast);
  await network.loadBalancers.delete(group, 'lb', fast);
  await network.publicIPAddresses.delete(group, 'ip', fast);
  await network.virtualNetworks.delete(group, 'vnet', fast);
  const left = [];
  for await (const one of network.virtualNetworks.list(group)) left.push(one.name);
  expect(left).toEqual([]);
});

test('arm-network: a poller is carried over as text', async () => {
  const b = await freshGroup(world);
  const { network } = world.clients();
  const poller = network.publicIPAddresses.createOrUpdate(
    b.base.split('/').at(-1) ?? '',
    'ip',
    { location, sku: { name: 'Standard' }, publicIPAllocationMethod: 'Static' },
    fast,
  );
  await poller.submitted();
  const text = await poller.serialize();
  const restored = restorePoller(network, text, network.publicIPAddresses.createOrUpdate, fast);
  expect((await restored).provisioningState).toBe('Succeeded');
});

test('arm-mysql-flexible: stop, start, restart, parameters, databases', async () => {
  const b = await freshGroup(world);
  const group = b.base.split('/').at(-1) ?? '';
  const { mysql } = world.clients();
  const intervalInMs = { updateIntervalInMs: 5 };
  await mysql.servers.beginCreateAndWait(
    group,
    'sdk-server',
    {
      location,
      sku: { name: 'Standard_B1ms', tier: 'Burstable' },
      administratorLogin: 'dbadmin',
      administratorLoginPassword: 'Val1d-Pass-word',
      version: '8.0.21',
    },
    intervalInMs,
  );
  await mysql.servers.beginStopAndWait(group, 'sdk-server', intervalInMs);
  expect((await mysql.servers.get(group, 'sdk-server')).state).toBe('Stopped');
  await expect(mysql.configurations.get(group, 'sdk-server', 'require_secure_transport')).rejects.toMatchObject({
    statusCode: 409,
    code: 'ServerUnavailableForOperation',
  });
  await mysql.servers.beginStartAndWait(group, 'sdk-server', intervalInMs);
  await mysql.servers.beginRestartAndWait(group, 'sdk-server', { restartWithFailover: 'Disabled' }, intervalInMs);
  await mysql.servers.beginUpdateAndWait(
    group,
    'sdk-server',
    { administratorLoginPassword: 'An0ther-Pass-word' },
    intervalInMs,
  );
  await mysql.configurations.beginUpdateAndWait(
    group,
    'sdk-server',
    'max_connections',
    { value: '400', source: 'user-override' },
    intervalInMs,
  );
  expect((await mysql.configurations.get(group, 'sdk-server', 'max_connections')).value).toBe('400');
  await mysql.configurations.beginBatchUpdateAndWait(
    group,
    'sdk-server',
    { value: [{ name: 'wait_timeout', value: '60' }] },
    intervalInMs,
  );
  expect((await mysql.configurations.get(group, 'sdk-server', 'wait_timeout')).value).toBe('60');
  await mysql.databases.beginCreateOrUpdateAndWait(
    group,
    'sdk-server',
    'guacamole',
    { charset: 'utf8mb4', collation: 'utf8mb4_bin' },
    intervalInMs,
  );
  expect((await mysql.databases.get(group, 'sdk-server', 'guacamole')).collation).toBe('utf8mb4_bin');
  await mysql.servers.beginDeleteAndWait(group, 'sdk-server', intervalInMs);
  await expect(mysql.servers.get(group, 'sdk-server')).rejects.toMatchObject({ statusCode: 404 });
});

test('arm-mysql-flexible: what a region offers', async () => {
  const { mysql } = world.clients();
  const zones = [];
  for await (const zone of mysql.locationBasedCapabilities.list(location)) zones.push(zone);
  expect(zones.map(({ zone }) => zone)).toEqual(['1', '2', '3']);
  const [burstable] = zones[0]?.supportedFlexibleServerEditions ?? [];
  expect(burstable).toMatchObject({ name: 'Burstable', supportedStorageEditions: [{ minBackupRetentionDays: 1 }] });
  expect(burstable?.supportedServerVersions?.map(({ name }) => name)).toContain('8.4');
  expect(burstable?.supportedServerVersions?.[0]?.supportedSkus?.[0]).toMatchObject({
    name: 'Standard_B1ms',
    vCores: 1,
  });
});

test('arm-keyvault: delete, recover, delete, purge', async () => {
  const b = await freshGroup(world);
  const group = b.base.split('/').at(-1) ?? '';
  const { keyVault } = world.clients();
  const body = { location, properties: { tenantId, sku: { family: 'A', name: 'standard' } } } as const;
  await keyVault.vaults.createOrUpdate(group, 'sdk-vault', body, fast);
  await keyVault.vaults.delete(group, 'sdk-vault');
  await expect(keyVault.vaults.createOrUpdate(group, 'sdk-vault', body, fast)).rejects.toMatchObject({
    statusCode: 409,
  });
  expect((await keyVault.vaults.getDeleted('sdk-vault', location)).properties?.vaultId).toContain('sdk-vault');
  await keyVault.vaults.createOrUpdate(
    group,
    'sdk-vault',
    { ...body, properties: { ...body.properties, createMode: 'recover' } },
    fast,
  );
  await keyVault.vaults.delete(group, 'sdk-vault');
  await keyVault.vaults.purgeDeleted('sdk-vault', location, fast);
  await expect(keyVault.vaults.getDeleted('sdk-vault', location)).rejects.toMatchObject({ statusCode: 404 });
});

test('arm-resources: by-id reads, existence, deletes of what the typed clients lack', async () => {
  const b = await freshGroup(world);
  const group = b.base.split('/').at(-1) ?? '';
  const { resources, dns } = world.clients();
  const id = b.server('by-id');
  await resources.resources.beginCreateOrUpdateByIdAndWait(id, '2024-12-30', b.mysql(), fast);
  expect((await resources.resources.getById(id, '2024-12-30')).properties).toMatchObject({ state: 'Ready' });
  expect((await resources.resourceGroups.checkExistence(group)).body).toBe(true);
  expect((await resources.resourceGroups.checkExistence('missing')).body).toBe(false);
  await resources.resources.beginDeleteByIdAndWait(id, '2024-12-30', fast);
  await dns.privateZones.beginCreateOrUpdateAndWait(group, 'example.com', { location: 'global' }, fast);
  await dns.recordSets.createOrUpdate(group, 'example.com', 'A', 'host', {
    ttl: 60,
    aRecords: [{ ipv4Address: '10.0.0.9' }],
  });
  const stale = dns.recordSets.delete(group, 'example.com', 'A', 'host', { ifMatch: 'stale' });
  await expect(stale).rejects.toMatchObject({ statusCode: 412 });
  const { etag } = await dns.recordSets.get(group, 'example.com', 'A', 'host');
  await dns.recordSets.delete(group, 'example.com', 'A', 'host', { ifMatch: etag });
  await dns.privateZones.beginDeleteAndWait(group, 'example.com', fast);
  await resources.resourceGroups.beginDeleteAndWait(group, fast);
  expect((await resources.resourceGroups.checkExistence(group)).body).toBe(false);
});
