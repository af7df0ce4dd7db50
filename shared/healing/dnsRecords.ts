import { afterError } from '../azure/armStep.ts';
import type { Step } from '../azure/engine.ts';
import { databaseDnsZone, namesOf, parts } from '../azure/names.ts';
import { orUndefinedIfMissing } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';
import { ifReadable } from './readable.ts';

/** A record that an endpoint's zone group has written. The group does not show when somebody deletes the record. */
interface DnsRecord {
  /** Key of the zone group in the topology. */
  key: 'dataEndpointDns' | 'controlEndpointDns';
  endpointKey: string;
  /** Resource groups of the zone and of the endpoint. */
  zoneGroup: string;
  endpointGroup: string;
  endpoint: string;
  name: string;
}

function recordsOf(deps: Deps, jumpServer: string, { resourceGroup }: JumpServerSpec): DnsRecord[] {
  const { config } = deps;
  const names = namesOf(jumpServer, { subscriptionId: config.AZURE_SUBSCRIPTION_ID, resourceGroup });
  const controlZone = /\/resourceGroups\/([^/]+)\//i.exec(config.MOLCAJETE_DNS_ZONE_ID)?.[1] ?? '';
  const name = names.mysqlServer;
  return [
    {
      key: 'dataEndpointDns',
      endpointKey: 'dataEndpoint',
      zoneGroup: resourceGroup,
      endpointGroup: resourceGroup,
      endpoint: names.dataEndpoint,
      name,
    },
    {
      key: 'controlEndpointDns',
      endpointKey: 'controlEndpoint',
      zoneGroup: controlZone,
      endpointGroup: config.MOLCAJETE_RESOURCE_GROUP,
      endpoint: names.controlEndpoint,
      name,
    },
  ];
}

/** Which of the two names of the MySQL server does not resolve to its endpoint, a sentence each. Reads only. */
export async function missingRecords(deps: Deps, jumpServer: string, spec: JumpServerSpec): Promise<string[]> {
  const found = await Promise.all(
    recordsOf(deps, jumpServer, spec).map((record) =>
      ifReadable(`The DNS record of ${record.key}`, async () =>
        (await isWrong(deps, record))
          ? [`The DNS record ${record.name} of ${record.key} is gone or names another address`]
          : [],
      ),
    ),
  );
  return found.flat();
}

async function isWrong(deps: Deps, { zoneGroup, endpointGroup, endpoint, name }: DnsRecord): Promise<boolean> {
  const { network, privateDns } = deps.azure;
  const [record, found] = await Promise.all([
    orUndefinedIfMissing(privateDns.recordSets.get(zoneGroup, databaseDnsZone, 'A', name)),
    orUndefinedIfMissing(network.privateEndpoints.get(endpointGroup, endpoint)),
  ]);
  const wanted = found?.customDnsConfigs?.flatMap(({ ipAddresses = [] }) => ipAddresses) ?? [];
  const has = record?.aRecords?.map(({ ipv4Address }) => ipv4Address) ?? [];
  // Without an endpoint the endpoint is what is missing.
  return found !== undefined && (record === undefined || !wanted.every((address) => has.includes(address)));
}

/**
 * Where the record is not right, the zone group that owns it is deleted, so that the topology makes it again and with it the record.
 * Writing an unchanged group is not documented to write its record again.
 */
export function recordSteps(deps: Deps, jumpServer: string, spec: JumpServerSpec): Step[] {
  return recordsOf(deps, jumpServer, spec).map((record): Step => {
    const { privateDnsZoneGroups } = deps.azure.network;
    const { endpointGroup, endpoint } = record;
    let errors = 0;
    return {
      key: recordKey(record.key),
      type: 'Molcajete/dnsRecord',
      id: '',
      dependsOn: [record.endpointKey],
      passing: true,
      async ensure(_outputs, attempt) {
        try {
          const group = await orUndefinedIfMissing(privateDnsZoneGroups.get(endpointGroup, endpoint, parts.zoneGroup));
          if (group === undefined || !(await isWrong(deps, record))) return { state: 'ready', output: {} };
          await attempt.permit();
          await privateDnsZoneGroups.delete(endpointGroup, endpoint, parts.zoneGroup);
          return { state: 'pending', detail: 'its zone group is made again', lookAgainSeconds: 1 };
        } catch (error) {
          return afterError(error, ++errors);
        }
      },
    };
  });
}

/** The step that a zone group waits for. */
export const recordKey = (key: string): string => `${key}/record`;
