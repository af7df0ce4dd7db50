import type { NetworkSecurityGroup, SecurityRule } from '@azure/arm-network';
import type { Blueprint } from '../blueprint.ts';
import { hasFailed, type Resource, resource } from '../resource.ts';
import { bodyToPut, holds } from './difference.ts';
import { dataRules, webRules } from './securityRules.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/networkSecurityGroups';

export const webNetworkSecurityGroup = (blueprint: Blueprint): Resource =>
  networkSecurityGroup(blueprint, 'webNetworkSecurityGroup', webRules(blueprint));

export const dataNetworkSecurityGroup = (blueprint: Blueprint): Resource =>
  networkSecurityGroup(blueprint, 'dataNetworkSecurityGroup', dataRules(blueprint));

/**
 * Unlike elsewhere, what others added is not kept: the group is the wall around the jump server, and its rules are exactly ours.
 */
function networkSecurityGroup(
  blueprint: Blueprint,
  key: 'webNetworkSecurityGroup' | 'dataNetworkSecurityGroup',
  securityRules: SecurityRule[],
): Resource {
  const { names, spec, place } = blueprint;
  return resource<NetworkSecurityGroup, NetworkSecurityGroup>({
    key,
    type,
    id: blueprint.id(type, names[key]),
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.network.networkSecurityGroups.get(place.resourceGroup, names[key]),
    desired(found) {
      const wanted = { location: spec.location, tags: tagsOver(found, blueprint), securityRules };
      if (found === undefined) return wanted;
      const rulesHold = sameRules(found.securityRules ?? [], securityRules) && !hasFailed(found);
      return rulesHold ? bodyToPut(found, { ...wanted, securityRules: undefined }) : wanted;
    },
    put: (azure, body) => azure.network.networkSecurityGroups.createOrUpdate(place.resourceGroup, names[key], body),
  });
}

const sameRules = (found: SecurityRule[], wanted: SecurityRule[]): boolean =>
  found.length === wanted.length && holds(found.map(normal), wanted.map(normal));

/** Azure answers a single prefix or port in the singular or the plural member. */
function normal(rule: SecurityRule) {
  const { name, access, direction, priority, protocol } = rule;
  const all = (one: string | undefined, many: string[] | undefined) =>
    many?.length ? many : one === undefined ? [] : [one];
  return {
    ...{ name, access, direction, priority, protocol },
    sources: all(rule.sourceAddressPrefix, rule.sourceAddressPrefixes),
    sourcePorts: all(rule.sourcePortRange, rule.sourcePortRanges),
    destinations: all(rule.destinationAddressPrefix, rule.destinationAddressPrefixes),
    destinationPorts: all(rule.destinationPortRange, rule.destinationPortRanges),
  };
}
