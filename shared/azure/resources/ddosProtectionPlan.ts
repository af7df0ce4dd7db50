import type { DdosProtectionPlan } from '@azure/arm-network';
import type { Blueprint } from '../blueprint.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/ddosProtectionPlans';

/** Bills its monthly fee from creation on, whether a network uses it or not. */
export function ddosProtectionPlan(blueprint: Blueprint): Resource {
  const { names, spec, place } = blueprint;
  return resource<DdosProtectionPlan, DdosProtectionPlan>({
    key: 'ddosProtectionPlan',
    type,
    id: blueprint.id(type, names.ddosProtectionPlan),
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.network.ddosProtectionPlans.get(place.resourceGroup, names.ddosProtectionPlan),
    desired: (found) =>
      bodyToPut<DdosProtectionPlan>(found, { location: spec.location, tags: tagsOver(found, blueprint) }),
    put: (azure, body) =>
      azure.network.ddosProtectionPlans.createOrUpdate(place.resourceGroup, names.ddosProtectionPlan, body),
  });
}
