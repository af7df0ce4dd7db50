import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { roleDefinitionId } from '../../shared/azure/roles.ts';
import type { AzureEndpoints } from '../azure/azure.ts';
import { putResource } from './arm.ts';
import { fetchToken } from './endpoints.ts';

/** What a platform team has before it deploys Molcajete, and what the product's settings name. */
export interface LandingZone {
  resourceGroup: string;
  virtualNetworkId: string;
  endpointSubnetId: string;
  dnsZoneId: string;
  /** Client id of the control plane's user-assigned identity. */
  clientId: string;
  vaultUrl: string;
}

const group = 'molcajete-control';

/** The control plane's role on the subscription: the very one that the deployment gives it. */
const permissions = JSON.parse(readFileSync(new URL('../../infra/rights.json', import.meta.url), 'utf8')) as object;
const roleName = 'Molcajete control plane';

/** Makes the landing zone by ordinary ARM requests with an owner's token; all of them may be repeated. */
export async function makeLandingZone(azure: AzureEndpoints): Promise<LandingZone> {
  const audience = 'https://management.azure.com';
  const token = await fetchToken(azure.control, { audience, oid: azure.ownerOid, name: 'Landing zone' });
  const arm = { endpoint: azure.arm, token };
  const { location, tenantId } = azure;
  const subscription = `/subscriptions/${azure.subscriptionId}`;
  const groupId = `${subscription}/resourceGroups/${group}`;
  const network = `${groupId}/providers/Microsoft.Network`;
  const virtualNetworkId = `${network}/virtualNetworks/control-vnet`;
  const dnsZoneId = `${network}/privateDnsZones/privatelink.mysql.database.azure.com`;
  const identityId = `${groupId}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/molcajete-control`;
  const vaultId = `${groupId}/providers/Microsoft.KeyVault/vaults/molcajete-control`;

  await putResource(arm, groupId, '2025-04-01', { location });
  const makeNetwork = async () => {
    await Promise.all([
      putResource(arm, virtualNetworkId, '2026-01-01', { location, properties: networkProperties }),
      putResource(arm, dnsZoneId, '2020-06-01', { location: 'global' }),
    ]);
    await putResource(arm, `${dnsZoneId}/virtualNetworkLinks/control`, '2020-06-01', {
      location: 'global',
      properties: { virtualNetwork: { id: virtualNetworkId }, registrationEnabled: false },
    });
  };
  const makeIdentity = async () => {
    const identity = await putResource(arm, identityId, '2024-11-30', { location });
    const principalId = String(identity.properties?.principalId);
    const authorization = `${subscription}/providers/Microsoft.Authorization`;
    const roleDefinitionId = `${authorization}/roleDefinitions/${stableGuid(`${subscription} ${roleName}`)}`;
    const role = { roleName, type: 'CustomRole', assignableScopes: [subscription], permissions: [permissions] };
    await putResource(arm, roleDefinitionId, '2022-04-01', { properties: role });
    const name = stableGuid(`${subscription} ${principalId} ${roleDefinitionId}`);
    await putResource(arm, `${authorization}/roleAssignments/${name}`, '2022-04-01', {
      properties: { roleDefinitionId, principalId, principalType: 'ServicePrincipal' },
    });
    await assignToApp(azure.control, identityId);
    return identity;
  };
  const vaultProperties = { tenantId, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: true };
  // Being owner opens no secret; this does, as for whoever deploys (docs/deploy.md, "Try it").
  const makeVault = async () => {
    const made = await putResource(arm, vaultId, '2026-02-01', { location, properties: vaultProperties });
    const role = roleDefinitionId(azure.subscriptionId, 'keyVaultSecretsUser');
    const name = stableGuid(`${vaultId} ${azure.ownerOid} ${role}`);
    await putResource(arm, `${vaultId}/providers/Microsoft.Authorization/roleAssignments/${name}`, '2022-04-01', {
      properties: { roleDefinitionId: role, principalId: azure.ownerOid, principalType: 'User' },
    });
    return made;
  };
  const [, identity, vault] = await Promise.all([makeNetwork(), makeIdentity(), makeVault()]);
  return {
    resourceGroup: group,
    virtualNetworkId,
    endpointSubnetId: `${virtualNetworkId}/subnets/endpoints`,
    dnsZoneId,
    clientId: String(identity.properties?.clientId),
    vaultUrl: String(vault.properties?.vaultUri),
  };
}

const networkProperties = {
  addressSpace: { addressPrefixes: ['10.0.0.0/24'] },
  subnets: [{ name: 'endpoints', properties: { addressPrefix: '10.0.0.0/24', defaultOutboundAccess: false } }],
};

/** Tells the App Service endpoint which identity the Functions app has. */
async function assignToApp(control: string, identityId: string): Promise<void> {
  const body = JSON.stringify({ resourceIds: [identityId] });
  const answer = await fetch(`${control}/app-identities`, { method: 'PUT', body });
  if (!answer.ok)
    throw new Error(`The identity could not be assigned to the app: ${answer.status} ${await answer.text()}`);
}

/** The same name at every start, so that a repeated assignment is the same one. */
function stableGuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
