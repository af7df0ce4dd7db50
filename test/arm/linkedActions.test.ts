import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allKinds } from '../../local/azure/arm/arm.ts';
import type { Bodies } from './bodies.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { location, startWorld, subscriptionId, type World } from './world.ts';

let world: World;
/** The group whose resources the others name. */
let theirs: Bodies;
beforeAll(async () => {
  world = await startWorld();
  theirs = await freshGroup(world);
  const t = theirs;
  const nat = { protocol: 'Tcp', frontendPort: 50_000, backendPort: 22 };
  const front = { id: `${t.net('loadBalancers', 'lb')}/frontendIPConfigurations/front` };
  const inboundNatRules = [{ name: 'nat', properties: { ...nat, frontendIPConfiguration: front } }];
  await made([
    [t.net('networkSecurityGroups', 'nsg'), { location }],
    [t.net('ddosProtectionPlans', 'plan'), { location }],
    [t.net('publicIPAddresses', 'ip'), t.publicIp()],
    [t.net('publicIPAddresses', 'ip-nat'), t.publicIp()],
    [t.net('publicIPAddresses', 'ip-nic'), t.publicIp()],
    [t.net('publicIPAddresses', 'ip-lb'), t.publicIp()],
    [t.net('natGateways', 'nat'), { location, sku: { name: 'Standard' } }],
    [t.net('virtualNetworks', 'vnet'), t.vnet()],
    [t.net('loadBalancers', 'lb'), t.balancer({}, { inboundNatRules })],
    [t.net('networkInterfaces', 'nic'), t.nic()],
    [t.net('privateDnsZones', 'example.com'), { location: 'global' }],
    [t.com('availabilitySets', 'set'), { location, sku: { name: 'Aligned' } }],
    [t.id('Microsoft.ManagedIdentity/userAssignedIdentities', 'identity'), { location }],
    [t.server('linked-db'), t.mysql()],
  ]);
});
afterAll(() => world.close());

type Write = [path: string, body: unknown];

async function made(writes: Write[]): Promise<void> {
  for (const [path, body] of writes) {
    const reply = await ask(world, ['PUT', path, body]);
    expect(reply.status, `${path}: ${JSON.stringify(reply.body)}`).toBeLessThan(300);
    await settled(world);
  }
}

const subnet = () => ({ id: `${theirs.net('virtualNetworks', 'vnet')}/subnets/web` });
const net = (type: string, name: string) => ({ id: theirs.net(type, name) });
const network = (b: Bodies, properties: object, more: object = {}): Write => [
  b.net('virtualNetworks', 'vnet'),
  b.vnet(more, [{ name: 'web', ...b.subnet('10.0.1.0/24', properties) }]),
];
/** An interface of ours in their network. */
const nic = (b: Bodies, properties: object = {}, more: object = {}): Write => [
  b.net('networkInterfaces', 'nic'),
  theirs.nic(properties, more),
];
const front = (b: Bodies, properties: object): Write => [
  b.net('loadBalancers', 'lb'),
  { location, sku: { name: 'Standard' }, properties: { frontendIPConfigurations: [{ name: 'front', properties }] } },
];
const vm = (b: Bodies, properties: object, more: object = {}): Write => [
  b.com('virtualMachines', 'vm'),
  b.vm(properties, more),
];
const endpoint = (b: Bodies): Write => [
  b.net('privateEndpoints', 'endpoint'),
  theirs.endpoint(theirs.server('linked-db')),
];

