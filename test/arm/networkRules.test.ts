import { afterAll, beforeAll, describe, expect } from 'vitest';
import { type Rule, testRules } from './rules.ts';
import { location, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  // The data plane knows the address of a public IP, and Azure shows it no earlier.
  const plane = { apply: async () => ({ ipAddress: '20.1.2.3' }), remove: async () => undefined };
  world = await startWorld({}, { 'microsoft.network/publicipaddresses': plane });
});
afterAll(() => world.close());

const vnet = (b: Parameters<Rule['when']>[0]) => b.net('virtualNetworks', 'vnet');
const nic = (b: Parameters<Rule['when']>[0], name = 'nic') => b.net('networkInterfaces', name);
const nsg = (b: Parameters<Rule['when']>[0]) => b.net('networkSecurityGroups', 'nsg');
const ip = (b: Parameters<Rule['when']>[0]) => b.net('publicIPAddresses', 'ip');
const lb = (b: Parameters<Rule['when']>[0]) => b.net('loadBalancers', 'lb');

const networks: Rule[] = [
  {
    fact: 'a new network is private: its subnets have no outbound access by default',
    when: (b) => ['PUT', vnet(b), b.vnet()],
    answers: [
      201,
      {
        properties: {
          provisioningState: 'Updating',
          enableDdosProtection: false,
          virtualNetworkPeerings: [],
          subnets: [
            {
              properties: {
                defaultOutboundAccess: false,
                delegations: [],
                privateEndpointNetworkPolicies: 'Disabled',
                privateLinkServiceNetworkPolicies: 'Enabled',
              },
            },
          ],
        },
      },
    ],
  },
  {
    fact: 'a network made with an API from before 2025-07-01 is not private',
    given: (b) => [['PUT', `${vnet(b)}?api-version=2024-05-01`, b.vnet()]],
    when: (b) => ['GET', `${vnet(b)}/subnets/web`],
    answers: [200, { properties: { addressPrefix: '10.0.1.0/24' } }],
    lacks: 'defaultOutboundAccess',
  },
  {
    fact: 'subnets may not overlap',
    when: (b) => [
      'PUT',
      vnet(b),
      b.vnet({}, [
        { name: 'a', ...b.subnet('10.0.0.0/23') },
        { name: 'b', ...b.subnet('10.0.1.0/24') },
      ]),
    ],
    answers: [400, 'NetcfgSubnetRangesOverlap'],
  },
  {
    fact: 'a subnet lies inside its network',
    when: (b) => ['PUT', vnet(b), b.vnet({}, [{ name: 'a', ...b.subnet('10.1.0.0/24') }])],
    answers: [400, 'NetcfgSubnetRangeOutsideVnet'],
  },
  {
    fact: 'the smallest subnet is /29',
    when: (b) => ['PUT', vnet(b), b.vnet({}, [{ name: 'a', ...b.subnet('10.0.0.0/30') }])],
    answers: [400, 'NetcfgSubnetRangeTooSmall'],
  },
  {
    fact: 'a prefix is the address of its network',
    when: (b) => ['PUT', vnet(b), b.vnet({}, [{ name: 'a', ...b.subnet('10.0.0.1/24') }])],
    answers: [400, 'InvalidCIDRNotation'],
  },
  {
    fact: 'a PUT of the network replaces its subnets: without them they are deleted',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', vnet(b), { location, properties: { addressSpace: { addressPrefixes: ['10.0.0.0/16'] } } }],
    ],
    when: (b) => ['GET', `${vnet(b)}/subnets/web`],
    answers: [404, 'ResourceNotFound'],
  },
  {
    fact: 'a PUT of the network cannot drop an occupied subnet',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b), b.nic()],
    ],
    when: (b) => ['PUT', vnet(b), b.vnet({}, [])],
    answers: [400, 'InUseSubnetCannotBeDeleted'],
    says: /Subnet web is in use by .*\/networkInterfaces\/nic\/ipConfigurations\/ip and cannot be deleted/,
  },
  {
    fact: 'an occupied subnet cannot be deleted',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b), b.nic()],
    ],
    when: (b) => ['DELETE', `${vnet(b)}/subnets/web`],
    answers: [400, 'InUseSubnetCannotBeDeleted'],
  },
  {
    fact: 'nor can its network',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b), b.nic()],
    ],
    when: (b) => ['DELETE', vnet(b)],
    answers: [400, 'InUseSubnetCannotBeDeleted'],
  },
  {
    fact: 'a security group at a subnet does not occupy it',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      [
        'PUT',
        vnet(b),
        b.vnet({}, [{ name: 'web', ...b.subnet('10.0.1.0/24', { networkSecurityGroup: { id: nsg(b) } }) }]),
      ],
    ],
    when: (b) => ['DELETE', `${vnet(b)}/subnets/web`],
    answers: [202],
  },
  {
    fact: 'the range of an occupied subnet cannot change',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b), b.nic()],
    ],
    when: (b) => ['PUT', `${vnet(b)}/subnets/web`, b.subnet('10.0.2.0/24')],
    answers: [400, 'InUsePrefixCannotBeDeleted'],
  },
  {
    fact: 'a subnet has its own URL and leaves the others alone',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', `${vnet(b)}/subnets/data`, b.subnet('10.0.2.0/24')],
    ],
    when: (b) => ['GET', `${vnet(b)}/subnets`],
    answers: [200, { value: [{ name: 'data' }, { name: 'web' }] }],
  },
  {
    fact: 'a subnet without its network is refused',
    when: (b) => ['PUT', `${vnet(b)}/subnets/data`, b.subnet('10.0.2.0/24')],
    answers: [404, 'ParentResourceNotFound'],
  },
  {
    fact: 'a subnet names a security group that does not exist',
    when: (b) => [
      'PUT',
      vnet(b),
      b.vnet({}, [{ name: 'web', ...b.subnet('10.0.1.0/24', { networkSecurityGroup: { id: nsg(b) } }) }]),
    ],
    answers: [400, 'InvalidResourceReference'],
    says: /Please make sure that the referenced resource exists, and that both resources are in the same region/,
  },
  {
    fact: 'a peering is Initiated until the other side has one too',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      [
        'PUT',
        b.net('virtualNetworks', 'other'),
        { location, properties: { addressSpace: { addressPrefixes: ['10.9.0.0/16'] } } },
      ],
      [
        'PUT',
        `${vnet(b)}/virtualNetworkPeerings/p`,
        { properties: { remoteVirtualNetwork: { id: b.net('virtualNetworks', 'other') } } },
      ],
    ],
    when: (b) => ['GET', `${vnet(b)}/virtualNetworkPeerings/p`],
    answers: [
      200,
      {
        properties: {
          peeringState: 'Initiated',
          allowVirtualNetworkAccess: true,
          remoteAddressSpace: { addressPrefixes: ['10.9.0.0/16'] },
        },
      },
    ],
  },
  {
    fact: 'both sides of a peering are Connected',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      [
        'PUT',
        b.net('virtualNetworks', 'other'),
        { location, properties: { addressSpace: { addressPrefixes: ['10.9.0.0/16'] } } },
      ],
      [
        'PUT',
        `${vnet(b)}/virtualNetworkPeerings/p`,
        { properties: { remoteVirtualNetwork: { id: b.net('virtualNetworks', 'other') } } },
      ],
      [
        'PUT',
        `${b.net('virtualNetworks', 'other')}/virtualNetworkPeerings/q`,
        { properties: { remoteVirtualNetwork: { id: vnet(b) } } },
      ],
    ],
    when: (b) => ['GET', `${vnet(b)}/virtualNetworkPeerings/p`],
    answers: [200, { properties: { peeringState: 'Connected' } }],
  },
  {
    fact: 'a peering whose other side is deleted is Disconnected',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      [
        'PUT',
        b.net('virtualNetworks', 'other'),
        { location, properties: { addressSpace: { addressPrefixes: ['10.9.0.0/16'] } } },
      ],
      [
        'PUT',
        `${vnet(b)}/virtualNetworkPeerings/p`,
        { properties: { remoteVirtualNetwork: { id: b.net('virtualNetworks', 'other') } } },
      ],
      [
        'PUT',
        `${b.net('virtualNetworks', 'other')}/virtualNetworkPeerings/q`,
        { properties: { remoteVirtualNetwork: { id: vnet(b) } } },
      ],
      ['DELETE', `${b.net('virtualNetworks', 'other')}/virtualNetworkPeerings/q`],
    ],
    when: (b) => ['GET', `${vnet(b)}/virtualNetworkPeerings/p`],
    answers: [200, { properties: { peeringState: 'Disconnected' } }],
  },
  {
    fact: 'networks that overlap cannot be peered',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', b.net('virtualNetworks', 'other'), b.vnet()],
    ],
    when: (b) => [
      'PUT',
      `${vnet(b)}/virtualNetworkPeerings/p`,
      { properties: { remoteVirtualNetwork: { id: b.net('virtualNetworks', 'other') } } },
    ],
    answers: [400, 'VnetAddressSpacesOverlap'],
  },
];

