import type { SecurityRule } from '@azure/arm-network';
import { withoutCovered } from '../../cidr.ts';
import { nodePorts } from '../../node/ports.ts';
import type { Blueprint } from '../blueprint.ts';
import { databasePort } from '../names.ts';

/** A rule of ours: inbound, any source port. */
interface InboundRule {
  name: string;
  description: string;
  priority: number;
  access: 'Allow' | 'Deny';
  protocol: 'Tcp' | '*';
  /** CIDRs, or one service tag, or `*`. */
  from: readonly string[];
  to: string;
  ports: readonly number[] | '*';
}

/** What no address of a network, ours or a peered one, may reach on a node or the database. */
const closedPorts = [22, databasePort, nodePorts.guacd, nodePorts.web];

/** Where a node accepts connections from. Users and probes come with their own address: the balancer does not change it. */
export function webRules({ spec, environment }: Blueprint): SecurityRule[] {
  const to = spec.network.subnets.web;
  const allow = { access: 'Allow', protocol: 'Tcp', to } as const;
  return inbound([
    {
      ...allow,
      name: 'allow-users',
      description: 'The networks in network.allowedSources reach the ingress.',
      priority: 100,
      from: withoutCovered(spec.network.allowedSources),
      ports: [nodePorts.ingress],
    },
    {
      ...allow,
      name: 'allow-control-plane',
      description: 'Molcajete proves that a login through the ingress works.',
      priority: 110,
      from: withoutCovered(environment.egress),
      ports: [nodePorts.ingress],
    },
    {
      ...allow,
      name: 'allow-nodes',
      description: "A node hands a session over to the session's home node.",
      priority: 120,
      from: [to],
      ports: [nodePorts.peer],
    },
    {
      ...allow,
      name: 'allow-probe',
      description: "The load balancer's health probe.",
      priority: 130,
      from: ['AzureLoadBalancer'],
      ports: [nodePorts.probe],
    },
    ...closed(to),
  ]);
}

/** Only nodes reach the database's private endpoint. */
export function dataRules({ spec }: Blueprint): SecurityRule[] {
  const { web, data } = spec.network.subnets;
  return inbound([
    {
      name: 'allow-nodes',
      description: 'Nodes reach the database.',
      priority: 100,
      access: 'Allow',
      protocol: 'Tcp',
      from: [web],
      to: data,
      ports: [databasePort],
    },
    ...closed(data),
  ]);
}

/**
 * Azure's default rule 65000 lets every address of this network and of peered ones in (tag VirtualNetwork), rule 65001 every
 * port from the balancer; both are overruled here.
 */
const closed = (to: string): InboundRule[] => [
  {
    name: 'deny-networks',
    description: 'Peered networks, and neighbours in this one, reach no shell, database, guacd or bare Guacamole.',
    priority: 4000,
    access: 'Deny',
    protocol: 'Tcp',
    from: ['VirtualNetwork'],
    to,
    ports: closedPorts,
  },
  {
    name: 'deny-everything-else',
    description: 'What is not allowed above is closed, also to the default rules of Azure.',
    priority: 4096,
    access: 'Deny',
    protocol: '*',
    from: ['*'],
    to: '*',
    ports: '*',
  },
];

/** A rule without a source is left out: Azure refuses it. */
const inbound = (rules: InboundRule[]): SecurityRule[] =>
  rules.filter(({ from }) => from.length > 0).map(toSecurityRule);

/** One prefix or port goes into the singular member, several into the plural one; Azure takes no service tag in a plural. */
function toSecurityRule({ from, to, ports, ...rule }: InboundRule): SecurityRule {
  const [source, destination] = [from[0], ports === '*' ? '*' : String(ports[0])];
  return {
    ...rule,
    direction: 'Inbound',
    sourcePortRange: '*',
    ...(from.length === 1 ? { sourceAddressPrefix: source } : { sourceAddressPrefixes: [...from] }),
    destinationAddressPrefix: to,
    ...(ports === '*' || ports.length === 1
      ? { destinationPortRange: destination }
      : { destinationPortRanges: ports.map(String) }),
  };
}
