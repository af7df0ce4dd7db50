import type { Shape } from '../shape.ts';

/** The members of the network types' `properties` that are understood (API 2026-01-01), read-only ones as `ro`. */

export const ref = { id: 'string' } as const;
const part = { id: 'string', name: 'string', type: 'ro', etag: 'ro' } as const;

export const securityRule: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  description: 'string',
  'protocol!': 'Tcp|Udp|Icmp|Esp|*|Ah',
  sourcePortRange: 'string',
  sourcePortRanges: ['string'],
  destinationPortRange: 'string',
  destinationPortRanges: ['string'],
  sourceAddressPrefix: 'string',
  sourceAddressPrefixes: ['string'],
  destinationAddressPrefix: 'string',
  destinationAddressPrefixes: ['string'],
  sourceApplicationSecurityGroups: [ref],
  destinationApplicationSecurityGroups: [ref],
  'access!': 'Allow|Deny',
  'priority!': 'integer',
  'direction!': 'Inbound|Outbound',
};

// GET shows referenced resources more or less whole; clients send that back: only the id counts.
const loose = { id: 'string', '*': 'ro' } as const;

export const subnet: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  addressPrefix: 'string',
  addressPrefixes: ['string'],
  networkSecurityGroup: loose,
  natGateway: loose,
  routeTable: loose,
  serviceEndpoints: [{ service: 'string', locations: ['string'], provisioningState: 'ro' }],
  delegations: [{ ...part, properties: { serviceName: 'string', actions: 'ro', provisioningState: 'ro' } }],
  privateEndpointNetworkPolicies: 'Enabled|Disabled|NetworkSecurityGroupEnabled|RouteTableEnabled',
  privateLinkServiceNetworkPolicies: 'Enabled|Disabled',
  defaultOutboundAccess: 'boolean',
  ipConfigurations: 'ro',
  ipConfigurationProfiles: 'ro',
  privateEndpoints: 'ro',
  purpose: 'ro',
  resourceNavigationLinks: 'ro',
  serviceAssociationLinks: 'ro',
};

export const peering: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  resourceGuid: 'ro',
  allowVirtualNetworkAccess: 'boolean',
  allowForwardedTraffic: 'boolean',
  allowGatewayTransit: 'boolean',
  useRemoteGateways: 'boolean',
  doNotVerifyRemoteGateways: 'boolean',
  remoteVirtualNetwork: loose,
  remoteAddressSpace: { addressPrefixes: ['string'] },
  remoteVirtualNetworkAddressSpace: { addressPrefixes: ['string'] },
  peeringState: 'ro',
  peeringSyncLevel: 'ro',
  peerCompleteVnets: 'boolean',
};

export const virtualNetwork: { readonly [property: string]: Shape } = {
  'addressSpace!': { addressPrefixes: ['string'] },
  dhcpOptions: { dnsServers: ['string'] },
  flowTimeoutInMinutes: 'integer',
  subnets: [{ ...part, properties: subnet }],
  virtualNetworkPeerings: [{ ...part, properties: peering }],
  enableDdosProtection: 'boolean',
  enableVmProtection: 'boolean',
  ddosProtectionPlan: loose,
  encryption: { enabled: 'boolean', enforcement: 'string' },
  privateEndpointVNetPolicies: 'Disabled|Basic',
  flowLogs: 'ro',
  defaultPublicNatGateway: 'ro',
};

export const publicIp: { readonly [property: string]: Shape } = {
  publicIPAllocationMethod: 'Static|Dynamic',
  publicIPAddressVersion: 'IPv4|IPv6',
  ipConfiguration: 'ro',
  natGateway: 'ro',
  dnsSettings: {
    domainNameLabel: 'string',
    domainNameLabelScope: 'NoReuse|ResourceGroupReuse|SubscriptionReuse|TenantReuse',
    fqdn: 'ro',
    reverseFqdn: 'string',
  },
  ddosSettings: { protectionMode: 'VirtualNetworkInherited|Enabled|Disabled', ddosProtectionPlan: loose },
  ipTags: [{ ipTagType: 'string', tag: 'string' }],
  ipAddress: 'ro',
  idleTimeoutInMinutes: 'integer',
  deleteOption: 'Delete|Detach',
};

export const ipConfiguration: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  loadBalancerBackendAddressPools: [loose],
  loadBalancerInboundNatRules: [loose],
  applicationGatewayBackendAddressPools: [loose],
  applicationSecurityGroups: [loose],
  privateIPAddress: 'string',
  privateIPAllocationMethod: 'Static|Dynamic',
  privateIPAddressVersion: 'IPv4|IPv6',
  subnet: loose,
  primary: 'boolean',
  publicIPAddress: {
    id: 'string',
    name: 'ro',
    location: 'ro',
    sku: 'ro',
    properties: { deleteOption: 'Delete|Detach', '*': 'ro' },
    '*': 'ro',
  },
  privateLinkConnectionProperties: 'ro',
};

