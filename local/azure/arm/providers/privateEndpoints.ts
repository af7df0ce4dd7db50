import type { Stored } from '../../state.ts';
import { giveAddresses } from '../addresses.ts';
import { type ArmEnv, planeOf } from '../env.ts';
import { ArmError } from '../failure.ts';
import { groupId, key, lastName, parentId } from '../ids.ts';
import type { Draft, Kind } from '../kind.ts';
import { forget, removeNow } from '../remove.ts';
import { asObject, asText, idOf, objects } from '../values.ts';
import { targetOf } from './endpointTargets.ts';
import { bad, networkStates } from './networkErrors.ts';
import { privateEndpoint } from './networkShapes.ts';
import { putRecord, removeRecord } from './privateDns.ts';
import { joinSubnet } from './virtualNetworks.ts';

/** What can be behind an endpoint: the group's name, and the name in DNS that a client uses. */
const services: Record<string, { groups: string[]; fqdn(target: Stored): string; ready?(target: Stored): boolean }> = {
  'microsoft.dbformysql/flexibleservers': {
    groups: ['mysqlServer'],
    fqdn: (target) => `${target.name}.mysql.database.azure.com`,
    ready: (target) => target.properties.state === 'Ready' || target.properties.state === 'Stopped',
  },
  'microsoft.keyvault/vaults': { groups: ['vault'], fqdn: (target) => `${target.name}.vault.azure.net` },
};

function prepareEndpoint(draft: Draft): void {
  const { resource, existing } = draft;
  const { properties } = resource;
  properties.resourceGuid = existing?.properties.resourceGuid ?? crypto.randomUUID();
  properties.manualPrivateLinkServiceConnections ??= [];
  properties.ipVersionType ??= 'IPv4';
  const connections = [
    ...objects(properties.privateLinkServiceConnections),
    ...objects(properties.manualPrivateLinkServiceConnections),
  ];
  if (connections.length !== 1)
    throw bad(
      'PrivateEndpointMustHaveOneConnection',
      `Private endpoint ${resource.id} must have one privateLinkServiceConnection.`,
    );
  for (const connection of connections) completeConnection(draft, connection);
  if (
    existing &&
    existing.properties.customNetworkInterfaceName !== properties.customNetworkInterfaceName &&
    properties.customNetworkInterfaceName !== undefined
  )
    throw bad(
      'PrivateEndpointCustomNetworkInterfaceNameCannotBeChanged',
      `customNetworkInterfaceName of ${resource.id} cannot be changed.`,
    );
  properties.customNetworkInterfaceName =
    existing?.properties.customNetworkInterfaceName ?? properties.customNetworkInterfaceName;
  properties.networkInterfaces = existing?.properties.networkInterfaces ?? [
    { id: `${groupId(resource.id)}/providers/Microsoft.Network/networkInterfaces/${interfaceName(resource)}` },
  ];
  properties.customDnsConfigs = existing?.properties.customDnsConfigs ?? [];
}

const interfaceName = (resource: Stored): string =>
  asText(resource.properties.customNetworkInterfaceName) || `${resource.name}.nic.${crypto.randomUUID()}`;

function completeConnection({ resource, env, caller }: Draft, connection: Record<string, unknown>): void {
  const own = { ...asObject(connection.properties) };
  connection.properties = own;
  const id = asText(own.privateLinkServiceId);
  const target = env.state.get(id);
  if (target === undefined)
    throw bad(
      'PrivateLinkServiceNotFound',
      `The resource ${id} that private endpoint ${resource.id} connects to was not found.`,
    );
  const service = services[target.type.toLowerCase()];
  const group = asText((own.groupIds as unknown[] | undefined)?.[0]);
  if (service === undefined || !service.groups.some((known) => known.toLowerCase() === group.toLowerCase()))
    throw bad(
      'PrivateEndpointCreationNotAllowedAsGroupIdIsInvalid',
      `Group ID '${group}' of private endpoint ${resource.id} is not known for ${target.type}; known: ${service?.groups.join(', ') ?? 'none'}.`,
    );
  if (service.ready?.(target) === false)
    throw new ArmError(
      409,
      'ServerIsBusy',
      `Call to ${target.type} failed: server '${target.name}' is busy processing another operation. Try again later.`,
    );
  const approve = `${target.type}/privateEndpointConnectionsApproval/action`;
  const approved = env.context.rbac.allowed(caller.objectId, approve, target.id);
  own.privateLinkServiceConnectionState = approved
    ? { status: 'Approved', description: 'Auto-Approved', actionsRequired: 'None' }
    : { status: 'Pending', description: 'Awaiting approval', actionsRequired: 'None' };
}

