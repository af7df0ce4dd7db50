import { AuthorizationManagementClient } from '@azure/arm-authorization';
import { ComputeManagementClient } from '@azure/arm-compute';
import { KeyVaultManagementClient } from '@azure/arm-keyvault';
import { ManagedServiceIdentityClient } from '@azure/arm-msi';
import { MySQLManagementFlexibleServerClient } from '@azure/arm-mysql-flexible';
import { NetworkManagementClient } from '@azure/arm-network';
import { PrivateDnsManagementClient } from '@azure/arm-privatedns';
import { ResourceManagementClient } from '@azure/arm-resources';
import type { TokenCredential } from '@azure/core-auth';
import { deadlinePolicy } from './deadline.ts';
import { pollPacePolicy } from './pollPace.ts';

/**
 * The official management clients of one subscription. MySQL servers are written through `resources` by id (see
 * `resources/mysqlServer.ts`); `mysql` starts and stops them.
 */
export interface AzureClients {
  authorization: AuthorizationManagementClient;
  compute: ComputeManagementClient;
  identities: ManagedServiceIdentityClient;
  keyVaults: KeyVaultManagementClient;
  mysql: MySQLManagementFlexibleServerClient;
  network: NetworkManagementClient;
  privateDns: PrivateDnsManagementClient;
  resources: ResourceManagementClient;
}

/** Tokens are asked for this scope whatever the endpoint is; the older clients would derive it from the endpoint. */
const armScope = 'https://management.azure.com/.default';

/** @param endpoint base URL of Azure Resource Manager, e.g. `https://management.azure.com`. */
export function createAzureClients(
  credential: TokenCredential,
  subscriptionId: string,
  endpoint: string,
): AzureClients {
  const additionalPolicies = [deadlinePolicy(), pollPacePolicy()].map((policy) => ({
    policy,
    position: 'perCall' as const,
  }));
  const modular = { endpoint, credentials: { scopes: [armScope] }, additionalPolicies };
  const classic = { endpoint, credentialScopes: armScope, additionalPolicies };
  return {
    authorization: new AuthorizationManagementClient(credential, subscriptionId, classic),
    compute: new ComputeManagementClient(credential, subscriptionId, modular),
    identities: new ManagedServiceIdentityClient(credential, subscriptionId, classic),
    keyVaults: new KeyVaultManagementClient(credential, subscriptionId, modular),
    mysql: new MySQLManagementFlexibleServerClient(credential, subscriptionId, classic),
    network: new NetworkManagementClient(credential, subscriptionId, modular),
    privateDns: new PrivateDnsManagementClient(credential, subscriptionId, classic),
    resources: new ResourceManagementClient(credential, subscriptionId, classic),
  };
}
