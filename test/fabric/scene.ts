/** A network as Molcajete makes one, put together by hand: subnets, a group, a balancer with a public address, interfaces. */
import type { ArmResource } from '../../local/azure/contract.ts';
import type { World } from './world.ts';

export const types = {
  network: 'Microsoft.Network/virtualNetworks',
  group: 'Microsoft.Network/networkSecurityGroups',
  publicIp: 'Microsoft.Network/publicIPAddresses',
  balancer: 'Microsoft.Network/loadBalancers',
  nic: 'Microsoft.Network/networkInterfaces',
  endpoint: 'Microsoft.Network/privateEndpoints',
  zone: 'Microsoft.Network/privateDnsZones',
  link: 'Microsoft.Network/privateDnsZones/virtualNetworkLinks',
  record: 'Microsoft.Network/privateDnsZones/A',
  vm: 'Microsoft.Compute/virtualMachines',
  mysql: 'Microsoft.DBforMySQL/flexibleServers',
} as const;

export interface RuleDraft {
  name: string;
  priority: number;
  source?: string;
  port?: string;
  access?: 'Allow' | 'Deny';
  direction?: 'Inbound' | 'Outbound';
}

export const rule = ({
  name,
  priority,
  source = '*',
  port = '*',
  access = 'Allow',
  direction = 'Inbound',
}: RuleDraft) => ({
  name,
  properties: {
    ...{ priority, access, direction, protocol: 'Tcp', sourcePortRange: '*' },
    ...{ sourceAddressPrefix: source, destinationAddressPrefix: '*', destinationPortRange: port },
  },
});

/** `{network}/subnets/web`, closed by the group `{network}-nsg`. */
export async function putNetwork(
  world: World,
  name: string,
  prefix: string,
  rules: RuleDraft[],
  peers: string[] = [],
): Promise<string> {
  const group = await world.put(types.group, `${name}-nsg`, { securityRules: rules.map(rule) });
  const id = world.id(types.network, name);
  await world.put(types.network, name, {
    addressSpace: { addressPrefixes: [prefix] },
    subnets: [
      {
        id: `${id}/subnets/web`,
        name: 'web',
        properties: { addressPrefix: prefix, networkSecurityGroup: { id: group.id } },
      },
      {
        id: `${id}/subnets/data`,
        name: 'data',
        properties: { addressPrefix: prefix, privateEndpointNetworkPolicies: 'Disabled' },
      },
    ],
    virtualNetworkPeerings: peers.map((peer) => ({
      id: `${id}/virtualNetworkPeerings/${peer}`,
      name: peer,
      properties: { remoteVirtualNetwork: { id: world.id(types.network, peer) }, allowVirtualNetworkAccess: true },
    })),
  });
  return id;
}

export async function putNic(
  world: World,
  name: string,
  networkId: string,
  address: string,
  more: Record<string, unknown> = {},
): Promise<ArmResource> {
  const id = world.id(types.nic, name);
  const properties = { subnet: { id: `${networkId}/subnets/web` }, privateIPAddress: address, primary: true, ...more };
  return world.put(types.nic, name, {
    ipConfigurations: [{ id: `${id}/ipConfigurations/main`, name: 'main', properties }],
  });
}

export const poolId = (world: World, balancer: string): string =>
  `${world.id(types.balancer, balancer)}/backendAddressPools/web`;

/** Public 443 → 8443 on the pool `web`, probed at 8081 `/health`; an outbound rule as well. */
export async function putBalancer(
  world: World,
  name: string,
  rule: Record<string, unknown> = {},
  probe: Record<string, unknown> = {},
): Promise<ArmResource> {
  const publicIp = await world.put(types.publicIp, `${name}-ip`, {});
  const id = world.id(types.balancer, name);
  const frontend = { id: `${id}/frontendIPConfigurations/public` };
  const pool = { id: `${id}/backendAddressPools/web` };
  return world.put(types.balancer, name, {
    frontendIPConfigurations: [{ ...frontend, name: 'public', properties: { publicIPAddress: { id: publicIp.id } } }],
    backendAddressPools: [{ ...pool, name: 'web', properties: {} }],
    probes: [
      {
        id: `${id}/probes/health`,
        name: 'health',
        properties: {
          protocol: 'Http',
          port: 8081,
          requestPath: '/health',
          intervalInSeconds: 5,
          probeThreshold: 1,
          ...probe,
        },
      },
    ],
    loadBalancingRules: [
      {
        id: `${id}/loadBalancingRules/https`,
        name: 'https',
        properties: {
          ...{
            protocol: 'Tcp',
            frontendPort: 443,
            backendPort: 8443,
            frontendIPConfiguration: frontend,
            backendAddressPool: pool,
          },
          ...{ probe: { id: `${id}/probes/health` }, disableOutboundSnat: true, ...rule },
        },
      },
    ],
    outboundRules: [
      {
        id: `${id}/outboundRules/out`,
        name: 'out',
        properties: { protocol: 'All', frontendIPConfigurations: [frontend], backendAddressPool: pool },
      },
    ],
  });
}

/** A VM on an interface; `config` is its cloud-config without the first line. */
export async function putVm(
  world: World,
  name: string,
  nic: ArmResource,
  config: string,
  tags?: Record<string, string>,
): Promise<ArmResource> {
  const customData = Buffer.from(`#cloud-config\n${config}`).toString('base64');
  const vm = await world.put(
    types.vm,
    name,
    {
      networkProfile: { networkInterfaces: [{ id: nic.id, properties: { primary: true } }] },
      osProfile: { computerName: name, customData },
    },
    { tags },
  );
  world.state.update(nic.id, (copy) => Object.assign(copy.properties, { virtualMachine: { id: vm.id } }));
  return vm;
}

export const wireOf = (world: World, nic: ArmResource): string => world.addresses.nic(nic.id).wire;