/** The endpoint's NIC exists from the start; its address is what the name will mean. */
function makeInterface({ resource, env }: Draft): void {
  const id = idOf(objects(resource.properties.networkInterfaces)[0]) ?? '';
  if (env.state.get(id) !== undefined) return;
  const configuration = {
    name: `privateEndpointIpConfig.${crypto.randomUUID()}`,
    id: '',
    type: 'Microsoft.Network/networkInterfaces/ipConfigurations',
    properties: {
      provisioningState: 'Succeeded',
      ...fixedAddress(resource),
      subnet: { id: idOf(resource.properties.subnet) },
      primary: true,
      privateIPAddressVersion: 'IPv4',
    },
  };
  configuration.id = `${id}/ipConfigurations/${configuration.name}`;
  giveAddresses(env, id, [configuration], []);
  env.state.put({
    id,
    name: lastName(id),
    type: 'Microsoft.Network/networkInterfaces',
    location: resource.location,
    properties: {
      provisioningState: 'Succeeded',
      resourceGuid: crypto.randomUUID(),
      ipConfigurations: [configuration],
      dnsSettings: { dnsServers: [], appliedDnsServers: [] },
      enableAcceleratedNetworking: false,
      enableIPForwarding: false,
      primary: true,
      hostedWorkloads: [],
      tapConfigurations: [],
      nicType: 'Standard',
      privateEndpoint: { id: resource.id },
    },
    internal: { created: resource.internal.created },
  });
}

function fixedAddress(resource: Stored): Record<string, unknown> {
  const address = asObject(objects(resource.properties.ipConfigurations)[0]?.properties).privateIPAddress;
  return address
    ? { privateIPAllocationMethod: 'Static', privateIPAddress: address }
    : { privateIPAllocationMethod: 'Dynamic' };
}

export function endpointAddress(env: ArmEnv, endpoint: Stored): string {
  const nic = env.state.get(idOf(objects(endpoint.properties.networkInterfaces)[0]) ?? '');
  return asText(asObject(objects(nic?.properties.ipConfigurations)[0]?.properties).privateIPAddress);
}

async function realise(resource: Stored, env: ArmEnv): Promise<void> {
  const nic = env.state.get(idOf(objects(resource.properties.networkInterfaces)[0]) ?? '');
  if (nic) await planeOf(env, nic.type)?.apply(nic, {});
  const target = env.state.get(targetOf(resource));
  const service = target && services[target.type.toLowerCase()];
  if (target === undefined || service === undefined)
    throw new ArmError(400, 'PrivateLinkServiceNotFound', `The resource behind ${resource.id} has gone.`);
  env.state.update(resource.id, (copy) => {
    copy.properties.customDnsConfigs = [{ fqdn: service.fqdn(target), ipAddresses: [endpointAddress(env, resource)] }];
  });
}

