import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AzureEndpoints } from '../azure/azure.ts';
import { root } from './build.ts';
import type { LandingZone } from './landingZone.ts';
import type { Ports } from './ports.ts';

export const apiAudience = 'api://molcajete';

/** Azurite's account name; its key is published with Azurite and opens nothing else. */
export const storageAccount = 'devstoreaccount1';
const publishedKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export const storageUrl = (port: number): string => `https://127.0.0.1:${port}/${storageAccount}`;

/**
 * The application settings of this copy: those of local.settings.sample.json with the local endpoints put in, written to
 * `<dir>/local.settings.json`. Returns the file and its values.
 */
export function writeSettings(
  dir: string,
  azure: AzureEndpoints,
  zone: LandingZone,
  ports: Ports,
): { file: string; values: Record<string, string> } {
  const sample = JSON.parse(readFileSync(join(root, 'local.settings.sample.json'), 'utf8')) as {
    Values: Record<string, string>;
  };
  const storage = [
    'DefaultEndpointsProtocol=https',
    `AccountName=${storageAccount}`,
    `AccountKey=${publishedKey}`,
    `BlobEndpoint=${storageUrl(ports.blob)}`,
    `QueueEndpoint=${storageUrl(ports.queue)}`,
    `TableEndpoint=${storageUrl(ports.table)}`,
  ];
  const values = {
    ...sample.Values,
    AzureWebJobsStorage: storage.join(';'),
    AZURE_SUBSCRIPTION_ID: azure.subscriptionId,
    AZURE_TENANT_ID: azure.tenantId,
    AZURE_CLIENT_ID: zone.clientId,
    IDENTITY_ENDPOINT: azure.identityEndpoint,
    IDENTITY_HEADER: azure.identityHeader,
    MOLCAJETE_ARM_ENDPOINT: azure.arm,
    MOLCAJETE_TABLES_URL: storageUrl(ports.table),
    MOLCAJETE_VAULT_URL: zone.vaultUrl,
    MOLCAJETE_API_URL: `http://127.0.0.1:${ports.host}/api`,
    MOLCAJETE_API_AUDIENCE: apiAudience,
    MOLCAJETE_ISSUER: azure.issuer,
    // The control plane's own connections come from the loopback address itself, which no guest has.
    MOLCAJETE_EGRESS: '127.0.0.1/32',
    MOLCAJETE_ENDPOINT_SUBNET_ID: zone.endpointSubnetId,
    MOLCAJETE_DNS_ZONE_ID: zone.dnsZoneId,
    MOLCAJETE_RESOURCE_GROUP: zone.resourceGroup,
  };
  const file = join(dir, 'local.settings.json');
  writeFileSync(file, `${JSON.stringify({ IsEncrypted: false, Values: values }, null, 2)}\n`, { mode: 0o600 });
  return { file, values };
}