const rule = (b: Parameters<Rule['when']>[0], name: string, more: object) => ({ name, ...b.rule(more) });

const securityGroups: Rule[] = [
  {
    fact: 'a security group shows the six default rules',
    given: (b) => [['PUT', nsg(b), { location }]],
    when: (b) => ['GET', nsg(b)],
    answers: [
      200,
      {
        properties: {
          securityRules: [],
          defaultSecurityRules: [
            { name: 'AllowVnetInBound', properties: { priority: 65000 } },
            { name: 'AllowAzureLoadBalancerInBound', properties: { priority: 65001 } },
            { name: 'DenyAllInBound', properties: { priority: 65500 } },
            { name: 'AllowVnetOutBound' },
            { name: 'AllowInternetOutBound' },
            { name: 'DenyAllOutBound' },
          ],
        },
      },
    ],
  },
  {
    fact: 'two rules of one direction may not have one priority',
    when: (b) => ['PUT', nsg(b), { location, properties: { securityRules: [rule(b, 'a', {}), rule(b, 'b', {})] } }],
    answers: [400, 'SecurityRuleConflict'],
    says: 'Rules cannot have the same Priority and Direction',
  },
  {
    fact: 'the other direction may use the same priority',
    when: (b) => [
      'PUT',
      nsg(b),
      { location, properties: { securityRules: [rule(b, 'a', {}), rule(b, 'b', { direction: 'Outbound' })] } },
    ],
    answers: [201],
  },
  {
    fact: 'priorities go from 100',
    when: (b) => ['PUT', nsg(b), { location, properties: { securityRules: [rule(b, 'a', { priority: 99 })] } }],
    answers: [400, 'SecurityRuleInvalidPriority'],
  },
  {
    fact: 'priorities go to 4096',
    when: (b) => ['PUT', nsg(b), { location, properties: { securityRules: [rule(b, 'a', { priority: 4097 })] } }],
    answers: [400, 'SecurityRuleInvalidPriority'],
  },
  {
    fact: 'a rule needs a source',
    when: (b) => [
      'PUT',
      nsg(b),
      { location, properties: { securityRules: [rule(b, 'a', { sourceAddressPrefix: undefined })] } },
    ],
    answers: [400, 'SecurityRuleParameterMissing'],
  },
  {
    fact: 'a rule needs an access',
    when: (b) => ['PUT', nsg(b), { location, properties: { securityRules: [rule(b, 'a', { access: undefined })] } }],
    answers: [400, 'InvalidRequestFormat'],
  },
  {
    fact: 'a port is at most 65535',
    when: (b) => [
      'PUT',
      nsg(b),
      { location, properties: { securityRules: [rule(b, 'a', { destinationPortRange: '70000' })] } },
    ],
    answers: [400, 'SecurityRuleInvalidPortRange'],
  },
  {
    fact: 'renaming a rule with its own URL meets the old one',
    given: (b) => [['PUT', nsg(b), { location, properties: { securityRules: [rule(b, 'a', {})] } }]],
    when: (b) => ['PUT', `${nsg(b)}/securityRules/b`, b.rule()],
    answers: [400, 'SecurityRuleConflict'],
  },
  {
    fact: 'a security group at a subnet cannot be deleted',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      [
        'PUT',
        vnet(b),
        b.vnet({}, [{ name: 'web', ...b.subnet('10.0.1.0/24', { networkSecurityGroup: { id: nsg(b) } }) }]),
      ],
    ],
    when: (b) => ['DELETE', nsg(b)],
    answers: [400, 'InUseNetworkSecurityGroupCannotBeDeleted'],
  },
  {
    fact: 'a security group shows its subnets',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      [
        'PUT',
        vnet(b),
        b.vnet({}, [{ name: 'web', ...b.subnet('10.0.1.0/24', { networkSecurityGroup: { id: nsg(b) } }) }]),
      ],
    ],
    when: (b) => ['GET', nsg(b)],
    answers: [200, { properties: { subnets: [{ id: expect.stringMatching(/subnets\/web$/) }] } }],
  },
];

