import { createHash } from 'node:crypto';

export type Json = { [key: string]: unknown };

type Decorate = (properties: Json, id: string) => Json;

/** Members of a list get ids and states of their own, and Azure's defaults under what was sent. */
const children =
  (id: string, path: string, defaults: Json = {}) =>
  (list: unknown): Json[] =>
    ((list ?? []) as Json[]).map((child) => ({
      ...child,
      id: `${id}/${path}/${child.name}`,
      etag: 'W/"1"',
      properties: { provisioningState: 'Succeeded', ...defaults, ...(child.properties as Json) },
    }));

/** Azure answers ids in the case it keeps, which is often not the one that was sent. */
const shouted = (reference: unknown): Json => {
  const { id } = reference as { id: string };
  return { id: id.replace('/resourceGroups/', '/resourcegroups/').replace('Microsoft.', 'microsoft.') };
};

/** What Azure adds to an answer, by type; from recorded traffic as far as it was recorded. */
const decorations: Record<string, Decorate> = {
  'microsoft.network/virtualnetworks': (properties, id) => ({
    enableDdosProtection: false,
    virtualNetworkPeerings: [],
    resourceGuid: 'guid',
    ...properties,
    subnets: children(id, 'subnets', {
      delegations: [],
      privateEndpointNetworkPolicies: 'Disabled',
      privateLinkServiceNetworkPolicies: 'Enabled',
      ipConfigurations: [{ id: `${id}/nic` }],
    })(properties.subnets).map((subnet) => {
      const inner = subnet.properties as Json;
      const group = inner.networkSecurityGroup;
      return {
        ...subnet,
        properties: { ...inner, ...(group !== undefined && { networkSecurityGroup: shouted(group) }) },
      };
    }),
  }),
  'microsoft.network/networksecuritygroups': (properties, id) => ({
    ...properties,
    defaultSecurityRules: [{ name: 'AllowVnetInBound', properties: { priority: 65000 } }],
    securityRules: children(id, 'securityRules', {
      destinationPortRanges: [],
      sourceAddressPrefixes: [],
      destinationAddressPrefixes: [],
      sourcePortRanges: [],
    })(properties.securityRules).reverse(),
  }),
  'microsoft.network/publicipaddresses': (properties) => ({
    ipAddress: '20.1.2.3',
    idleTimeoutInMinutes: 4,
    publicIPAddressVersion: 'IPv4',
    ddosSettings: { protectionMode: 'VirtualNetworkInherited' },
    ...properties,
    ...(properties.dnsSettings !== undefined && {
      dnsSettings: { ...(properties.dnsSettings as Json), fqdn: 'label.region.cloudapp.azure.com' },
    }),
  }),
  'microsoft.network/loadbalancers': (properties, id) => ({
    inboundNatRules: [],
    ...properties,
    frontendIPConfigurations: children(id, 'frontendIPConfigurations', { privateIPAllocationMethod: 'Dynamic' })(
      properties.frontendIPConfigurations,
    ),
    backendAddressPools: children(id, 'backendAddressPools', {
      loadBalancerBackendAddresses: [{ name: 'rg_nicprimary', properties: {} }],
    })(properties.backendAddressPools),
    probes: children(id, 'probes', { numberOfProbes: 2 })(properties.probes),
    loadBalancingRules: children(id, 'loadBalancingRules', { enableFloatingIP: false })(properties.loadBalancingRules),
    outboundRules: children(id, 'outboundRules')(properties.outboundRules),
  }),
  'microsoft.network/networkinterfaces': (properties, id) => ({
    enableIPForwarding: false,
    nicType: 'Standard',
    hostedWorkloads: [],
    tapConfigurations: [],
    ...properties,
    ipConfigurations: children(id, 'ipConfigurations', {
      privateIPAddress: '10.20.0.4',
      privateIPAddressVersion: 'IPv4',
    })(properties.ipConfigurations),
  }),
  'microsoft.network/privateendpoints': (properties, id) => ({
    networkInterfaces: [{ id: `${id}.nic` }],
    manualPrivateLinkServiceConnections: [],
    customDnsConfigs: [{ fqdn: 'x.mysql.database.azure.com', ipAddresses: ['10.20.1.4'] }],
    ...properties,
    privateLinkServiceConnections: children(id, 'privateLinkServiceConnections', {
      privateLinkServiceConnectionState: { status: 'Approved', description: 'Auto-Approved', actionsRequired: 'None' },
    })(properties.privateLinkServiceConnections),
  }),
  'microsoft.compute/availabilitysets': (properties) => ({ virtualMachines: [], ...properties }),
  'microsoft.compute/virtualmachines': (properties) => ({
    vmId: 'guid',
    timeCreated: '2026-11-23T12:00:00Z',
    ...properties,
  }),
  'microsoft.managedidentity/userassignedidentities': (properties, id) => ({
    ...properties,
    tenantId: 'tenant',
    principalId: guid(id),
    clientId: guid(`${id}/client`),
  }),
  'microsoft.keyvault/vaults': (properties) => ({
    accessPolicies: [],
    enableSoftDelete: true,
    publicNetworkAccess: 'Enabled',
    ...properties,
    vaultUri: 'https://vault.test/',
  }),
  'microsoft.dbformysql/flexibleservers': ({ administratorLoginPassword, ...properties }) => ({
    state: 'Ready',
    fullyQualifiedDomainName: 'server.mysql.database.azure.com',
    replicationRole: 'None',
    ...properties,
    storage: { iops: 360, storageSku: 'Premium_LRS', ...(properties.storage as Json) },
    backup: { earliestRestoreDate: '2026-11-23T12:00:00Z', ...(properties.backup as Json) },
    highAvailability: { state: 'NotEnabled', ...(properties.highAvailability as Json) },
  }),
};