export const networkInterface: { readonly [property: string]: Shape } = {
  ipConfigurations: [{ ...part, properties: ipConfiguration }],
  networkSecurityGroup: loose,
  dnsSettings: { dnsServers: ['string'], internalDnsNameLabel: 'string', '*': 'ro' },
  enableAcceleratedNetworking: 'boolean',
  disableTcpStateTracking: 'boolean',
  enableIPForwarding: 'boolean',
  auxiliaryMode: 'string',
  auxiliarySku: 'string',
  nicType: 'Standard|Elastic',
  virtualMachine: 'ro',
  privateEndpoint: 'ro',
  privateLinkService: 'ro',
  macAddress: 'ro',
  primary: 'ro',
  vnetEncryptionSupported: 'ro',
  hostedWorkloads: 'ro',
  tapConfigurations: 'ro',
  allowPort25Out: 'ro',
  defaultOutboundConnectivityEnabled: 'ro',
  dscpConfiguration: 'ro',
};

const frontend: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  privateIPAddress: 'string',
  privateIPAllocationMethod: 'Static|Dynamic',
  privateIPAddressVersion: 'IPv4|IPv6',
  subnet: loose,
  publicIPAddress: loose,
  publicIPPrefix: loose,
  inboundNatRules: 'ro',
  inboundNatPools: 'ro',
  outboundRules: 'ro',
  loadBalancingRules: 'ro',
};

export const backendPool: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  location: 'string',
  drainPeriodInSeconds: 'integer',
  virtualNetwork: loose,
  syncMode: 'Automatic|Manual',
  loadBalancerBackendAddresses: [
    {
      name: 'string',
      properties: {
        ipAddress: 'string',
        virtualNetwork: loose,
        subnet: loose,
        adminState: 'None|Up|Down',
        networkInterfaceIPConfiguration: 'ro',
        loadBalancerFrontendIPConfiguration: loose,
        inboundNatRulesPortMapping: 'ro',
      },
    },
  ],
  backendIPConfigurations: 'ro',
  loadBalancingRules: 'ro',
  outboundRule: 'ro',
  outboundRules: 'ro',
  inboundNatRules: 'ro',
  tunnelInterfaces: ['any'],
};

export const inboundNatRule: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  frontendIPConfiguration: loose,
  backendIPConfiguration: 'ro',
  backendAddressPool: loose,
  protocol: 'Tcp|Udp|All',
  frontendPort: 'integer',
  frontendPortRangeStart: 'integer',
  frontendPortRangeEnd: 'integer',
  backendPort: 'integer',
  idleTimeoutInMinutes: 'integer',
  enableFloatingIP: 'boolean',
  enableTcpReset: 'boolean',
};

const probe: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  loadBalancingRules: 'ro',
  'protocol!': 'Http|Https|Tcp',
  'port!': 'integer',
  requestPath: 'string',
  intervalInSeconds: 'integer',
  numberOfProbes: 'integer',
  probeThreshold: 'integer',
  noHealthyBackendsBehavior: 'AllProbedDown|AllProbedUp',
};

const balancingRule: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  frontendIPConfiguration: loose,
  backendAddressPool: loose,
  backendAddressPools: [loose],
  probe: loose,
  'protocol!': 'Tcp|Udp|All|Quic',
  'frontendPort!': 'integer',
  backendPort: 'integer',
  loadDistribution: 'Default|SourceIP|SourceIPProtocol',
  idleTimeoutInMinutes: 'integer',
  enableFloatingIP: 'boolean',
  enableTcpReset: 'boolean',
  disableOutboundSnat: 'boolean',
  enableConnectionTracking: 'boolean',
};

const outboundRule: { readonly [property: string]: Shape } = {
  provisioningState: 'ro',
  'protocol!': 'Tcp|Udp|All',
  'frontendIPConfigurations!': [loose],
  'backendAddressPool!': loose,
  allocatedOutboundPorts: 'integer',
  idleTimeoutInMinutes: 'integer',
  enableTcpReset: 'boolean',
};

export const loadBalancer: { readonly [property: string]: Shape } = {
  frontendIPConfigurations: [{ ...part, zones: ['string'], properties: frontend }],
  backendAddressPools: [{ ...part, properties: backendPool }],
  probes: [{ ...part, properties: probe }],
  loadBalancingRules: [{ ...part, properties: balancingRule }],
  outboundRules: [{ ...part, properties: outboundRule }],
  inboundNatRules: [{ ...part, properties: inboundNatRule }],
  inboundNatPools: ['any'],
  scope: 'Public|Private',
};

export const privateEndpoint: { readonly [property: string]: Shape } = {
  'subnet!': loose,
  privateLinkServiceConnections: [
    {
      ...part,
      properties: {
        provisioningState: 'ro',
        privateLinkServiceId: 'string',
        groupIds: ['string'],
        requestMessage: 'string',
        privateLinkServiceConnectionState: { status: 'string', description: 'string', actionsRequired: 'string' },
      },
    },
  ],
  manualPrivateLinkServiceConnections: [
    {
      ...part,
      properties: { privateLinkServiceId: 'string', groupIds: ['string'], requestMessage: 'string', '*': 'ro' },
    },
  ],
  customNetworkInterfaceName: 'string',
  ipConfigurations: [
    {
      name: 'string',
      type: 'ro',
      etag: 'ro',
      properties: { groupId: 'string', memberName: 'string', privateIPAddress: 'string' },
    },
  ],
  applicationSecurityGroups: [loose],
  ipVersionType: 'IPv4|DualStack|IPv6',
  networkInterfaces: 'ro',
  customDnsConfigs: 'ro',
};
