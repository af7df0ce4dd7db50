import type { Draft, Kind } from '../kind.ts';
import { asObject, asText, defaults, type Json, objects } from '../values.ts';
import { bad, networkStates } from './networkErrors.ts';
import { securityRule } from './networkShapes.ts';

const allowed = (
  name: string,
  priority: number,
  direction: string,
  access: string,
  from: string,
  to: string,
  text: string,
) => ({
  name,
  properties: {
    description: text,
    protocol: '*',
    sourcePortRange: '*',
    destinationPortRange: '*',
    sourceAddressPrefix: from,
    destinationAddressPrefix: to,
    access,
    priority,
    direction,
    sourcePortRanges: [],
    destinationPortRanges: [],
    sourceAddressPrefixes: [],
    destinationAddressPrefixes: [],
  },
});

const defaultRules = [
  allowed(
    'AllowVnetInBound',
    65000,
    'Inbound',
    'Allow',
    'VirtualNetwork',
    'VirtualNetwork',
    'Allow inbound traffic from all VMs in VNET',
  ),
  allowed(
    'AllowAzureLoadBalancerInBound',
    65001,
    'Inbound',
    'Allow',
    'AzureLoadBalancer',
    '*',
    'Allow inbound traffic from azure load balancer',
  ),
  allowed('DenyAllInBound', 65500, 'Inbound', 'Deny', '*', '*', 'Deny all inbound traffic'),
  allowed(
    'AllowVnetOutBound',
    65000,
    'Outbound',
    'Allow',
    'VirtualNetwork',
    'VirtualNetwork',
    'Allow outbound traffic from all VMs to all VMs in VNET',
  ),
  allowed(
    'AllowInternetOutBound',
    65001,
    'Outbound',
    'Allow',
    '*',
    'Internet',
    'Allow outbound traffic from all VMs to Internet',
  ),
  allowed('DenyAllOutBound', 65500, 'Outbound', 'Deny', '*', '*', 'Deny all outbound traffic'),
];

function prepareSecurityGroup({ resource, existing }: Draft): void {
  const { properties } = resource;
  defaults(properties, { securityRules: [] });
  properties.resourceGuid = existing?.properties.resourceGuid ?? crypto.randomUUID();
  properties.defaultSecurityRules = structuredClone(defaultRules);
  const seen = new Map<string, string>();
  for (const rule of objects(properties.securityRules)) {
    const name = asText(rule.name);
    const own = asObject(rule.properties);
    rule.properties = own;
    checkRule(name, own);
    const place = `${String(own.direction)}/${String(own.priority)}`;
    const other = seen.get(place);
    if (other !== undefined)
      throw bad(
        'SecurityRuleConflict',
        `Security rule ${other} conflicts with rule ${name}. Rules cannot have the same Priority and Direction. To learn more, see aka.ms/nsgrules.`,
      );
    seen.set(place, name);
    defaults(own, {
      sourcePortRanges: [],
      destinationPortRanges: [],
      sourceAddressPrefixes: [],
      destinationAddressPrefixes: [],
    });
  }
}

function checkRule(name: string, rule: Json): void {
  const priority = Number(rule.priority);
  if (priority < 100 || priority > 4096)
    throw bad(
      'SecurityRuleInvalidPriority',
      `Security rule has invalid Priority. Value provided: ${priority} Allowed range 100-4096.`,
    );
  for (const end of ['source', 'destination']) {
    const groups = objects(rule[`${end}ApplicationSecurityGroups`]);
    if (!one(rule[`${end}AddressPrefix`], rule[`${end}AddressPrefixes`]) && groups.length === 0)
      throw bad(
        'SecurityRuleParameterMissing',
        `Security rule ${name} must specify ${end}AddressPrefix, ${end}AddressPrefixes or ${end}ApplicationSecurityGroups.`,
      );
    if (!one(rule[`${end}PortRange`], rule[`${end}PortRanges`]))
      throw bad(
        'SecurityRuleParameterMissing',
        `Security rule ${name} must specify either ${end}PortRange or ${end}PortRanges.`,
      );
    const ports = [rule[`${end}PortRange`], ...((rule[`${end}PortRanges`] as unknown[] | undefined) ?? [])].filter(
      (port) => port !== undefined,
    );
    for (const port of ports) checkPort(name, String(port));
  }
}

const one = (single: unknown, many: unknown): boolean =>
  typeof single === 'string' || (Array.isArray(many) && many.length > 0);

function checkPort(name: string, text: string): void {
  const [from = NaN, to = from] = text.split('-').map(Number);
  if (text !== '*' && !(from >= 0 && from <= to && to <= 65535))
    throw bad(
      'SecurityRuleInvalidPortRange',
      `Security rule ${name} has invalid Port range. Value provided: ${text}. Value should be an integer OR integer range with '-' delimiter. Valid range 0-65535.`,
    );
}

export const securityGroups: Kind[] = [
  {
    style: 'network',
    location: 'required',
    patch: 'tags',
    state: networkStates,
    type: 'Microsoft.Network/networkSecurityGroups',
    properties: {
      securityRules: [{ id: 'string', name: 'string', type: 'ro', etag: 'ro', properties: securityRule }],
      flushConnection: 'boolean',
      defaultSecurityRules: 'ro',
      networkInterfaces: 'ro',
      subnets: 'ro',
      flowLogs: 'ro',
    },
    parts: ['securityRules', 'defaultSecurityRules'],
    prepare: prepareSecurityGroup,
    inUse: (id, users) =>
      bad(
        'InUseNetworkSecurityGroupCannotBeDeleted',
        `Network security group ${id} cannot be deleted because it is in use by the following resources: ${users.join(', ')}. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg.`,
      ),
  },
  {
    type: 'Microsoft.Network/networkSecurityGroups/securityRules',
    style: 'network',
    location: 'none',
    properties: securityRule,
    embedded: true,
  },
];