const withoutState = new Set(['microsoft.dbformysql/flexibleservers', 'microsoft.compute/availabilitysets']);

/** What a GET shows after this body was PUT at this path. */
export function answerLikeAzure(path: string, body: Json): Json {
  const id = path.replace(/\/+/g, '/');
  const type = typeOf(id);
  const given = (body.properties ?? {}) as Json;
  const properties = decorations[type.toLowerCase()]?.(given, id) ?? given;
  const hidden = hideSecrets(type, properties);
  return {
    ...body,
    id,
    name: id.split('/').at(-1),
    type,
    etag: 'W/"1"',
    ...(body.identity !== undefined && { identity: answerIdentity(body.identity as Json, id) }),
    properties: { ...(withoutState.has(type.toLowerCase()) ? {} : { provisioningState: 'Succeeded' }), ...hidden },
  };
}

function typeOf(id: string): string {
  const rest =
    id
      .split(/\/providers\//i)
      .at(-1)
      ?.split('/') ?? [];
  if (!/\/providers\//i.test(id)) return 'Microsoft.Resources/resourceGroups';
  return [rest[0], ...rest.filter((_, index) => index % 2 === 1)].join('/');
}

/** Custom data is never returned. */
function hideSecrets(type: string, properties: Json): Json {
  if (type !== 'Microsoft.Compute/virtualMachines') return properties;
  const { customData, ...osProfile } = (properties.osProfile ?? {}) as Json;
  return { ...properties, osProfile };
}

function answerIdentity(identity: Json, id: string): Json {
  const assigned = Object.keys((identity.userAssignedIdentities ?? {}) as Json);
  return {
    ...identity,
    principalId: guid(`${id}/system`),
    tenantId: 'tenant',
    userAssignedIdentities: Object.fromEntries(
      assigned.map((name) => [
        name.replace('/resourceGroups/', '/resourcegroups/'),
        { principalId: guid(name), clientId: guid(`${name}/c`) },
      ]),
    ),
  };
}

const guid = (text: string): string =>
  createHash('sha256')
    .update(text)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
