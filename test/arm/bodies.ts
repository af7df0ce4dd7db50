import { location, subscriptionId, tenantId } from './world.ts';

/** The smallest bodies that Azure accepts, and paths, for one resource group. */
export function bodiesIn(group: string) {
  const base = `/subscriptions/${subscriptionId}/resourceGroups/${group}`;
  const id = (type: string, name: string) => `${base}/providers/${type}/${name}`;
  const net = (type: string, name: string) => id(`Microsoft.Network/${type}`, name);
  const com = (type: string, name: string) => id(`Microsoft.Compute/${type}`, name);
  const server = (name: string) => id('Microsoft.DBforMySQL/flexibleServers', name);
  const lb = net('loadBalancers', 'lb');
  return {
    base,
    net,
    com,
    server,
    id,
    vnet: (
      properties: object = {},
      subnets: object[] = [{ name: 'web', properties: { addressPrefix: '10.0.1.0/24' } }],
    ) => ({
      location,
      properties: { addressSpace: { addressPrefixes: ['10.0.0.0/16'] }, subnets, ...properties },
    }),
    subnet: (addressPrefix: string, more: object = {}) => ({ properties: { addressPrefix, ...more } }),
    rule: (more: object = {}) => ({
      properties: {
        priority: 100,
        direction: 'Inbound',
        access: 'Allow',
        protocol: 'Tcp',
        sourceAddressPrefix: '*',
        sourcePortRange: '*',
        destinationAddressPrefix: '*',
        destinationPortRange: '443',
        ...more,
      },
    }),
    publicIp: (properties: object = {}, more: object = {}) => ({
      location,
      sku: { name: 'Standard' },
      properties: { publicIPAllocationMethod: 'Static', ...properties },
      ...more,
    }),
    nic: (properties: object = {}, more: object = {}) => ({
      location,
      properties: {
        ipConfigurations: [
          {
            name: 'ip',
            properties: { subnet: { id: `${net('virtualNetworks', 'vnet')}/subnets/web` }, ...properties },
          },
        ],
        ...more,
      },
    }),
    balancer: (rule: object = {}, properties: object = {}) => ({
      location,
      sku: { name: 'Standard' },
      properties: {
        frontendIPConfigurations: [
          { name: 'front', properties: { publicIPAddress: { id: net('publicIPAddresses', 'ip') } } },
        ],
        backendAddressPools: [{ name: 'pool' }],
        probes: [{ name: 'probe', properties: { protocol: 'Http', port: 80, requestPath: '/' } }],
        loadBalancingRules: [
          {
            name: 'rule',
            properties: {
              protocol: 'Tcp',
              frontendPort: 443,
              backendPort: 8443,
              disableOutboundSnat: true,
              frontendIPConfiguration: { id: `${lb}/frontendIPConfigurations/front` },
              backendAddressPool: { id: `${lb}/backendAddressPools/pool` },
              probe: { id: `${lb}/probes/probe` },
              ...rule,
            },
          },
        ],
        ...properties,
      },
    }),
    vm: (properties: object = {}, more: object = {}) => ({
      location,
      ...more,
      properties: {
        hardwareProfile: { vmSize: 'Standard_B2s' },
        storageProfile: {
          imageReference: { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'server', version: 'latest' },
          osDisk: { createOption: 'FromImage', name: 'vm-osdisk', deleteOption: 'Delete' },
        },
        osProfile: login,
        networkProfile: { networkInterfaces: [{ id: net('networkInterfaces', 'nic'), properties: { primary: true } }] },
        ...properties,
      },
    }),
    mysql: (properties: object = {}, more: object = {}) => ({
      location,
      sku: { name: 'Standard_B1ms', tier: 'Burstable' },
      properties: {
        administratorLogin: 'dbadmin',
        administratorLoginPassword: 'Val1d-Pass-word',
        version: '8.4',
        network: { publicNetworkAccess: 'Disabled' },
        ...properties,
      },
      ...more,
    }),
    endpoint: (target: string, more: object = {}) => ({
      location,
      properties: {
        subnet: { id: `${net('virtualNetworks', 'vnet')}/subnets/web` },
        privateLinkServiceConnections: [
          { name: 'mysql', properties: { privateLinkServiceId: target, groupIds: ['mysqlServer'] } },
        ],
        ...more,
      },
    }),
    vault: (properties: object = {}) => ({
      location,
      properties: { tenantId, sku: { family: 'A', name: 'standard' }, ...properties },
    }),
  };
}

export const login = {
  computerName: 'vm',
  adminUsername: 'molcajete',
  customData: Buffer.from('#cloud-config\n').toString('base64'),
  linuxConfiguration: {
    disablePasswordAuthentication: true,
    ssh: {
      publicKeys: [
        { path: '/home/molcajete/.ssh/authorized_keys', keyData: 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7' },
      ],
    },
  },
};

export type Bodies = ReturnType<typeof bodiesIn>;
