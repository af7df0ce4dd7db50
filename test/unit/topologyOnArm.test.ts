import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtInRoles } from '../../local/azure/arm/roles.ts';
import { armStep, createWrites } from '../../shared/azure/armStep.ts';
import type { AzureClients } from '../../shared/azure/clients.ts';
import { walk } from '../../shared/azure/engine.ts';

import type { Resource } from '../../shared/azure/resource.ts';
import { apiVersions } from '../../shared/azure/resources/apiVersions.ts';
import type { JumpServerSpec } from '../../shared/spec.ts';
import { topology } from '../../shared/topology.ts';
import { owner, startWorld, subscriptionId, tenantId, type World } from '../arm/world.ts';
import type { Sent } from './azureStub.ts';
import { diagnose } from './bicep.ts';
import { environment as sampleEnvironment, specOf, specWith } from './sample.ts';

const control = `/subscriptions/${subscriptionId}/resourceGroups/molcajete-control`;
const servers = `/subscriptions/${subscriptionId}/resourceGroups/molcajete-control/providers/Microsoft.Network/virtualNetworks/servers`;
const environment = {
  ...sampleEnvironment,
  subscriptionId,
  tenantId,
  endpointSubnetId: `${control}/providers/Microsoft.Network/virtualNetworks/control-vnet/subnets/endpoints`,
  dnsZoneId: `${control}/providers/Microsoft.Network/privateDnsZones/privatelink.mysql.database.azure.com`,
};

const everything = specWith({
  network: { ddosProtection: true, peerings: [{ virtualNetworkId: servers }] },
  ingress: { dnsLabel: 'demo-door' },
  database: { sku: 'Standard_D2ads_v5', highAvailability: 'SameZone' },
  tags: { cost: 'it' },
});

let world: World;
let azure: AzureClients;

/** The control plane has the rights that its deployment gives it, and no others. */
const controlPlane = {
  principal: '44444444-4444-4444-8444-444444444444',
  role: { id: '55555555-5555-4555-8555-555555555555', name: 'Molcajete control plane', actions: deployedActions() },
};

beforeAll(async () => {
  builtInRoles.push(controlPlane.role);
  world = await startWorld();
  await seedControl(clientsOf(owner));
  world.arm.assign(controlPlane.principal, controlPlane.role.id, `/subscriptions/${subscriptionId}`);
  azure = clientsOf(controlPlane.principal);
});
afterAll(() => world.close());

test('the topology is made, changed and taken down on the local Resource Manager with no more rights than the deployment gives', {
  timeout: 120_000,
}, async () => {
  const before = requests().length;
  expect(await ensureAll(everything)).toEqual(graph(everything).map(({ key }) => key));
  expect(await ensureAll(everything)).toEqual([]);

  const changed = specWith({
    network: {
      allowedSources: ['203.0.113.0/24', '192.0.2.0/24'],
      addressSpace: ['10.20.0.0/16', '10.40.0.0/16'],
      peerings: [{ virtualNetworkId: servers }],
    },
    web: { count: 3 },
    ingress: { port: 8443 },
    database: { sku: 'Standard_D2ads_v5', storageGb: 64 },
    tags: { cost: 'it' },
  });
  expect(await ensureAll(changed)).toEqual([
    'mysqlServer',
    'webNetworkSecurityGroup',
    'virtualNetwork',
    'publicIpAddress',
    'loadBalancer',
    'node-3/networkInterface',
    'node-3/virtualMachine',
  ]);
  expect(await ensureAll(changed)).toEqual([]);
  await lookAndRepair();

  for (const one of [...graph(everything), ...graph(changed).slice(-2)].reverse()) await remove(one);
  const left: string[] = [];
  for await (const { id } of clientsOf(owner).resources.resources.list()) left.push(id ?? '');
  expect(left.filter((id) => !id.startsWith(control))).toEqual([]);
  expect(left.filter((id) => id.includes('demo'))).toEqual([]);

  // A network that is just being changed is a 429, which the engine tries again.
  const refused = requests().filter(({ status }) => status >= 400 && ![401, 404, 429].includes(status));
  expect(refused.map(({ method, url, status }) => `${method} ${url} ${status}`)).toEqual([]);
  bodies.push(...requests().slice(before));
});

const bodies: Sent[] = [];
const compiler = new URL('../../../shared/tools/bicep', import.meta.url).pathname;

test.skipIf(!existsSync(compiler))('every body that it accepted fits the types of Azure', { timeout: 120_000 }, () => {
  expect(bodies.length).toBeGreaterThan(30);
  const accepted = bodies.filter(({ method, body, status }) => method === 'PUT' && body !== undefined && status < 400);
  expect(diagnose(compiler, accepted)).toEqual([]);
});

