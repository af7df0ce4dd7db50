import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { random } from '../faults/random.ts';
import { arm, ownedResources } from './azure.ts';
import { openWorld, spec, type World, writesOf } from './world.ts';

/** Kills come at moments drawn from this seed; `SEED=… npm test` repeats a run. */
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

let world: World;
beforeAll(async () => {
  world = await openWorld();
}, 120_000);
afterAll(() => world?.close());

/** Type and name, without what is hashed or drawn. */
const shortName = (id: string): string =>
  id
    .replace(/^.*\/(?:providers\/Microsoft\.\w+|subscriptions\/[^/]+)\//, '')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{12}/g, '*');

/** Everything that a jump server of two nodes has in Azure, each once. */
const whole = [
  'availabilitySets/crash-set',
  'disks/crash-1-osdisk',
  'disks/crash-2-osdisk',
  'flexibleServers/crash-*',
  'loadBalancers/crash-lb',
  'networkInterfaces/crash-1-nic',
  'networkInterfaces/crash-2-nic',
  'networkInterfaces/crash-control-endpoint.nic.*',
  'networkInterfaces/crash-mysql-endpoint.nic.*',
  'networkSecurityGroups/crash-data-nsg',
  'networkSecurityGroups/crash-web-nsg',
  'privateDnsZones/privatelink.mysql.database.azure.com',
  'privateDnsZones/privatelink.mysql.database.azure.com/virtualNetworkLinks/crash-vnet',
  'privateEndpoints/crash-control-endpoint',
  'privateEndpoints/crash-mysql-endpoint',
  'publicIPAddresses/crash-ip',
  'resourceGroups/molcajete-crash',
  'userAssignedIdentities/crash-nodes',
  'vaults/crash-*',
  'virtualMachines/crash-1',
  'virtualMachines/crash-2',
  'virtualNetworks/crash-vnet',
];

/** How many role assignments there are on the vault of the jump server. */
async function vaultRoles(): Promise<number> {
  const { body } = await arm(world, 'GET', '/providers/Microsoft.Authorization/roleAssignments', '2022-04-01');
  const on = (body.value as { properties: { scope: string } }[]).map(({ properties }) => properties.scope);
  return on.filter((scope) => /\/vaults\/crash-/i.test(scope)).length;
}

/** Kills the host three times while the operation runs and brings it back each time. */
async function killThrice(draw: () => number): Promise<void> {
  for (let kill = 0; kill < 3; kill++) {
    await delay(300 + draw() * 2_500);
    await world.stack.killHost();
    await world.stack.restartHost();
  }
}

test('a canceled operation stops before its next write, and says so', async () => {
  const put = await world.call('PUT', '/jump-servers/crash', { body: spec() });
  const url = put.headers.get('operation-location') ?? '';
  const canceled = await world.call('POST', `${url}/cancel`);
  expect(canceled.status, canceled.text).toBe(202);
  expect((await world.follow(url)).status).toBe('Canceled');
  expect((await world.call('GET', '/jump-servers/crash')).body.status.state).toBe('Failed');
  expect((await world.call('POST', `${url}/cancel`)).status).toBe(409);
});

test(`a host killed at any moment carries on: nothing twice, nothing orphaned (seed ${seed})`, async () => {
  console.log(`seed ${seed}`);
  const draw = random(seed);
  const put = await world.call('PUT', '/jump-servers/crash', { body: spec() });
  expect(put.status, put.text).toBe(202);
  await killThrice(draw);
  const made = await world.follow(put.headers.get('operation-location') ?? '');
  expect(made.error).toBeUndefined();
  expect(made.status).toBe('Succeeded');
  // A second PUT of one resource is allowed (a write whose answer was lost); a second resource is not.
  const owned = await ownedResources(world, 'crash');
  expect(owned.map(shortName).sort()).toEqual(whole);
  expect(await vaultRoles()).toBe(1);

  const before = (await world.armRows()).length;
  const again = await world.call('PUT', '/jump-servers/crash', {
    body: (await world.call('GET', '/jump-servers/crash')).body.spec,
  });
  expect(again.status).toBe(200);
  expect(writesOf((await world.armRows()).slice(before))).toEqual([]);

  const gone = await world.call('DELETE', '/jump-servers/crash');
  await killThrice(draw);
  const removed = await world.follow(gone.headers.get('operation-location') ?? '');
  expect(removed.error).toBeUndefined();
  expect(removed.status).toBe('Succeeded');
  expect(await ownedResources(world, 'crash')).toEqual([]);
});
