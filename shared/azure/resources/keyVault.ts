import type { Vault, VaultCreateOrUpdateParameters } from '@azure/arm-keyvault';
import type { Blueprint } from '../blueprint.ts';
import type { AzureClients } from '../clients.ts';
import { type Resource, resource } from '../resource.ts';
import { holds, overlay } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.KeyVault/vaults';

/** The jump server's own vault: only what its nodes need. */
export function keyVault(blueprint: Blueprint): Resource {
  const { names, spec, place, environment } = blueprint;
  return resource<VaultCreateOrUpdateParameters, Vault>({
    key: 'vault',
    type,
    id: blueprint.id(type, names.vault),
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.keyVaults.vaults.get(place.resourceGroup, names.vault),
    desired(found) {
      const wanted: VaultCreateOrUpdateParameters = {
        location: spec.location,
        tags: tagsOver(found, blueprint),
        properties: {
          tenantId: environment.tenantId,
          sku: { family: 'A', name: 'standard' },
          // The default since API 2026-02-01; said aloud for vaults that come back from deletion.
          enableRbacAuthorization: true,
        },
      };
      // Fixed at creation. Short, because everything in it can be made again.
      if (found === undefined) return { ...wanted, properties: { ...wanted.properties, softDeleteRetentionInDays: 7 } };
      if (holds(found, wanted)) return undefined;
      const { enableSoftDelete, enablePurgeProtection, networkAcls, publicNetworkAccess, softDeleteRetentionInDays } =
        found.properties;
      const kept = {
        enableSoftDelete,
        enablePurgeProtection,
        networkAcls,
        publicNetworkAccess,
        softDeleteRetentionInDays,
      };
      return overlay({ ...wanted, properties: { ...wanted.properties, ...kept } }, wanted);
    },
    put: (azure, body) => putOrRecover(azure, place.resourceGroup, names.vault, body),
    output: (found) => ({ vaultUri: found.properties.vaultUri ?? '' }),
  });
}

/**
 * A deleted vault keeps its name for its retention time; then the PUT is a 409 and the vault is recovered instead, with its
 * former settings, which the next look compares. key-vault/general/key-vault-recovery.
 */
async function putOrRecover(azure: AzureClients, group: string, name: string, body: VaultCreateOrUpdateParameters) {
  try {
    return await azure.keyVaults.vaults.createOrUpdate(group, name, body);
  } catch (error) {
    if (!(error instanceof Error && 'statusCode' in error && error.statusCode === 409)) throw error;
    if (!/deleted|recover/i.test(error.message)) throw error;
    return azure.keyVaults.vaults.createOrUpdate(group, name, {
      ...body,
      properties: { ...body.properties, createMode: 'recover' },
    });
  }
}