const graph = (spec: JumpServerSpec): Resource[] => topology('demo', spec, environment);

/** Walks the graph with the engine itself. Returns the keys of what was written, in the graph's order. */
async function ensureAll(spec: JumpServerSpec): Promise<string[]> {
  const before = requests().length;
  const writes = createWrites();
  const { failures, pending } = await walk({
    steps: graph(spec).map((one) => armStep(one, azure, writes)),
    done: {},
    budget: 90_000,
    permit: async () => {},
    record: async () => {},
    now: () => new Date(),
  });
  expect({ failures, pending }).toEqual({ failures: [], pending: {} });
  const written = new Set(
    requests()
      .slice(before)
      .filter(({ method, status }) => ['PUT', 'PATCH'].includes(method) && status < 400)
      .map(({ id }) => id.toLowerCase()),
  );
  return graph(spec)
    .filter(({ id }) => written.has(id.toLowerCase()))
    .map(({ key }) => key);
}

async function remove({ id, type }: Resource): Promise<void> {
  await azure.resources.resources.beginDeleteByIdAndWait(id, apiVersions[type] ?? '', { updateIntervalInMs: 5 });
}

/** What healing, scaling and rotation ask of a jump server beside writing its resources. */
async function lookAndRepair(): Promise<void> {
  const { compute, mysql, resources } = azure;
  const { resourceGroup } = specOf();
  const idOf = (key: string): string => graph(everything).find((one) => one.key === key)?.id ?? '';
  const nameOf = (key: string): string => idOf(key).split('/').at(-1) ?? '';
  const vm = [resourceGroup, nameOf('node-1/virtualMachine')] as const;
  const machines = compute.virtualMachines;
  const fast = { updateIntervalInMs: 5 };
  await machines.restart(...vm, fast);
  await machines.redeploy(...vm, fast);
  await machines.reapply(...vm, fast);
  await machines.runCommand(...vm, { commandId: 'RunShellScript', script: ['true'] }, fast);
  await machines.deallocate(...vm, fast);
  await machines.start(...vm, fast);
  await machines.get(...vm, { expand: 'instanceView' });
  await machines.instanceView(...vm);
  for await (const _ of machines.listAll({ statusOnly: 'true' })) break;
  await mysql.servers.beginRestartAndWait(resourceGroup, nameOf('mysqlServer'), {}, fast);
  await mysql.servers.beginStopAndWait(resourceGroup, nameOf('mysqlServer'), fast);
  await mysql.servers.beginStartAndWait(resourceGroup, nameOf('mysqlServer'), fast);
  const health = `${idOf('node-1/virtualMachine')}/providers/Microsoft.ResourceHealth/availabilityStatuses/current`;
  await resources.resources.getById(health, '2025-05-01');
  for await (const _ of resources.resources.listByResourceGroup(resourceGroup)) break;
  await resources.resourceGroups.update(resourceGroup, { tags: { cost: 'it' } });
}

function deployedActions(): string[] {
  const rights = readFileSync(new URL('../../infra/rights.json', import.meta.url), 'utf8');
  return (JSON.parse(rights) as { actions: string[] }).actions;
}

function clientsOf(principal: string): AzureClients {
  const { msi, keyVault, dns, ...same } = world.clients(principal);
  return { ...same, identities: msi, keyVaults: keyVault, privateDns: dns };
}

/** What the landing zone makes before the first jump server. */
async function seedControl({ network, privateDns, resources }: AzureClients): Promise<void> {
  const { location } = specOf();
  await resources.resourceGroups.createOrUpdate('molcajete-control', { location });
  const [addressPrefix, addressSpace] = ['10.0.0.0/24', { addressPrefixes: ['10.0.0.0/24'] }];
  const subnets = [{ name: 'endpoints', addressPrefix }];
  await network.virtualNetworks.createOrUpdate('molcajete-control', 'control-vnet', {
    location,
    addressSpace,
    subnets,
  });
  const theirs = { location, addressSpace: { addressPrefixes: ['10.99.0.0/16'] } };
  await network.virtualNetworks.createOrUpdate('molcajete-control', 'servers', theirs);
  const zone = 'privatelink.mysql.database.azure.com';
  await privateDns.privateZones.beginCreateOrUpdateAndWait('molcajete-control', zone, { location: 'global' });
}

/** The trace of the local Resource Manager: what arrived on the wire. */
function requests(): Sent[] {
  const lines = readFileSync(world.traceFile, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const row = JSON.parse(line) as Omit<Sent, 'id'>;
    const id = decodeURIComponent(row.url.split('?')[0] ?? '').replace(/\/+/g, '/');
    return { ...row, id };
  });
}