const addresses: Rule[] = [
  {
    fact: 'the address of a public IP is not in the first answer',
    when: (b) => ['PUT', ip(b), b.publicIp()],
    answers: [
      201,
      {
        sku: { name: 'Standard', tier: 'Regional' },
        properties: {
          idleTimeoutInMinutes: 4,
          publicIPAddressVersion: 'IPv4',
          ddosSettings: { protectionMode: 'VirtualNetworkInherited' },
        },
      },
    ],
    lacks: 'ipAddress',
  },
  {
    fact: 'it is in the final GET',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => ['GET', ip(b)],
    answers: [200, { properties: { ipAddress: '20.1.2.3' } }],
  },
  {
    fact: 'the sku of a public IP is fixed',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => ['PUT', ip(b), b.publicIp({}, { sku: { name: 'StandardV2' } })],
    answers: [400, 'PublicIPSkuCannotBeChanged'],
  },
  {
    fact: 'so is its version',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => ['PUT', ip(b), b.publicIp({ publicIPAddressVersion: 'IPv6' })],
    answers: [400, 'PublicIPAddressVersionCannotBeChanged'],
  },
  {
    fact: 'the sku of a NAT gateway is fixed',
    given: (b) => [['PUT', b.net('natGateways', 'nat'), { location, sku: { name: 'Standard' } }]],
    when: (b) => ['PUT', b.net('natGateways', 'nat'), { location, sku: { name: 'StandardV2' } }],
    answers: [400, 'NatGatewaySkuCannotBeChanged'],
  },
  {
    fact: 'a Standard public IP is static',
    when: (b) => ['PUT', ip(b), b.publicIp({ publicIPAllocationMethod: 'Dynamic' })],
    answers: [400, 'StandardSkuPublicIPAddressesMustBeStatic'],
  },
  {
    fact: 'Basic public IPs are retired',
    when: (b) => ['PUT', ip(b), b.publicIp({}, { sku: { name: 'Basic' } })],
    answers: [400, 'IPv4BasicSkuPublicIpCountLimitReached'],
  },
  {
    fact: 'a DNS label is taken once per region',
    given: (b) => [
      ['PUT', b.net('publicIPAddresses', 'other'), b.publicIp({ dnsSettings: { domainNameLabel: 'taken-label' } })],
    ],
    when: (b) => ['PUT', ip(b), b.publicIp({ dnsSettings: { domainNameLabel: 'taken-label' } })],
    answers: [400, 'DnsRecordInUse'],
  },
  {
    fact: 'a label with a scope is hashed and meets nobody',
    given: (b) => [
      [
        'PUT',
        b.net('publicIPAddresses', 'other'),
        b.publicIp({ dnsSettings: { domainNameLabel: 'scoped', domainNameLabelScope: 'NoReuse' } }),
      ],
    ],
    when: (b) => [
      'PUT',
      ip(b),
      b.publicIp({ dnsSettings: { domainNameLabel: 'scoped', domainNameLabelScope: 'NoReuse' } }),
    ],
    answers: [201],
  },
  {
    fact: 'a public IP in use cannot be deleted',
    given: (b) => [
      ['PUT', ip(b), b.publicIp()],
      ['PUT', lb(b), b.balancer()],
    ],
    when: (b) => ['DELETE', ip(b)],
    answers: [400, 'PublicIPAddressCannotBeDeleted'],
    says: 'still allocated to resource',
  },
  {
    fact: 'a public IP shows what uses it',
    given: (b) => [
      ['PUT', ip(b), b.publicIp()],
      ['PUT', lb(b), b.balancer()],
    ],
    when: (b) => ['GET', ip(b)],
    answers: [
      200,
      { properties: { ipConfiguration: { id: expect.stringMatching(/frontendIPConfigurations\/front$/) } } },
    ],
  },
  {
    fact: 'a NAT gateway at a subnet cannot be deleted',
    given: (b) => [
      ['PUT', ip(b), b.publicIp()],
      [
        'PUT',
        b.net('natGateways', 'nat'),
        { location, sku: { name: 'Standard' }, properties: { publicIpAddresses: [{ id: ip(b) }] } },
      ],
      [
        'PUT',
        vnet(b),
        b.vnet({}, [{ name: 'web', ...b.subnet('10.0.1.0/24', { natGateway: { id: b.net('natGateways', 'nat') } }) }]),
      ],
    ],
    when: (b) => ['DELETE', b.net('natGateways', 'nat')],
    answers: [400, 'InUseNatGatewayCannotBeDeleted'],
  },
  {
    fact: 'a NAT gateway keeps flows for 4 to 120 minutes',
    when: (b) => ['PUT', b.net('natGateways', 'nat'), { location, properties: { idleTimeoutInMinutes: 3 } }],
    answers: [400, 'NatGatewayIdleTimeoutInMinutesInvalid'],
  },
  {
    fact: 'a DDoS plan in use cannot be deleted',
    given: (b) => [
      ['PUT', b.net('ddosProtectionPlans', 'plan'), { location }],
      [
        'PUT',
        vnet(b),
        b.vnet({ enableDdosProtection: true, ddosProtectionPlan: { id: b.net('ddosProtectionPlans', 'plan') } }),
      ],
    ],
    when: (b) => ['DELETE', b.net('ddosProtectionPlans', 'plan')],
    answers: [400, 'InUseDdosProtectionPlanCannotBeDeleted'],
  },
];

