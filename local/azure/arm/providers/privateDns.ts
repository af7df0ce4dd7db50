import type { Stored } from '../../state.ts';
import { parseAddress } from '../cidr.ts';
import { type ArmEnv, planeOf } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key, lastName, parentId } from '../ids.ts';
import type { Kind } from '../kind.ts';
import type { Provider } from '../provider.ts';
import { asObject, asText, idOf, objects } from '../values.ts';
import { bad, networkStates } from './networkErrors.ts';

const zoneType = 'Microsoft.Network/privateDnsZones';
const linkType = `${zoneType}/virtualNetworkLinks`;
const recordType = `${zoneType}/A`;

const states = { ...networkStates, creating: 'Creating', updating: 'Updating' };

const recordId = (zone: string, name: string): string => `${zone}/A/${name}`;

/** Writes the record of a private endpoint and tells the data plane. */
export async function putRecord(
  env: ArmEnv,
  zone: string,
  name: string,
  addresses: string[],
  owner: string,
): Promise<void> {
  const stored = env.state.get(zone);
  if (stored === undefined) throw bad('PrivateDnsZoneNotFound', `The private DNS zone ${zone} was not found.`);
  const record: Stored = {
    id: recordId(stored.id, name),
    name,
    type: recordType,
    properties: {
      ttl: 10,
      aRecords: addresses.map((ipv4Address) => ({ ipv4Address })),
      fqdn: `${name}.${stored.name}.`,
      isAutoRegistered: false,
      metadata: {
        creator: `created by private endpoint ${lastName(owner)} with resource guid ${asText(env.state.get(owner)?.properties.resourceGuid)}`,
      },
    },
    internal: { owner: key(owner) },
  };
  env.state.put(record);
  await planeOf(env, recordType)?.apply(record, {});
}

/** Only while it is still that endpoint's record. */
export async function removeRecord(env: ArmEnv, zone: string, name: string, owner: string): Promise<void> {
  const record = env.state.get(recordId(zone, name));
  if (record === undefined || record.internal.owner !== key(owner)) return;
  await planeOf(env, recordType)?.remove(record);
  env.state.delete(record.id);
}

function zoneCounts(zone: Stored, env: ArmEnv) {
  const links = env.state.list(linkType, zone.id);
  return {
    maxNumberOfRecordSets: 25000,
    maxNumberOfVirtualNetworkLinks: 1000,
    maxNumberOfVirtualNetworkLinksWithRegistration: 100,
    numberOfRecordSets: env.state.list(recordType, zone.id).length + 1,
    numberOfVirtualNetworkLinks: links.length,
    numberOfVirtualNetworkLinksWithRegistration: links.filter((link) => link.properties.registrationEnabled).length,
  };
}

const kinds: Kind[] = [
  {
    type: zoneType,
    style: 'dns',
    location: 'global',
    properties: {
      maxNumberOfRecordSets: 'ro',
      maxNumberOfVirtualNetworkLinks: 'ro',
      maxNumberOfVirtualNetworkLinksWithRegistration: 'ro',
      numberOfRecordSets: 'ro',
      numberOfVirtualNetworkLinks: 'ro',
      numberOfVirtualNetworkLinksWithRegistration: 'ro',
      internalId: 'ro',
    },
    patch: 'merge',
    state: states,
    namePattern: /^(?=.{1,253}$)[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)+$/i,
    prepare: ({ resource, existing }) => {
      resource.properties.internalId = existing?.properties.internalId ?? btoa(crypto.randomUUID());
    },
    checkNested(zone, env) {
      if (env.state.list(linkType, zone.id).length > 0)
        throw new ArmError(409, 'CannotDeleteResource', 'Can not delete resource before nested resources are deleted.');
    },
    view: (copy, stored, env) => Object.assign(copy.properties, zoneCounts(stored, env)),
  },
  {
    type: linkType,
    style: 'dns',
    location: 'global',
    properties: {
      'virtualNetwork!': { id: 'string' },
      registrationEnabled: 'boolean',
      resolutionPolicy: 'Default|NxDomainRedirect',
      virtualNetworkLinkState: 'ro',
    },
    patch: 'merge',
    state: states,
    references: [
      {
        path: 'properties.virtualNetwork',
        to: 'Microsoft.Network/virtualNetworks',
        linked: 'Microsoft.Network/virtualNetworks/join/action',
        anyRegion: true,
        loose: true,
      },
    ],
    immutable: ['properties.virtualNetwork.id'],
    prepare({ resource, env }) {
      resource.properties.registrationEnabled ??= false;
      resource.properties.virtualNetworkLinkState = 'InProgress';
      const network = key(idOf(resource.properties.virtualNetwork) ?? '');
      const zone = lastName(parentId(resource.id));
      for (const other of env.state.list(linkType)) {
        if (key(other.id) === key(resource.id) || key(idOf(other.properties.virtualNetwork) ?? '') !== network)
          continue;
        if (key(lastName(parentId(other.id))) === key(zone))
          throw new ArmError(
            409,
            'Conflict',
            `A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual network with '${zone}' and '${lastName(parentId(other.id))}' zones.`,
          );
        if (other.properties.registrationEnabled && resource.properties.registrationEnabled)
          throw new ArmError(
            409,
            'Conflict',
            `The virtual network ${network} is already linked to a zone with registration enabled: ${parentId(other.id)}.`,
          );
      }
    },
    // Completed is what says that names can be looked up, a little after Succeeded may be seen.
    realise: (link, env) =>
      void env.state.update(link.id, (copy) => {
        copy.properties.virtualNetworkLinkState = 'Completed';
      }),
  },
  {
    type: recordType,
    style: 'sync',
    etag: true,
    location: 'none',
    properties: {
      ttl: 'integer',
      aRecords: [{ ipv4Address: 'string' }],
      metadata: { '*': 'string' },
      fqdn: 'ro',
      isAutoRegistered: 'ro',
    },
    patch: 'merge',
    prepare({ resource }) {
      resource.properties.fqdn = `${resource.name}.${lastName(parentId(resource.id))}.`;
      resource.properties.isAutoRegistered = false;
      if (typeof resource.properties.ttl !== 'number')
        throw new ArmError(400, 'BadRequest', `The record set ${resource.id} has no ttl.`);
      for (const record of objects(resource.properties.aRecords))
        if (parseAddress(asText(record.ipv4Address)) === undefined)
          throw new ArmError(
            400,
            'BadRequest',
            `'${asText(record.ipv4Address)}' of record set ${resource.id} is not an IPv4 address.`,
          );
    },
  },
];

export const privateDns: Provider = {
  namespace: 'Microsoft.Network',
  kinds,
  routes: [
    {
      method: 'GET',
      pattern:
        '/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/privateDnsZones/{zone}/ALL',
      permission: `${zoneType}/ALL/read`,
      handle: (env, params) => listRecords(env, params),
    },
    {
      method: 'GET',
      pattern:
        '/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/privateDnsZones/{zone}/recordsets',
      permission: `${zoneType}/recordsets/read`,
      handle: (env, params) => listRecords(env, params),
    },
  ],
};

function listRecords(env: ArmEnv, { subscription, group, zone }: Record<string, string>) {
  const id = `/subscriptions/${subscription}/resourceGroups/${group}/providers/${zoneType}/${zone}`;
  const value = env.state.list(recordType, id).map(({ internal: _internal, ...record }) => asObject(record));
  return { status: 200, body: { value } };
}
