import type { Stored } from '../../state.ts';
import { type ArmEnv, planeOf } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key } from '../ids.ts';
import type { Draft, Kind } from '../kind.ts';
import type { Provider } from '../provider.ts';
import { asObject, asText, defaults } from '../values.ts';
import { disconnect, endpointsTo } from './endpointTargets.ts';

const type = 'Microsoft.KeyVault/vaults';
const deletedType = 'Microsoft.KeyVault/locations/deletedVaults';
/** The management API from which RBAC is a new vault's default. */
const rbacSince = '2026-02-01';

const deletedId = (env: ArmEnv, name: string): string =>
  `/subscriptions/${env.context.subscriptionId}/providers/Microsoft.KeyVault/locations/${env.context.location}/deletedVaults/${name}`;

const states = {
  property: 'provisioningState',
  creating: 'RegisteringDns',
  updating: 'Updating',
  ready: 'Succeeded',
  deleting: 'Deleting',
  failed: 'Failed',
};

function prepareVault({ resource, existing, env, body, apiVersion }: Draft): void {
  const { properties } = resource;
  const given = asObject(body.properties);
  const deleted = env.state.get(deletedId(env, resource.name));
  const recover = given.createMode === 'recover';
  if (!existing && deleted && !recover)
    throw new ArmError(
      409,
      'ConflictError',
      `A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.`,
    );
  if (recover && !deleted && !existing)
    throw new ArmError(404, 'VaultNotFound', `There is no deleted vault '${resource.name}' to recover.`);
  if (recover && deleted) Object.assign(properties, structuredClone(asObject(deleted.internal.properties)));
  delete properties.createMode;
  if (
    env.state.list(type).some((other) => key(other.name) === key(resource.name) && key(other.id) !== key(resource.id))
  )
    throw new ArmError(
      409,
      'VaultAlreadyExists',
      `The vault name '${resource.name}' is already in use. Vault names are globally unique so it is possible that the name is already taken.`,
    );
  const sku = asObject(properties.sku);
  if (sku.family === undefined || sku.name === undefined)
    throw new ArmError(400, 'BadRequest', "The parameter 'sku' is missing or incomplete: family and name are needed.");
  if (key(asText(properties.tenantId)) !== key(env.context.tenantId))
    throw new ArmError(
      400,
      'BadRequest',
      `The tenant '${asText(properties.tenantId)}' is not that of the subscription.`,
    );
  const days = Number(properties.softDeleteRetentionInDays ?? 90);
  if (days < 7 || days > 90)
    throw new ArmError(400, 'BadRequest', `softDeleteRetentionInDays must be from 7 to 90; it is ${days}.`);
  if (existing?.properties.enablePurgeProtection === true && properties.enablePurgeProtection === false)
    throw new ArmError(
      400,
      'BadRequest',
      'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.',
    );
  if (properties.enableSoftDelete === false)
    throw new ArmError(
      400,
      'BadRequest',
      'The property "enableSoftDelete" can be set to false only for creating new vault, and no more.',
    );
  defaults(properties, {
    accessPolicies: [],
    enabledForDeployment: false,
    enableSoftDelete: true,
    softDeleteRetentionInDays: 90,
    enableRbacAuthorization: existing ? existing.properties.enableRbacAuthorization : apiVersion >= rbacSince,
    publicNetworkAccess: 'Enabled',
  });
  // Azure's is https://{name}.vault.azure.net/; the data plane says where this one listens.
  properties.vaultUri = existing?.properties.vaultUri ?? `https://${resource.name}.vault.azure.net/`;
  if (deleted) env.state.delete(deleted.id);
}

/** A deleted vault keeps its name and its secrets until it is purged. */
function keepDeleted(vault: Stored, env: ArmEnv): void {
  for (const endpoint of endpointsTo(env, vault.id)) disconnect(env, endpoint);
  const now = env.clock.wall();
  const days = Number(vault.properties.softDeleteRetentionInDays ?? 90);
  const { provisioningState: _state, ...properties } = vault.properties;
  env.state.put({
    id: deletedId(env, vault.name),
    name: vault.name,
    type: deletedType,
    properties: {
      vaultId: vault.id,
      location: vault.location,
      tags: vault.tags ?? {},
      deletionDate: new Date(now).toISOString(),
      scheduledPurgeDate: new Date(now + days * 86_400_000).toISOString(),
      ...(properties.enablePurgeProtection === true ? { purgeProtectionEnabled: true } : {}),
    },
    internal: { properties, vault: { ...vault, internal: {} } },
  });
}

