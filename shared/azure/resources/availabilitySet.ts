import type { AvailabilitySet } from '@azure/arm-compute';
import type { Blueprint } from '../blueprint.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Compute/availabilitySets';

/** Its domains are fixed at creation, and a virtual machine joins only at its own. */
export function availabilitySet(blueprint: Blueprint): Resource {
  const { names, spec, place } = blueprint;
  return resource<AvailabilitySet, AvailabilitySet>({
    key: 'availabilitySet',
    type,
    id: blueprint.id(type, names.availabilitySet),
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.compute.availabilitySets.get(place.resourceGroup, names.availabilitySet),
    desired: (found) =>
      bodyToPut<AvailabilitySet>(found, {
        location: spec.location,
        tags: tagsOver(found, blueprint),
        // Managed disks demand an aligned set: virtual-machines/availability-set-overview.
        sku: { name: 'Aligned' },
        // Two is what every region has; some have three.
        platformFaultDomainCount: found?.platformFaultDomainCount ?? 2,
        platformUpdateDomainCount: found?.platformUpdateDomainCount ?? 5,
      }),
    put: (azure, body) =>
      azure.compute.availabilitySets.createOrUpdate(place.resourceGroup, names.availabilitySet, body),
  });
}