const interfaces: Rule[] = [
  {
    fact: 'an interface is Succeeded in its first answer, with the first free address',
    given: (b) => [['PUT', vnet(b), b.vnet()]],
    when: (b) => ['PUT', nic(b), b.nic()],
    answers: [
      201,
      {
        properties: {
          provisioningState: 'Succeeded',
          nicType: 'Standard',
          ipConfigurations: [
            { properties: { primary: true, privateIPAddress: '10.0.1.4', privateIPAllocationMethod: 'Dynamic' } },
          ],
        },
      },
    ],
  },
  {
    fact: 'the next interface gets the next address',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b, 'first'), b.nic()],
    ],
    when: (b) => ['PUT', nic(b), b.nic()],
    answers: [201, { properties: { ipConfigurations: [{ properties: { privateIPAddress: '10.0.1.5' } }] } }],
  },
  {
    fact: 'a dynamic address is kept by a PUT',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b, 'first'), b.nic()],
      ['PUT', nic(b), b.nic()],
      ['DELETE', nic(b, 'first')],
    ],
    when: (b) => ['PUT', nic(b), b.nic()],
    answers: [200, { properties: { ipConfigurations: [{ properties: { privateIPAddress: '10.0.1.5' } }] } }],
  },
  {
    fact: 'and free again with its interface',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b, 'first'), b.nic()],
      ['DELETE', nic(b, 'first')],
    ],
    when: (b) => ['PUT', nic(b), b.nic()],
    answers: [201, { properties: { ipConfigurations: [{ properties: { privateIPAddress: '10.0.1.4' } }] } }],
  },
  {
    fact: 'a static address lies in the subnet',
    given: (b) => [['PUT', vnet(b), b.vnet()]],
    when: (b) => ['PUT', nic(b), b.nic({ privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.2.9' })],
    answers: [400, 'PrivateIPAddressNotInSubnet'],
  },
  {
    fact: 'Azure keeps the first four addresses of a subnet',
    given: (b) => [['PUT', vnet(b), b.vnet()]],
    when: (b) => ['PUT', nic(b), b.nic({ privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.1.3' })],
    answers: [400, 'PrivateIPAddressInReservedRange'],
  },
  {
    fact: 'a static address is given once',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b, 'first'), b.nic()],
    ],
    when: (b) => ['PUT', nic(b), b.nic({ privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.1.4' })],
    answers: [400, 'PrivateIPAddressInUse'],
  },
  {
    fact: 'a /29 has three addresses',
    given: (b) => [
      ['PUT', vnet(b), b.vnet({}, [{ name: 'web', ...b.subnet('10.0.1.0/29') }])],
      ...['a', 'c', 'd'].map((name): [string, string, unknown] => ['PUT', nic(b, name), b.nic()]),
    ],
    when: (b) => ['PUT', nic(b), b.nic()],
    answers: [400, 'SubnetIsFull'],
  },
  {
    fact: 'an interface names a subnet that does not exist',
    when: (b) => ['PUT', nic(b), b.nic()],
    answers: [400, 'InvalidResourceReference'],
  },
  {
    fact: 'an interface stays in its network',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', b.net('virtualNetworks', 'other'), b.vnet()],
      ['PUT', nic(b), b.nic()],
    ],
    when: (b) => ['PUT', nic(b), b.nic({ subnet: { id: `${b.net('virtualNetworks', 'other')}/subnets/web` } })],
    answers: [400, 'NetworkInterfaceCannotBeMovedToDifferentVnet'],
  },
  {
    fact: 'an interface of a VM cannot be deleted',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b), b.nic()],
      ['PUT', b.com('virtualMachines', 'vm'), b.vm()],
    ],
    when: (b) => ['DELETE', nic(b)],
    answers: [400, 'NicInUse'],
    says: /is used by existing VM .*virtualMachines\/vm/,
  },
  {
    fact: 'an interface shows its VM and then has a MAC address',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b), b.nic()],
      ['PUT', b.com('virtualMachines', 'vm'), b.vm()],
    ],
    when: (b) => ['GET', nic(b)],
    answers: [
      200,
      {
        properties: {
          virtualMachine: { id: expect.stringMatching(/virtualMachines\/vm$/) },
          macAddress: expect.stringMatching(/^60-45-BD-/),
        },
      },
    ],
  },
  {
    fact: 'a PATCH of a network type takes tags only',
    given: (b) => [
      ['PUT', vnet(b), b.vnet()],
      ['PUT', nic(b), b.nic()],
    ],
    when: (b) => ['PATCH', nic(b), { properties: { enableIPForwarding: true } }],
    answers: [400, 'InvalidRequestFormat'],
  },
  {
    fact: 'a PUT without tags removes them',
    given: (b) => [
      ['PUT', nsg(b), { location, tags: { a: 'b' } }],
      ['PUT', nsg(b), { location }],
    ],
    when: (b) => ['GET', `${b.base}/resources?$filter=tagName eq 'a'`],
    answers: [200, { value: [] }],
  },
];

describe('where a PUT without subnets keeps them', () => {
  beforeAll(() => {
    world.arm.env.options.omittedSubnets = 'keep';
  });
  afterAll(() => {
    world.arm.env.options.omittedSubnets = 'delete';
  });
  const bare = { location, properties: { addressSpace: { addressPrefixes: ['10.0.0.0/16'] } } };
  testRules(
    () => world,
    [
      {
        fact: 'an omitted list changes nothing',
        given: (b) => [['PUT', vnet(b), b.vnet()]],
        when: (b) => ['PUT', vnet(b), bare],
        answers: [200, { properties: { subnets: [{ name: 'web' }] } }],
      },
      {
        fact: 'an empty list still asks to delete them',
        given: (b) => [
          ['PUT', vnet(b), b.vnet()],
          ['PUT', vnet(b), b.vnet({}, [])],
        ],
        when: (b) => ['GET', `${vnet(b)}/subnets/web`],
        answers: [404, 'ResourceNotFound'],
      },
    ],
  );
});

testRules(() => world, [...networks, ...securityGroups, ...addresses, ...interfaces]);
