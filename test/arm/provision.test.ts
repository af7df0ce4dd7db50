import { afterAll, beforeAll, expect, test } from 'vitest';
import { location, owner, startWorld, subscriptionId, tenantId, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const group = 'molcajete-demo';
const at = (type: string, name: string) =>
  `/subscriptions/${subscriptionId}/resourceGroups/${group}/providers/${type}/${name}`;
const fast = { updateIntervalInMs: 5 };
const net = (type: string, name: string) => at(`Microsoft.Network/${type}`, name);

test('the real clients build a whole jump server and take it down again', { timeout: 30_000 }, async () => {
  const { resources, network, compute, msi, keyVault, authorization, mysql, dns } = world.clients();
  await resources.resourceGroups.createOrUpdate(group, { location, tags: { owner: 'test' } });

  const rule = {
    name: 'https',
    priority: 100,
    direction: 'Inbound',
    access: 'Allow',
    protocol: 'Tcp',
    sourceAddressPrefix: 'Internet',
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: '8443',
  };
  await Promise.all([
    network.networkSecurityGroups.createOrUpdate(group, 'web-nsg', { location, securityRules: [rule] }, fast),
    network.networkSecurityGroups.createOrUpdate(group, 'data-nsg', { location }, fast),
  ]);
  const vnet = await network.virtualNetworks.createOrUpdate(
    group,
    'vnet',
    {
      location,
      addressSpace: { addressPrefixes: ['10.20.0.0/16'] },
      subnets: [
        {
          name: 'web',
          addressPrefix: '10.20.1.0/24',
          networkSecurityGroup: { id: net('networkSecurityGroups', 'web-nsg') },
        },
        {
          name: 'data',
          addressPrefix: '10.20.2.0/24',
          networkSecurityGroup: { id: net('networkSecurityGroups', 'data-nsg') },
        },
      ],
    },
    fast,
  );
  expect(vnet.provisioningState).toBe('Succeeded');
  expect(vnet.subnets?.[0]?.defaultOutboundAccess).toBe(false);
  const ip = await network.publicIPAddresses.createOrUpdate(
    group,
    'ip',
    {
      location,
      sku: { name: 'Standard' },
      publicIPAllocationMethod: 'Static',
      dnsSettings: { domainNameLabel: 'molcajete-demo' },
    },
    fast,
  );
  expect(ip.dnsSettings?.fqdn).toBe('molcajete-demo.westeurope.cloudapp.azure.com');
  const balancer = net('loadBalancers', 'lb');
  await network.loadBalancers.createOrUpdate(
    group,
    'lb',
    {
      location,
      sku: { name: 'Standard' },
      frontendIPConfigurations: [{ name: 'public', publicIPAddress: { id: ip.id } }],
      backendAddressPools: [{ name: 'web' }],
      probes: [{ name: 'health', protocol: 'Http', port: 8081, requestPath: '/health', intervalInSeconds: 5 }],
      loadBalancingRules: [
        {
          name: 'https',
          protocol: 'Tcp',
          frontendPort: 443,
          backendPort: 8443,
          disableOutboundSnat: true,
          frontendIPConfiguration: { id: `${balancer}/frontendIPConfigurations/public` },
          backendAddressPool: { id: `${balancer}/backendAddressPools/web` },
          probe: { id: `${balancer}/probes/health` },
        },
      ],
      outboundRules: [
        {
          name: 'out',
          protocol: 'All',
          frontendIPConfigurations: [{ id: `${balancer}/frontendIPConfigurations/public` }],
          backendAddressPool: { id: `${balancer}/backendAddressPools/web` },
        },
      ],
    },
    fast,
  );
  await compute.availabilitySets.createOrUpdate(group, 'set', {
    location,
    sku: { name: 'Aligned' },
    platformFaultDomainCount: 2,
    platformUpdateDomainCount: 5,
  });
  const identity = await msi.userAssignedIdentities.createOrUpdate(group, 'molcajete-demo', { location });
  expect(identity.principalId).toMatch(/^[0-9a-f-]{36}$/);

  for (const n of [1, 2]) {
    const nic = await network.networkInterfaces.createOrUpdate(
      group,
      `vm-${n}-nic`,
      {
        location,
        ipConfigurations: [
          {
            name: 'ipconfig',
            subnet: { id: `${vnet.id}/subnets/web` },
            loadBalancerBackendAddressPools: [{ id: `${balancer}/backendAddressPools/web` }],
          },
        ],
      },
      fast,
    );
    expect(nic.ipConfigurations?.[0]?.privateIPAddress).toBe(`10.20.1.${3 + n}`);
    const vm = await compute.virtualMachines.createOrUpdate(
      group,
      `vm-${n}`,
      {
        location,
        identity: { type: 'SystemAssigned, UserAssigned', userAssignedIdentities: { [identity.id ?? '']: {} } },
        hardwareProfile: { vmSize: 'Standard_B2s' },
        storageProfile: {
          imageReference: { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'server', version: 'latest' },
          osDisk: {
            createOption: 'FromImage',
            name: `vm-${n}-osdisk`,
            deleteOption: 'Delete',
            managedDisk: { storageAccountType: 'Premium_LRS' },
          },
        },
        osProfile: {
          computerName: `vm-${n}`,
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
        },
        securityProfile: {
          securityType: 'TrustedLaunch',
          uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
        },
        networkProfile: { networkInterfaces: [{ id: nic.id, primary: true, deleteOption: 'Detach' }] },
        availabilitySet: { id: at('Microsoft.Compute/availabilitySets', 'set') },
      },
      fast,
    );
    expect(vm.provisioningState).toBe('Succeeded');
    expect(vm.identity?.principalId).toMatch(/^[0-9a-f-]{36}$/);
    expect(vm.osProfile?.customData).toBeUndefined();
  }
  const vault = await keyVault.vaults.createOrUpdate(
    group,
    'molcajete-demo',
    { location, properties: { tenantId, sku: { family: 'A', name: 'standard' } } },
    fast,
  );
  expect(vault.properties.enableRbacAuthorization).toBe(true);
  await authorization.roleAssignments.create(vault.id ?? '', '44444444-4444-4444-8444-444444444444', {
    roleDefinitionId: `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6`,
    principalId: identity.principalId ?? '',
    principalType: 'ServicePrincipal',
  });
  const database = at('Microsoft.DBforMySQL/flexibleServers', 'molcajete-demo-db');
  const server = await resources.resources.beginCreateOrUpdateByIdAndWait(
    database,
    '2024-12-30',
    {
      location,
      sku: { name: 'Standard_B1ms', tier: 'Burstable' },
      properties: {
        administratorLogin: 'molcajete',
        administratorLoginPassword: 'Sup3r-Secret-Value',
        version: '8.4',
        network: { publicNetworkAccess: 'Disabled' },
        storage: { storageSizeGB: 20 },
      },
    },
    fast,
  );
  expect(server.properties).toMatchObject({
    state: 'Ready',
    network: { publicNetworkAccess: 'Disabled' },
    fullyQualifiedDomainName: 'molcajete-demo-db.mysql.database.azure.com',
  });
  expect(JSON.stringify(server)).not.toContain('Sup3r');
  expect((await mysql.servers.get(group, 'molcajete-demo-db')).state).toBe('Ready');

  await dns.privateZones.beginCreateOrUpdateAndWait(
    group,
    'privatelink.mysql.database.azure.com',
    { location: 'global' },
    fast,
  );
  const link = await dns.virtualNetworkLinks.beginCreateOrUpdateAndWait(
    group,
    'privatelink.mysql.database.azure.com',
    'vnet',
    { location: 'global', virtualNetwork: { id: vnet.id }, registrationEnabled: false },
    fast,
  );
  expect(link.virtualNetworkLinkState).toBe('Completed');
  const zone = net('privateDnsZones', 'privatelink.mysql.database.azure.com');
  for (const name of ['db-endpoint', 'control-endpoint']) {
    const endpoint = await network.privateEndpoints.createOrUpdate(
      group,
      name,
      {
        location,
        subnet: { id: `${vnet.id}/subnets/data` },
        privateLinkServiceConnections: [{ name: 'mysql', privateLinkServiceId: database, groupIds: ['mysqlServer'] }],
      },
      fast,
    );
    expect(endpoint.privateLinkServiceConnections?.[0]?.privateLinkServiceConnectionState?.status).toBe('Approved');
  }
  await network.privateDnsZoneGroups.createOrUpdate(
    group,
    'db-endpoint',
    'default',
    { privateDnsZoneConfigs: [{ name: 'mysql', privateDnsZoneId: zone }] },
    fast,
  );
  const record = await dns.recordSets.get(group, 'privatelink.mysql.database.azure.com', 'A', 'molcajete-demo-db');
  expect(record.aRecords).toEqual([{ ipv4Address: '10.20.2.4' }]);

  const listed = [];
  for await (const resource of resources.resources.listByResourceGroup(group)) listed.push(resource.type);
  expect(listed).toContain('Microsoft.Compute/disks');
  const pool = await network.loadBalancerBackendAddressPools.get(group, 'lb', 'web');
  expect(pool.backendIPConfigurations).toHaveLength(2);
  expect(pool.loadBalancerBackendAddresses?.map((one) => one.name)).toEqual([
    'molcajete-demo_vm-1-nicipconfig',
    'molcajete-demo_vm-2-nicipconfig',
  ]);

  const statuses = [];
  for await (const vm of compute.virtualMachines.listAll({ statusOnly: 'true' })) statuses.push(vm.id);
  expect(statuses).toHaveLength(2);
  const view = await compute.virtualMachines.instanceView(group, 'vm-1');
  expect(view.statuses?.map((one) => one.code)).toEqual(['ProvisioningState/succeeded', 'PowerState/running']);

  await resources.resourceGroups.beginDeleteAndWait(group, fast);
  expect(
    world.arm.state
      .all()
      .filter((one) => one.id.includes(group) && one.type.split('/').length === 2)
      .map((one) => one.id),
  ).toEqual([]);
  expect(owner).toBeTruthy();
});
