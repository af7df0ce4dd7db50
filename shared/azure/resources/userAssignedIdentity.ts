import type { Identity } from '@azure/arm-msi';
import type { Blueprint } from '../blueprint.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.ManagedIdentity/userAssignedIdentities';

/** With this identity nodes read their secrets; a node made later has the right from its first second. */
export function userAssignedIdentity(blueprint: Blueprint): Resource {
  const { names, spec, place } = blueprint;
  return resource<Identity, Identity>({
    key: 'identity',
    type,
    id: blueprint.id(type, names.identity),
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.identities.userAssignedIdentities.get(place.resourceGroup, names.identity),
    desired: (found) => bodyToPut<Identity>(found, { location: spec.location, tags: tagsOver(found, blueprint) }),
    put: (azure, body) =>
      azure.identities.userAssignedIdentities.createOrUpdate(place.resourceGroup, names.identity, body),
    output: (found) => ({ principalId: found.principalId ?? '', clientId: found.clientId ?? '', id: found.id ?? '' }),
  });
}
