import { createHash } from 'node:crypto';

/** Says whose a resource is; its value is the jump server's name. */
export const ownerTag = 'molcajete-jump-server';

/** Remembers which tags the spec asked for, so that one taken out of the spec is taken off the resource. */
export const tagNamesTag = 'molcajete-tags';

/** The MySQL administrator; its password is in the control vault as `{name}-mysql-admin`. */
export const databaseAdministrator = 'molcajete';

/** Guacamole's database on every MySQL server. */
export const databaseName = 'guacamole';

/** Where a MySQL server answers. */
export const databasePort = 3306;

/** MySQL Flexible Server's zone for private endpoints. */
export const databaseDnsZone = 'privatelink.mysql.database.azure.com';

export interface Place {
  subscriptionId: string;
  resourceGroup: string;
}

/** Names of the sub-resources that live inside others. */
export const parts = {
  webSubnet: 'web',
  dataSubnet: 'data',
  frontend: 'public',
  pool: 'nodes',
  probe: 'health',
  rule: 'https',
  outboundRule: 'egress',
  ipConfiguration: 'primary',
  zoneGroup: 'default',
} as const;

/** Names of one jump server's Azure resources. All that must be unique in the world carry a hash of where they are. */
export function namesOf(jumpServer: string, place: Place) {
  const unique = hash(place.subscriptionId.toLowerCase(), place.resourceGroup.toLowerCase(), jumpServer);
  return {
    resourceGroup: place.resourceGroup,
    webNetworkSecurityGroup: `${jumpServer}-web-nsg`,
    dataNetworkSecurityGroup: `${jumpServer}-data-nsg`,
    virtualNetwork: `${jumpServer}-vnet`,
    ddosProtectionPlan: `${jumpServer}-ddos`,
    publicIpAddress: `${jumpServer}-ip`,
    loadBalancer: `${jumpServer}-lb`,
    availabilitySet: `${jumpServer}-set`,
    identity: `${jumpServer}-nodes`,
    /** 3–63 lower-case letters, digits and hyphens; unique in the world: it is a host name. */
    mysqlServer: `${jumpServer}-${unique.slice(0, 12)}`,
    dataEndpoint: `${jumpServer}-mysql-endpoint`,
    /** In the control plane's resource group, where other jump servers have theirs. */
    controlEndpoint: `${jumpServer}-control-endpoint`,
    dnsZone: databaseDnsZone,
    dnsZoneLink: `${jumpServer}-vnet`,
    /** In somebody else's network, where other control planes peer jump servers of the same name. */
    remotePeering: `molcajete-${jumpServer}-${unique.slice(0, 8)}`,
    /** What it was called before it had the hash. Those keep their name: a new one would cut its sessions. */
    formerRemotePeering: `molcajete-${jumpServer}`,
  };
}

export type Names = ReturnType<typeof namesOf>;

/**
 * 3–24 letters, digits and single hyphens, a letter first; unique in the world, also among deleted vaults. Those keep their name
 * and their region for days, so the region is part of it.
 */
export function vaultName(jumpServer: string, place: Place, location: string): string {
  const unique = hash(place.subscriptionId.toLowerCase(), place.resourceGroup.toLowerCase(), jumpServer, location);
  return `${jumpServer.slice(0, 11).replace(/-$/, '')}-${unique.slice(0, 12)}`;
}

/** `{name}-1`: a node's name, which is its virtual machine's and its host's name. */
export const nodeName = (jumpServer: string, number: number): string => `${jumpServer}-${number}`;

/** What of a node has a place in the graph of an operation. */
type NodePart = 'networkInterface' | 'virtualMachine' | 'health' | 'repair' | 'rest' | 'account';

/** Key of a part of a node in the graph of an operation and in the inventory: `node-1/virtualMachine`. */
export const nodeKey = (number: number, part: NodePart): string => `node-${number}/${part}`;

/** The node and the part that a key is about; undefined for a key that `nodeKey` has not made. */
export function parseNodeKey(key: string): { number: number; part: string } | undefined {
  const [, number, part] = /^node-(\d+)\/(\w+)$/.exec(key) ?? [];
  return number === undefined || part === undefined ? undefined : { number: Number(number), part };
}

export const networkInterfaceName = (node: string): string => `${node}-nic`;

export const osDiskName = (node: string): string => `${node}-osdisk`;

/** Stable whatever the order of the peerings in the spec, and the letter case of the id. */
export const peeringName = (virtualNetworkId: string): string =>
  `to-${(virtualNetworkId.toLowerCase().split('/').at(-1) ?? '').slice(0, 60)}-${hash(virtualNetworkId.toLowerCase()).slice(0, 8)}`;

export const resourceGroupId = ({ subscriptionId, resourceGroup }: Place): string =>
  `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;

/** `resourceId(place, 'Microsoft.Network/loadBalancers', name)`. */
export const resourceId = (place: Place, type: string, name: string): string =>
  `${resourceGroupId(place)}/providers/${type}/${name}`;

/** The same thing asked for twice gets the same GUID, so that a repeated PUT of a role assignment is no second assignment. */
export function deterministicGuid(...from: string[]): string {
  const hex = hash(...from.map((part) => part.toLowerCase()));
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `${variant}${hex.slice(18, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

const hash = (...texts: string[]): string => createHash('sha256').update(texts.join('\n')).digest('hex');
