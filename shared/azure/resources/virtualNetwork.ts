import type { Subnet, VirtualNetwork } from '@azure/arm-network';
import { containsCidr, parseCidr } from '../../cidr.ts';
import type { Blueprint } from '../blueprint.ts';
import { parts } from '../names.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/virtualNetworks';

/**
 * The network with its subnets inline: a PUT replaces subnets and peerings, so what others added goes back with it, and so
 * does the address space their subnets lie in.
 */
export function virtualNetwork(blueprint: Blueprint): Resource {
  const { names, spec, place } = blueprint;
  const id = blueprint.id(type, names.virtualNetwork);
  return resource<VirtualNetwork, VirtualNetwork>({
    key: 'virtualNetwork',
    type,
    id,
    dependsOn: [
      'webNetworkSecurityGroup',
      'dataNetworkSecurityGroup',
      ...(spec.network.ddosProtection ? ['ddosProtectionPlan'] : []),
    ],
    writeQueue: id,
    get: (azure) => azure.network.virtualNetworks.get(place.resourceGroup, names.virtualNetwork),
    desired(found) {
      const body = bodyToPut(found, {
        location: spec.location,
        tags: tagsOver(found, blueprint),
        addressSpace: { addressPrefixes: addressPrefixes(found, spec.network.addressSpace) },
        subnets: subnets(blueprint),
        ...ddosProtection(found, blueprint),
      });
      if (body !== undefined && body.enableDdosProtection === false) delete body.ddosProtectionPlan;
      return body;
    },
    put: (azure, body) => azure.network.virtualNetworks.createOrUpdate(place.resourceGroup, names.virtualNetwork, body),
  });
}

function subnets(blueprint: Blueprint): Subnet[] {
  const { names, spec } = blueprint;
  const group = (name: string) => ({ id: blueprint.id('Microsoft.Network/networkSecurityGroups', name) });
  return [
    {
      name: parts.webSubnet,
      addressPrefix: spec.network.subnets.web,
      networkSecurityGroup: group(names.webNetworkSecurityGroup),
      // Said aloud, because the default differs between API versions; the load balancer's outbound rule gives egress.
      // https://techcommunity.microsoft.com "Private subnets by default"
      defaultOutboundAccess: false,
    },
    {
      name: parts.dataSubnet,
      addressPrefix: spec.network.subnets.data,
      networkSecurityGroup: group(names.dataNetworkSecurityGroup),
      defaultOutboundAccess: false,
      // Private endpoints ignore security groups unless this says otherwise.
      // https://learn.microsoft.com/azure/private-link/disable-private-endpoint-network-policy
      privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled',
    },
  ];
}

function addressPrefixes(found: VirtualNetwork | undefined, ours: string[]): string[] {
  const space = ours.map(parseCidr);
  const foreign = (found?.subnets ?? [])
    .flatMap(({ addressPrefix, addressPrefixes: many }) => many ?? (addressPrefix === undefined ? [] : [addressPrefix]))
    .filter(isIpv4)
    .map(parseCidr)
    .filter((subnet) => !space.some((one) => containsCidr(one, subnet)));
  const needed = (found?.addressSpace?.addressPrefixes ?? []).filter(
    (prefix) =>
      !ours.includes(prefix) && (!isIpv4(prefix) || foreign.some((subnet) => containsCidr(parseCidr(prefix), subnet))),
  );
  return [...ours, ...needed];
}

const isIpv4 = (prefix: string): boolean => !prefix.includes(':');

/** Our plan, or none of ours: a plan that others attached (often Azure Policy) stays. */
function ddosProtection(found: VirtualNetwork | undefined, blueprint: Blueprint): Partial<VirtualNetwork> {
  const ours = blueprint.id('Microsoft.Network/ddosProtectionPlans', blueprint.names.ddosProtectionPlan);
  if (blueprint.spec.network.ddosProtection) return { enableDdosProtection: true, ddosProtectionPlan: { id: ours } };
  const attached = found?.ddosProtectionPlan?.id?.toLowerCase() === ours.toLowerCase();
  return attached ? { enableDdosProtection: false } : {};
}
