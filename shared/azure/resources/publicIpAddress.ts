import type { PublicIPAddress } from '@azure/arm-network';
import type { Blueprint } from '../blueprint.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/publicIPAddresses';

/** Where users come in and nodes go out. Basic addresses were retired on 30 September 2025; a Standard one is static. */
export function publicIpAddress(blueprint: Blueprint): Resource {
  const { names, spec, place } = blueprint;
  const domainNameLabel = spec.ingress.dnsLabel;
  return resource<PublicIPAddress, PublicIPAddress>({
    key: 'publicIpAddress',
    type,
    id: blueprint.id(type, names.publicIpAddress),
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.network.publicIPAddresses.get(place.resourceGroup, names.publicIpAddress),
    desired(found) {
      const formerLabel = domainNameLabel === undefined && found?.dnsSettings?.domainNameLabel !== undefined;
      const wanted: PublicIPAddress = {
        location: spec.location,
        tags: tagsOver(found, blueprint),
        sku: { name: 'Standard' },
        publicIPAllocationMethod: 'Static',
        dnsSettings: domainNameLabel === undefined ? undefined : { domainNameLabel },
      };
      if (!formerLabel) return bodyToPut(found, wanted);
      return { ...found, ...wanted };
    },
    put: (azure, body) =>
      azure.network.publicIPAddresses.createOrUpdate(place.resourceGroup, names.publicIpAddress, body),
    output: (found) => ({ ipAddress: found.ipAddress ?? '', fqdn: found.dnsSettings?.fqdn ?? '' }),
  });
}
