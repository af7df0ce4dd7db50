import type { ResourceGroup } from '@azure/arm-resources';
import type { Blueprint } from '../blueprint.ts';
import { ownerTag, resourceGroupId } from '../names.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

/**
 * The jump server's group. A group that was there before and has no owner's tag is used and left as it is: tagging it would
 * claim what others keep in it. Its output `owned` says whether it may be deleted.
 */
export function resourceGroup(blueprint: Blueprint): Resource {
  const { name, spec, place } = blueprint;
  return resource<ResourceGroup, ResourceGroup>({
    key: 'resourceGroup',
    type: 'Microsoft.Resources/resourceGroups',
    id: resourceGroupId(place),
    get: (azure) => azure.resources.resourceGroups.get(place.resourceGroup),
    desired(found) {
      if (found !== undefined && found.tags?.[ownerTag] === undefined) return undefined;
      return bodyToPut(found, { location: spec.location, tags: tagsOver(found, blueprint) });
    },
    put: (azure, body) => azure.resources.resourceGroups.createOrUpdate(place.resourceGroup, body),
    output: (found) => ({ owned: String(found.tags?.[ownerTag] === name) }),
  });
}
