import type { RoleAssignment, RoleAssignmentCreateParameters } from '@azure/arm-authorization';
import type { Blueprint } from '../blueprint.ts';
import { deterministicGuid } from '../names.ts';
import { type Resource, resource } from '../resource.ts';
import { roleDefinitionId } from '../roles.ts';
import { holds } from './difference.ts';

const type = 'Microsoft.Authorization/roleAssignments';

interface Write extends RoleAssignmentCreateParameters {
  /** A former assignment of this name is in the way: Azure lets nobody change whom an assignment is for. */
  replaces: boolean;
}

/** Nodes read the secrets of their own vault. There is no other assignment. It may take ten minutes to act. */
export function vaultRole(blueprint: Blueprint): Resource {
  const { names, environment } = blueprint;
  const vault = blueprint.id('Microsoft.KeyVault/vaults', names.vault);
  const identity = blueprint.id('Microsoft.ManagedIdentity/userAssignedIdentities', names.identity);
  const role = roleDefinitionId(environment.subscriptionId, 'keyVaultSecretsUser');
  const guid = deterministicGuid(vault, identity, role);
  return resource<Write, RoleAssignment>({
    key: 'vaultRole',
    type,
    id: `${vault}/providers/${type}/${guid}`,
    dependsOn: ['vault', 'identity'],
    get: (azure) => azure.authorization.roleAssignments.get(vault, guid),
    desired(found, outputs) {
      // Unknown while the identity is still to be made: then the assignment is missing too.
      const principalId = outputs.identity?.principalId ?? '';
      const wanted: RoleAssignmentCreateParameters = {
        roleDefinitionId: role,
        principalId,
        // Without it Azure looks a fresh identity up and does not find it yet: 400 PrincipalNotFound.
        principalType: 'ServicePrincipal',
      };
      if (found !== undefined && (principalId === '' || holds(found, wanted))) return undefined;
      return { ...wanted, replaces: found !== undefined };
    },
    async put(azure, { replaces, ...body }) {
      if (body.principalId === '') throw new Error('The role assignment was asked for before its identity was ready.');
      if (replaces) await azure.authorization.roleAssignments.delete(vault, guid);
      return azure.authorization.roleAssignments.create(vault, guid, body);
    },
  });
}