function prepareZoneGroup({ resource, env }: Draft): void {
  const configurations = objects(resource.properties.privateDnsZoneConfigs);
  if (configurations.length === 0)
    throw bad('PrivateDnsZoneGroupMustHaveOneConfig', `${resource.id} must have a privateDnsZoneConfig.`);
  const endpoint = env.state.get(parentId(resource.id));
  if (endpoint && endpoint.properties.provisioningState !== 'Succeeded')
    throw new ArmError(429, 'RetryableError', 'A retryable error occurred.', {
      details: [
        {
          code: 'ReferencedResourceNotProvisioned',
          message: `Cannot proceed with operation because resource ${endpoint.id} used by the request is not in Succeeded state. Resource is in ${asText(endpoint.properties.provisioningState)} state and the last operation that updated/is updating the resource is PutPrivateEndpointOperation.`,
        },
      ],
    });
}

/** `molcajete-db.mysql.database.azure.com` in the zone `privatelink.mysql.database.azure.com` is the record `molcajete-db`. */
async function writeRecords(group: Stored, env: ArmEnv): Promise<void> {
  const endpoint = env.state.get(parentId(group.id));
  const dns = objects(endpoint?.properties.customDnsConfigs)[0];
  if (endpoint === undefined || dns === undefined) return;
  const shown: Record<string, unknown>[] = [];
  for (const configuration of objects(group.properties.privateDnsZoneConfigs)) {
    const zone = asText(asObject(configuration.properties).privateDnsZoneId);
    const name = asText(dns.fqdn).split('.')[0] ?? '';
    const addresses = dns.ipAddresses as string[];
    await putRecord(env, zone, name, addresses, endpoint.id);
    const recordSets = [
      {
        recordType: 'A',
        recordSetName: name,
        fqdn: `${name}.${lastName(zone)}`,
        ttl: 10,
        provisioningState: 'Succeeded',
        ipAddresses: addresses,
      },
    ];
    shown.push({ ...configuration, properties: { privateDnsZoneId: zone, recordSets } });
  }
  env.state.update(group.id, (copy) => {
    copy.properties.privateDnsZoneConfigs = shown;
  });
}

async function removeRecords(group: Stored, env: ArmEnv): Promise<void> {
  for (const configuration of objects(group.properties.privateDnsZoneConfigs)) {
    const own = asObject(configuration.properties);
    for (const record of objects(own.recordSets))
      await removeRecord(env, asText(own.privateDnsZoneId), asText(record.recordSetName), parentId(group.id));
  }
}

export const privateEndpoints: Kind[] = [
  {
    type: 'Microsoft.Network/privateEndpoints',
    style: 'network',
    location: 'required',
    properties: privateEndpoint,
    extra: { extendedLocation: 'any' },
    parts: ['privateLinkServiceConnections', 'manualPrivateLinkServiceConnections'],
    patch: 'tags',
    state: networkStates,
    references: [{ path: 'properties.subnet', ...joinSubnet, back: 'privateEndpoints', whole: true }],
    prepare: prepareEndpoint,
    accepted: makeInterface,
    realise,
    async removed(resource, env) {
      const group = env.state.list('Microsoft.Network/privateEndpoints/privateDnsZoneGroups', resource.id);
      for (const own of group) await removeRecords(own, env);
      const nic = env.state.get(idOf(objects(resource.properties.networkInterfaces)[0]) ?? '');
      if (nic && key(idOf(nic.properties.privateEndpoint) ?? '') === key(resource.id)) {
        await removeNow(env, nic);
        forget(env, nic.id);
      }
    },
  },
  {
    type: 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups',
    style: 'network',
    location: 'none',
    properties: {
      privateDnsZoneConfigs: [
        {
          name: 'string',
          id: 'ro',
          type: 'ro',
          etag: 'ro',
          properties: { privateDnsZoneId: 'string', recordSets: 'ro', provisioningState: 'ro' },
        },
      ],
    },
    state: networkStates,
    lockedWithParent: true,
    references: [
      {
        path: 'properties.privateDnsZoneConfigs[].properties.privateDnsZoneId',
        to: 'Microsoft.Network/privateDnsZones',
        linked: 'Microsoft.Network/privateDnsZones/join/action',
        anyRegion: true,
        loose: true,
      },
    ],
    prepare: prepareZoneGroup,
    realise: writeRecords,
    removed: removeRecords,
  },
];