/** Every reference that needs a permission on what it names: what is there before, and the write that names it. */
const rows: Record<string, (b: Bodies) => Write[]> = {
  'Microsoft.Network/virtualNetworks properties.subnets[].properties.networkSecurityGroup': (b) => [
    network(b, { networkSecurityGroup: net('networkSecurityGroups', 'nsg') }),
  ],
  'Microsoft.Network/virtualNetworks properties.subnets[].properties.natGateway': (b) => [
    network(b, { natGateway: net('natGateways', 'nat') }),
  ],
  'Microsoft.Network/virtualNetworks properties.ddosProtectionPlan': (b) => [
    network(b, {}, { ddosProtectionPlan: net('ddosProtectionPlans', 'plan') }),
  ],
  'Microsoft.Network/virtualNetworks properties.virtualNetworkPeerings[].properties.remoteVirtualNetwork': (b) => [
    [
      b.net('virtualNetworks', 'vnet'),
      {
        location,
        properties: {
          addressSpace: { addressPrefixes: ['10.9.0.0/16'] },
          virtualNetworkPeerings: [{ name: 'p', properties: { remoteVirtualNetwork: net('virtualNetworks', 'vnet') } }],
        },
      },
    ],
  ],
  'Microsoft.Network/publicIPAddresses properties.ddosSettings.ddosProtectionPlan': (b) => [
    [
      b.net('publicIPAddresses', 'ip'),
      b.publicIp({
        ddosSettings: { protectionMode: 'Enabled', ddosProtectionPlan: net('ddosProtectionPlans', 'plan') },
      }),
    ],
  ],
  'Microsoft.Network/natGateways properties.publicIpAddresses[]': (b) => [
    [
      b.net('natGateways', 'nat'),
      { location, sku: { name: 'Standard' }, properties: { publicIpAddresses: [net('publicIPAddresses', 'ip-nat')] } },
    ],
  ],
  'Microsoft.Network/networkInterfaces properties.ipConfigurations[].properties.subnet': (b) => [nic(b)],
  'Microsoft.Network/networkInterfaces properties.ipConfigurations[].properties.publicIPAddress': (b) => [
    nic(b, { publicIPAddress: net('publicIPAddresses', 'ip-nic') }),
  ],
  'Microsoft.Network/networkInterfaces properties.ipConfigurations[].properties.loadBalancerBackendAddressPools[]': (
    b,
  ) => [nic(b, { loadBalancerBackendAddressPools: [net('loadBalancers', 'lb/backendAddressPools/pool')] })],
  'Microsoft.Network/networkInterfaces properties.ipConfigurations[].properties.loadBalancerInboundNatRules[]': (b) => [
    nic(b, { loadBalancerInboundNatRules: [net('loadBalancers', 'lb/inboundNatRules/nat')] }),
  ],
  'Microsoft.Network/networkInterfaces properties.networkSecurityGroup': (b) => [
    nic(b, {}, { networkSecurityGroup: net('networkSecurityGroups', 'nsg') }),
  ],
  'Microsoft.Network/loadBalancers properties.frontendIPConfigurations[].properties.subnet': (b) => [
    front(b, { subnet: subnet() }),
  ],
  'Microsoft.Network/loadBalancers properties.frontendIPConfigurations[].properties.publicIPAddress': (b) => [
    front(b, { publicIPAddress: net('publicIPAddresses', 'ip-lb') }),
  ],
  'Microsoft.Network/privateEndpoints properties.subnet': (b) => [endpoint(b)],
  'Microsoft.Network/privateEndpoints/privateDnsZoneGroups properties.privateDnsZoneConfigs[].properties.privateDnsZoneId':
    (b) => {
      const privateDnsZoneId = theirs.net('privateDnsZones', 'example.com');
      const properties = { privateDnsZoneConfigs: [{ name: 'zone', properties: { privateDnsZoneId } }] };
      return [endpoint(b), [`${b.net('privateEndpoints', 'endpoint')}/privateDnsZoneGroups/default`, { properties }]];
    },
  'Microsoft.Network/privateDnsZones/virtualNetworkLinks properties.virtualNetwork': (b) => [
    [b.net('privateDnsZones', 'example.org'), { location: 'global' }],
    [
      `${b.net('privateDnsZones', 'example.org')}/virtualNetworkLinks/link`,
      { location: 'global', properties: { virtualNetwork: net('virtualNetworks', 'vnet') } },
    ],
  ],
  'Microsoft.Compute/virtualMachines properties.networkProfile.networkInterfaces[]': (b) => [
    vm(b, { networkProfile: { networkInterfaces: [net('networkInterfaces', 'nic')] } }),
  ],
  'Microsoft.Compute/virtualMachines properties.availabilitySet': (b) => [
    nic(b),
    vm(b, { availabilitySet: { id: theirs.com('availabilitySets', 'set') } }),
  ],
  'Microsoft.Compute/virtualMachines identity.userAssignedIdentities[]': (b) => {
    const id = theirs.id('Microsoft.ManagedIdentity/userAssignedIdentities', 'identity');
    return [nic(b), vm(b, {}, { identity: { type: 'UserAssigned', userAssignedIdentities: { [id]: {} } } })];
  },
  'Microsoft.DBforMySQL/flexibleServers properties.network.delegatedSubnetResourceId': (b) => [
    [b.server('injected-db'), b.mysql({ network: { delegatedSubnetResourceId: subnet().id } })],
  ],
};

const linked = new Map(
  [...allKinds.values()].flatMap((kind) =>
    (kind.references ?? []).flatMap((reference): [string, string][] =>
      reference.linked ? [[`${kind.type} ${reference.path}`, reference.linked]] : [],
    ),
  ),
);

test('every reference that needs a permission has its row', () => {
  expect(Object.keys(rows).toSorted()).toEqual([...linked.keys()].toSorted());
});

test.each(Object.entries(rows))('%s needs its linked action', async (name, writes) => {
  const action = linked.get(name) ?? '';
  const everythingElse = await callerWithout(action);
  const b = await freshGroup(world);
  const before = writes(b);
  const [path, body] = before.pop() ?? ['', {}];
  await made(before);
  const refused = await ask(world, ['PUT', path, body, { authorization: `Bearer ${everythingElse}` }]);
  expect([refused.status, refused.body.error.code]).toEqual([403, 'LinkedAuthorizationFailed']);
  expect(refused.body.error.message).toContain(`permission to perform action(s) '${action}'`);
  await made([[path, body]]);
});

/** Someone who may do everything but this one action. */
async function callerWithout(action: string): Promise<string> {
  const [caller, role] = [randomUUID(), randomUUID()];
  const scope = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization`;
  const permissions = [{ actions: ['*'], notActions: [action] }];
  const roleDefinitionId = `${scope}/roleDefinitions/${role}`;
  await made([
    [roleDefinitionId, { properties: { roleName: role, permissions } }],
    [
      `${scope}/roleAssignments/${randomUUID()}`,
      { properties: { roleDefinitionId, principalId: caller, principalType: 'ServicePrincipal' } },
    ],
  ]);
  return caller;
}
