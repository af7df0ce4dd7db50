/** Network security groups, evaluated as Azure does: the rule of lowest priority number that matches decides. */
import type { ArmResource } from '../contract.ts';
import { contains } from './cidr.ts';

export type Direction = 'Inbound' | 'Outbound';

/** One end of a flow as the group's own network sees it; peered networks count as `network`. */
export interface End {
  /** The private address inside a network, otherwise the client's. */
  address: string;
  place: 'network' | 'platform' | 'internet';
}

export interface Flow {
  direction: Direction;
  protocol: 'Tcp' | 'Udp' | 'Icmp';
  source: End;
  destination: End;
  destinationPort: number;
}

export interface Rule {
  name: string;
  priority: number;
  direction: Direction;
  access: 'Allow' | 'Deny';
  protocol: string;
  sources: string[];
  destinations: string[];
  destinationPorts: string[];
}

export interface Verdict {
  access: 'Allow' | 'Deny';
  /** Name of the rule that decided. */
  rule: string;
}

const defaultRule = (direction: Direction) => {
  return (priority: number, name: string, access: Rule['access'], source: string, destination: string): Rule => ({
    name,
    priority,
    direction,
    access,
    protocol: '*',
    sources: [source],
    destinations: [destination],
    destinationPorts: ['*'],
  });
};
const inbound = defaultRule('Inbound');
const outbound = defaultRule('Outbound');

export const defaultRules: Rule[] = [
  inbound(65000, 'AllowVnetInBound', 'Allow', 'VirtualNetwork', 'VirtualNetwork'),
  inbound(65001, 'AllowAzureLoadBalancerInBound', 'Allow', 'AzureLoadBalancer', '*'),
  inbound(65500, 'DenyAllInBound', 'Deny', '*', '*'),
  outbound(65000, 'AllowVnetOutBound', 'Allow', 'VirtualNetwork', 'VirtualNetwork'),
  outbound(65001, 'AllowInternetOutBound', 'Allow', '*', 'Internet'),
  outbound(65500, 'DenyAllOutBound', 'Deny', '*', '*'),
];

const places: Record<string, End['place']> = {
  virtualnetwork: 'network',
  azureloadbalancer: 'platform',
  internet: 'internet',
};

/** Reads the rules of a stored group; singular and plural forms of a field may both be there. */
export function rulesOf(group: ArmResource): Rule[] {
  const rules = Array.isArray(group.properties.securityRules) ? group.properties.securityRules : [];
  return rules.map((rule: { name?: string; properties?: Record<string, unknown> }) => {
    const properties = rule.properties ?? {};
    return {
      name: rule.name ?? '',
      priority: Number(properties.priority),
      direction: properties.direction === 'Outbound' ? 'Outbound' : 'Inbound',
      access: properties.access === 'Allow' ? 'Allow' : 'Deny',
      protocol: String(properties.protocol ?? '*'),
      sources: values(properties, 'sourceAddressPrefix', 'sourceAddressPrefixes'),
      destinations: values(properties, 'destinationAddressPrefix', 'destinationAddressPrefixes'),
      destinationPorts: values(properties, 'destinationPortRange', 'destinationPortRanges'),
    };
  });
}

function values(properties: Record<string, unknown>, singular: string, plural: string): string[] {
  const many = Array.isArray(properties[plural]) ? properties[plural].map(String) : [];
  return typeof properties[singular] === 'string' ? [properties[singular], ...many] : many;
}

/** What one group says; its default rules apply behind its own. */
export function evaluate(rules: Rule[], flow: Flow): Verdict {
  let decisive: Rule | undefined;
  for (const rule of [...rules, ...defaultRules]) {
    if (matches(rule, flow) && (!decisive || rule.priority < decisive.priority)) decisive = rule;
  }
  // Unreachable: the last default rule of each direction matches everything.
  return decisive ? { access: decisive.access, rule: decisive.name } : { access: 'Deny', rule: 'none' };
}

function matches(rule: Rule, flow: Flow): boolean {
  return (
    rule.direction === flow.direction &&
    (rule.protocol === '*' || rule.protocol.toLowerCase() === flow.protocol.toLowerCase()) &&
    rule.sources.some((prefix) => covers(prefix, flow.source)) &&
    rule.destinations.some((prefix) => covers(prefix, flow.destination)) &&
    rule.destinationPorts.some((range) => inRange(range, flow.destinationPort))
  );
}

function covers(prefix: string, end: End): boolean {
  if (prefix === '*' || prefix === '0.0.0.0/0') return true;
  const place = places[prefix.toLowerCase()];
  return place ? end.place === place : contains(prefix, end.address);
}

function inRange(range: string, port: number): boolean {
  if (range === '*') return true;
  const [first, last] = range.split('-').map(Number);
  return first !== undefined && port >= first && port <= (last ?? first);
}
