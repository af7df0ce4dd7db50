import type { Stored } from '../../state.ts';
import { contains, overlaps, parseCidr, type Range } from '../cidr.ts';
import type { ArmEnv } from '../env.ts';
import type { ArmError } from '../failure.ts';
import { key, lastName } from '../ids.ts';
import type { Draft, Kind } from '../kind.ts';
import { asObject, asText, defaults, idOf, type Json, objects } from '../values.ts';
import { bad, networkStates } from './networkErrors.ts';
import { peering, subnet, virtualNetwork } from './networkShapes.ts';

const inUseSubnet = (id: string, users: string[]): ArmError =>
  bad(
    'InUseSubnetCannotBeDeleted',
    `Subnet ${lastName(id)} is in use by ${users[0]} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.`,
  );

/** New networks are private from this version on (Azure: "Private subnets by default"). */
const privateSince = '2025-07-01';

function prepareNetwork(draft: Draft): void {
  const { resource, existing, env, body } = draft;
  const { properties } = resource;
  const given = asObject(body.properties);
  const before = existing?.properties;
  const keep = env.options.omittedSubnets === 'keep' || Object.keys(given).length === 0;
  if (given.subnets === undefined) properties.subnets = keep && before ? structuredClone(before.subnets) : [];
  if (given.virtualNetworkPeerings === undefined)
    properties.virtualNetworkPeerings = structuredClone(before?.virtualNetworkPeerings ?? []);
  defaults(properties, { enableDdosProtection: false, privateEndpointVNetPolicies: 'Disabled' });
  properties.resourceGuid = before?.resourceGuid ?? crypto.randomUUID();
  if (properties.enableDdosProtection === true && idOf(properties.ddosProtectionPlan) === undefined)
    throw bad(
      'DdosProtectionPlanRequired',
      `Virtual network ${resource.id} has DDoS protection enabled but names no plan.`,
    );
  const spaces = (asObject(properties.addressSpace).addressPrefixes as string[] | undefined) ?? [];
  const ranges = spaces.map((text) => range(text, resource.id));
  if (ranges.length === 0) throw bad('InvalidRequestFormat', 'Virtual network needs an address prefix.');
  const firstVersion = asText(existing?.internal.apiVersion) || draft.apiVersion;
  resource.internal.apiVersion = firstVersion;
  for (const item of objects(properties.subnets)) completeSubnet(item, firstVersion);
  checkSubnets(resource.id, objects(properties.subnets), ranges);
  checkMoved(draft);
  for (const item of objects(properties.virtualNetworkPeerings)) completePeering(item, draft);
}

function completeSubnet(item: Json, networkVersion: string): void {
  const properties = asObject(item.properties);
  item.properties = properties;
  const prefixes = properties.addressPrefixes as string[] | undefined;
  if (properties.addressPrefix === undefined && prefixes?.length === 1) properties.addressPrefix = prefixes[0];
  defaults(properties, {
    delegations: [],
    privateEndpointNetworkPolicies: 'Disabled',
    privateLinkServiceNetworkPolicies: 'Enabled',
    ...(networkVersion >= privateSince ? { defaultOutboundAccess: false } : {}),
  });
}

function checkSubnets(network: string, items: Json[], spaces: Range[]): void {
  const taken: [string, Range][] = [];
  for (const item of items) {
    const name = asText(item.name);
    const text = asText(asObject(item.properties).addressPrefix);
    const own = range(text, `${network}/subnets/${name}`);
    if (own.prefix > 29)
      throw bad('NetcfgSubnetRangeTooSmall', `Subnet '${name}' has the address range ${text}; the smallest is /29.`);
    if (!spaces.some((space) => contains(space, own)))
      throw bad(
        'NetcfgSubnetRangeOutsideVnet',
        `Subnet '${name}' is not valid because its IP address range is outside the IP address range of virtual network '${lastName(network)}'.`,
      );
    const clash = taken.find(([, other]) => overlaps(own, other));
    if (clash)
      throw bad(
        'NetcfgSubnetRangesOverlap',
        `Subnet '${name}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '${lastName(network)}'.`,
      );
    taken.push([name, own]);
  }
}

function checkMoved({ resource, existing, env }: Draft): void {
  for (const old of objects(existing?.properties.subnets)) {
    const now = objects(resource.properties.subnets).find(
      (item) => asText(item.name).toLowerCase() === asText(old.name).toLowerCase(),
    );
    if (now === undefined || asObject(now.properties).addressPrefix === asObject(old.properties).addressPrefix)
      continue;
    const users = env.references.users(asText(old.id));
    if (users.length > 0)
      throw bad(
        'InUsePrefixCannotBeDeleted',
        `IpPrefix ${asText(asObject(old.properties).addressPrefix)} on Subnet ${asText(old.name)} has active allocations (${users[0]}) and cannot be deleted.`,
      );
  }
}

