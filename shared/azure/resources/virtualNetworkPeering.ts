import type { VirtualNetworkPeering } from '@azure/arm-network';
import type { GenericResource } from '@azure/arm-resources';
import type { Blueprint } from '../blueprint.ts';
import { peeringName } from '../names.ts';
import { type Resource, resource } from '../resource.ts';
import { networkApiVersion } from './apiVersions.ts';
import { bodyToPut } from './difference.ts';

const type = 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings';

type Peering = Blueprint['spec']['network']['peerings'][number];

/** A peering carries traffic when both networks have their side of it; the far side is made too unless the spec says otherwise. */
export const peerings = (blueprint: Blueprint): Resource[] =>
  blueprint.spec.network.peerings.flatMap((peering) => [
    nearSide(blueprint, peering),
    ...(peering.bothSides ? [farSide(blueprint, peering)] : []),
  ]);

function nearSide(blueprint: Blueprint, peering: Peering): Resource {
  const { names, place } = blueprint;
  const [name, network] = [
    peeringName(peering.virtualNetworkId),
    blueprint.id('Microsoft.Network/virtualNetworks', names.virtualNetwork),
  ];
  return resource<VirtualNetworkPeering, VirtualNetworkPeering>({
    key: `peering-${name}`,
    type,
    id: `${network}/virtualNetworkPeerings/${name}`,
    // A side that uses the other's gateway is refused until the far side offers it.
    dependsOn: ['virtualNetwork', ...(peering.useRemoteGateways && peering.bothSides ? [farKey(name)] : [])],
    writeQueue: network,
    get: (azure) => azure.network.virtualNetworkPeerings.get(place.resourceGroup, names.virtualNetwork, name),
    desired: (found) =>
      bodyToPut(found, {
        remoteVirtualNetwork: { id: peering.virtualNetworkId },
        allowVirtualNetworkAccess: true,
        allowForwardedTraffic: peering.allowForwardedTraffic,
        allowGatewayTransit: false,
        useRemoteGateways: peering.useRemoteGateways,
      }),
    put: (azure, body) =>
      azure.network.virtualNetworkPeerings.createOrUpdate(place.resourceGroup, names.virtualNetwork, name, body),
  });
}

const farKey = (name: string): string => `peering-${name}/farSide`;

/** By id, because the other network may be in another subscription, which the network client cannot write to. */
function farSide(blueprint: Blueprint, peering: Peering): Resource {
  const near = peeringName(peering.virtualNetworkId);
  const id = `${peering.virtualNetworkId}/virtualNetworkPeerings/${blueprint.names.remotePeering}`;
  return resource<GenericResource, GenericResource>({
    key: farKey(near),
    type,
    id,
    dependsOn: peering.useRemoteGateways ? ['virtualNetwork'] : [`peering-${near}`],
    writeQueue: peering.virtualNetworkId.toLowerCase(),
    get: (azure) => azure.resources.resources.getById(id, networkApiVersion),
    desired: (found) =>
      bodyToPut<GenericResource>(found, {
        properties: {
          remoteVirtualNetwork: {
            id: blueprint.id('Microsoft.Network/virtualNetworks', blueprint.names.virtualNetwork),
          },
          allowVirtualNetworkAccess: true,
          allowForwardedTraffic: false,
          allowGatewayTransit: peering.useRemoteGateways,
          useRemoteGateways: false,
        },
      }),
    put: (azure, body) =>
      azure.resources.resources.beginCreateOrUpdateByIdAndWait(id, networkApiVersion, {
        properties: writable(body.properties),
      }),
  });
}

const readOnly = new Set(['provisioningState', 'resourceGuid', 'remoteVirtualNetworkEncryption']);

const writable = (properties: Record<string, unknown> = {}) =>
  Object.fromEntries(Object.entries(properties).filter(([key]) => !readOnly.has(key)));