const vaults: Kind = {
  type,
  style: 'keyVault',
  location: 'required',
  namePattern: /^[a-z](?!.*--)[-a-z0-9]{1,22}[a-z0-9]$/i,
  properties: {
    tenantId: 'string',
    sku: { family: 'A', name: 'standard|premium' },
    accessPolicies: ['any'],
    vaultUri: 'ro',
    hsmPoolResourceId: 'ro',
    enabledForDeployment: 'boolean',
    enabledForDiskEncryption: 'boolean',
    enabledForTemplateDeployment: 'boolean',
    enableSoftDelete: 'boolean',
    softDeleteRetentionInDays: 'integer',
    enableRbacAuthorization: 'boolean',
    createMode: 'default|recover',
    enablePurgeProtection: 'boolean',
    networkAcls: {
      bypass: 'AzureServices|None',
      defaultAction: 'Allow|Deny',
      ipRules: [{ value: 'string' }],
      virtualNetworkRules: [{ id: 'string', ignoreMissingVnetServiceEndpoint: 'boolean' }],
    },
    publicNetworkAccess: 'string',
    privateEndpointConnections: 'ro',
  },
  patch: 'merge',
  state: states,
  created: 200,
  early: true,
  instant: ['DELETE'],
  prepare: prepareVault,
  removed: keepDeleted,
};

function findDeleted(env: ArmEnv, name: string | undefined): Stored {
  const found = env.state.get(deletedId(env, name ?? ''));
  if (found === undefined)
    throw new ArmError(404, 'DeletedVaultNotFound', `The specified deleted vault '${name}' does not exist.`);
  return found;
}

const showDeleted = ({ internal: _internal, ...rest }: Stored) => rest;

const deletedVaults: Kind = {
  type: deletedType,
  style: 'keyVault',
  location: 'none',
  properties: {},
  made: true,
  noDelete: true,
  actions: {
    purge: {
      check(vault) {
        if (!vault.properties.purgeProtectionEnabled) return;
        throw new ArmError(
          400,
          'MethodNotAllowed',
          'Operation "DeletedVaultPurge" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.',
        );
      },
      async work(vault, env) {
        await planeOf(env, type)?.act?.(vault.internal.vault as Stored, 'purge', {});
        env.state.delete(vault.id);
        return undefined;
      },
    },
  },
};

const place = '/subscriptions/{subscription}/providers/Microsoft.KeyVault';

export const keyVault: Provider = {
  namespace: 'Microsoft.KeyVault',
  kinds: [vaults, deletedVaults],
  routes: [
    {
      method: 'GET',
      pattern: `${place}/deletedVaults`,
      permission: 'Microsoft.KeyVault/deletedVaults/read',
      handle: (env) => ({ status: 200, body: { value: env.state.list(deletedType).map(showDeleted) } }),
    },
    {
      method: 'GET',
      pattern: `${place}/locations/{location}/deletedVaults/{name}`,
      permission: `${deletedType}/read`,
      handle: (env, params) => ({ status: 200, body: showDeleted(findDeleted(env, params.name)) }),
    },
    {
      method: 'POST',
      pattern: `${place}/checkNameAvailability`,
      permission: 'Microsoft.KeyVault/checkNameAvailability/read',
      handle: (env, _params, request) => {
        const name = asText(asObject(request.body).name);
        const taken =
          env.state.list(type).some((vault) => key(vault.name) === key(name)) ||
          env.state.get(deletedId(env, name)) !== undefined;
        return {
          status: 200,
          body: taken
            ? {
                nameAvailable: false,
                reason: 'AlreadyExists',
                message: `The vault name '${name}' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state.`,
              }
            : { nameAvailable: true },
        };
      },
    },
  ],
};
