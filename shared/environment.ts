import type { Environment } from './azure/blueprint.ts';
import type { Deps } from './deps.ts';
import { administratorLogin } from './steps/database.ts';

/** What the topology of a jump server needs to know of the control plane. */
export function environmentOf(deps: Deps, jumpServer: string): Environment {
  const { config } = deps;
  return {
    subscriptionId: config.AZURE_SUBSCRIPTION_ID,
    tenantId: config.AZURE_TENANT_ID,
    apiUrl: config.MOLCAJETE_API_URL,
    apiAudience: config.MOLCAJETE_API_AUDIENCE[0] ?? '',
    egress: config.MOLCAJETE_EGRESS,
    endpointSubnetId: config.MOLCAJETE_ENDPOINT_SUBNET_ID,
    dnsZoneId: config.MOLCAJETE_DNS_ZONE_ID,
    controlResourceGroup: config.MOLCAJETE_RESOURCE_GROUP,
    administratorPassword: async () => (await administratorLogin(deps, jumpServer)).password,
  };
}
