import type { PrivateDnsZoneGroup } from '@azure/arm-network';
import type { Blueprint } from '../blueprint.ts';
import { databaseDnsZone, parts, resourceId } from '../names.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';

const type = 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups';

/** Writes the server's name into the jump server's zone. */
export const dataEndpointDns = (blueprint: Blueprint): Resource =>
  zoneGroup(blueprint, {
    key: 'dataEndpointDns',
    group: blueprint.place.resourceGroup,
    endpoint: blueprint.names.dataEndpoint,
    zone: blueprint.id('Microsoft.Network/privateDnsZones', blueprint.names.dnsZone),
    dependsOn: ['dataEndpoint', 'dnsZone'],
  });

/** Writes it into the control plane's zone. */
export const controlEndpointDns = (blueprint: Blueprint): Resource =>
  zoneGroup(blueprint, {
    key: 'controlEndpointDns',
    group: blueprint.environment.controlResourceGroup,
    endpoint: blueprint.names.controlEndpoint,
    zone: blueprint.environment.dnsZoneId,
    dependsOn: ['controlEndpoint'],
  });

interface ZoneGroup {
  key: string;
  group: string;
  endpoint: string;
  zone: string;
  dependsOn: string[];
}

/** The group writes and owns the A record; it goes with its endpoint. */
function zoneGroup(blueprint: Blueprint, { key, group, endpoint, zone, dependsOn }: ZoneGroup): Resource {
  const place = { subscriptionId: blueprint.place.subscriptionId, resourceGroup: group };
  return resource<PrivateDnsZoneGroup, PrivateDnsZoneGroup>({
    key,
    type,
    id: `${resourceId(place, 'Microsoft.Network/privateEndpoints', endpoint)}/privateDnsZoneGroups/${parts.zoneGroup}`,
    dependsOn,
    get: (azure) => azure.network.privateDnsZoneGroups.get(group, endpoint, parts.zoneGroup),
    desired: (found) =>
      bodyToPut<PrivateDnsZoneGroup>(found, {
        privateDnsZoneConfigs: [{ name: databaseDnsZone.replaceAll('.', '-'), privateDnsZoneId: zone }],
      }),
    put: (azure, body) => azure.network.privateDnsZoneGroups.createOrUpdate(group, endpoint, parts.zoneGroup, body),
  });
}