function completePeering(item: Json, { env, resource, existing }: Draft): void {
  const properties = asObject(item.properties);
  item.properties = properties;
  const remote = idOf(properties.remoteVirtualNetwork) ?? '';
  const other = env.state.get(remote);
  defaults(properties, {
    allowVirtualNetworkAccess: true,
    allowForwardedTraffic: false,
    allowGatewayTransit: false,
    useRemoteGateways: false,
  });
  const before = objects(existing?.properties.virtualNetworkPeerings).find(
    (old) => asText(old.name) === asText(item.name),
  );
  properties.peeringState = asObject(before?.properties).peeringState ?? 'Initiated';
  properties.peeringSyncLevel = 'FullyInSync';
  const space = asObject(other?.properties.addressSpace).addressPrefixes;
  if (space) properties.remoteAddressSpace = { addressPrefixes: space };
  const own = (asObject(resource.properties.addressSpace).addressPrefixes as string[]).map((text) =>
    range(text, resource.id),
  );
  const theirs = ((space ?? []) as string[]).map((text) => range(text, remote));
  if (own.some((a) => theirs.some((b) => overlaps(a, b))))
    throw bad(
      'VnetAddressSpacesOverlap',
      `Cannot create or update peering ${asText(item.name)}. Virtual networks ${resource.id} and ${remote} cannot be peered because their address spaces overlap.`,
    );
}

/** The state of a peering depends on the other side: on all networks, after each change of one. */
function refreshPeerings(env: ArmEnv): void {
  const networks = env.state.list('Microsoft.Network/virtualNetworks');
  const peers = (network: Stored | undefined) =>
    objects(network?.properties.virtualNetworkPeerings).map((item) =>
      key(idOf(asObject(item.properties).remoteVirtualNetwork) ?? ''),
    );
  for (const network of networks) {
    const states = peers(network).map((remote) => {
      const other = env.state.get(remote);
      return other !== undefined && peers(other).includes(key(network.id));
    });
    const items = objects(network.properties.virtualNetworkPeerings);
    const next = items.map((item, i) =>
      peeringState(asText(asObject(item.properties).peeringState), states[i] === true),
    );
    if (items.every((item, i) => asObject(item.properties).peeringState === next[i])) continue;
    env.state.update(network.id, (copy) => {
      objects(copy.properties.virtualNetworkPeerings).forEach((item, i) => {
        asObject(item.properties).peeringState = next[i];
      });
    });
  }
}

/** Once connected, a peering whose other side has gone is Disconnected and has to be made anew on both sides. */
const peeringState = (now: string, both: boolean): string =>
  now === 'Disconnected' ? now : both ? 'Connected' : now === 'Connected' ? 'Disconnected' : 'Initiated';

function range(text: string, where: string): Range {
  const parsed = parseCidr(text);
  if (parsed === undefined)
    throw bad(
      'InvalidCIDRNotation',
      `The address prefix ${text} in resource ${where} has an invalid CIDR notation. For more information, see https://aka.ms/cidrnotation.`,
    );
  return parsed;
}

const join = 'Microsoft.Network/virtualNetworks/subnets/join/action';
export const subnetType = 'Microsoft.Network/virtualNetworks/subnets';
export const joinSubnet = { to: subnetType, linked: join };

const subnetPath = 'properties.subnets[].properties';

export const virtualNetworks: Kind[] = [
  {
    type: 'Microsoft.Network/virtualNetworks',
    style: 'network',
    location: 'required',
    properties: virtualNetwork,
    extra: { extendedLocation: 'any' },
    parts: ['subnets', 'virtualNetworkPeerings'],
    patch: 'tags',
    state: networkStates,
    namePattern: /^[a-z0-9][-\w.]{0,62}\w$|^[a-z0-9]$/i,
    references: [
      {
        path: `${subnetPath}.networkSecurityGroup`,
        to: 'Microsoft.Network/networkSecurityGroups',
        linked: 'Microsoft.Network/networkSecurityGroups/join/action',
        back: 'subnets',
      },
      {
        path: `${subnetPath}.natGateway`,
        to: 'Microsoft.Network/natGateways',
        linked: 'Microsoft.Network/natGateways/join/action',
        back: 'subnets',
      },
      {
        path: 'properties.ddosProtectionPlan',
        to: 'Microsoft.Network/ddosProtectionPlans',
        linked: 'Microsoft.Network/ddosProtectionPlans/join/action',
        back: 'virtualNetworks',
        whole: true,
        anyRegion: true,
      },
      {
        path: 'properties.virtualNetworkPeerings[].properties.remoteVirtualNetwork',
        to: 'Microsoft.Network/virtualNetworks',
        linked: 'Microsoft.Network/virtualNetworks/peer/action',
        anyRegion: true,
        loose: true,
      },
    ],
    prepare: prepareNetwork,
    accepted: ({ env }) => refreshPeerings(env),
    changed: refreshPeerings,
    inUse: (id, users) =>
      bad(
        'InUseVirtualNetworkCannotBeDeleted',
        `Virtual network ${id} is in use by ${users[0]} and cannot be deleted.`,
      ),
  },
  { type: subnetType, style: 'network', location: 'none', properties: subnet, embedded: true, inUse: inUseSubnet },
  {
    type: 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings',
    style: 'network',
    location: 'none',
    properties: peering,
    embedded: true,
  },
];
