import type { PrivateZone, VirtualNetworkLink } from '@azure/arm-privatedns';
import type { Blueprint } from '../blueprint.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { refuseUnowned } from './ownership.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/privateDnsZones';
const linkType = 'Microsoft.Network/privateDnsZones/virtualNetworkLinks';

/** The names of MySQL servers as the jump server's network sees them. */
export function dnsZone(blueprint: Blueprint): Resource {
  const { names, place } = blueprint;
  return resource<PrivateZone, PrivateZone>({
    key: 'dnsZone',
    type,
    id: blueprint.id(type, names.dnsZone),
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.privateDns.privateZones.get(place.resourceGroup, names.dnsZone),
    desired(found) {
      // Its name is Azure's: in a shared group it may be somebody else's, and would be taken down with us.
      refuseUnowned(found, blueprint);
      return bodyToPut<PrivateZone>(found, { location: 'global', tags: tagsOver(found, blueprint) });
    },
    put: (azure, body) =>
      azure.privateDns.privateZones.beginCreateOrUpdateAndWait(place.resourceGroup, names.dnsZone, body),
  });
}

/** Without the link the zone answers nobody. */
export function dnsZoneLink(blueprint: Blueprint): Resource {
  const { names, place } = blueprint;
  const virtualNetwork = { id: blueprint.id('Microsoft.Network/virtualNetworks', names.virtualNetwork) };
  return resource<VirtualNetworkLink, VirtualNetworkLink>({
    key: 'dnsZoneLink',
    type: linkType,
    id: `${blueprint.id(type, names.dnsZone)}/virtualNetworkLinks/${names.dnsZoneLink}`,
    dependsOn: ['dnsZone', 'virtualNetwork'],
    get: (azure) => azure.privateDns.virtualNetworkLinks.get(place.resourceGroup, names.dnsZone, names.dnsZoneLink),
    desired: (found) =>
      bodyToPut<VirtualNetworkLink>(found, {
        location: 'global',
        tags: tagsOver(found, blueprint),
        virtualNetwork,
        registrationEnabled: false,
      }),
    put: (azure, body) =>
      azure.privateDns.virtualNetworkLinks.beginCreateOrUpdateAndWait(
        place.resourceGroup,
        names.dnsZone,
        names.dnsZoneLink,
        body,
      ),
  });
}
