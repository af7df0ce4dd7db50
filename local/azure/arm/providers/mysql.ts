import type { Stored } from '../../state.ts';
import { parseAddress } from '../cidr.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { parentId } from '../ids.ts';
import type { Kind } from '../kind.ts';
import type { Provider } from '../provider.ts';
import { asObject, asText, defaults, getAt } from '../values.ts';
import { connectionOf, disconnect, endpointsTo } from './endpointTargets.ts';
import { capabilities } from './mysqlCapabilities.ts';
import { configurationKind, configurationNames, showConfiguration } from './mysqlConfigurations.ts';
import { afterFailure, invalid, prepareServer, serverActions, serverStates } from './mysqlServer.ts';
import { flexibleServer } from './mysqlShapes.ts';
import { requireReady, serverType } from './mysqlState.ts';
import { joinSubnet } from './virtualNetworks.ts';

const type = serverType;

const readyParent = (resource: Stored, env: ArmEnv, operation: string): Stored | undefined => {
  const server = env.state.get(parentId(resource.id));
  if (server) requireReady(server, operation);
  return server;
};

const child = { style: 'mysql', location: 'none', lockedWithParent: true } as const;

const kinds: Kind[] = [
  {
    type,
    style: 'mysql',
    location: 'required',
    properties: flexibleServer,
    extra: {
      sku: { name: 'string', tier: 'Burstable|GeneralPurpose|MemoryOptimized' },
      identity: { type: 'string', userAssignedIdentities: { '*': 'any' }, principalId: 'ro', tenantId: 'ro' },
    },
    patch: 'merge',
    state: serverStates,
    secrets: ['properties.administratorLoginPassword'],
    immutable: ['properties.administratorLogin'],
    references: [
      {
        path: 'properties.network.delegatedSubnetResourceId',
        ...joinSubnet,
        back: 'serviceAssociationLinks',
        whole: true,
      },
    ],
    prepare: prepareServer,
    createVerb: (server) =>
      getAt(server, 'properties.highAvailability.mode') === 'Disabled' ? 'create' : 'createWithHa',
    failed: (copy, _code, created) => afterFailure(copy, created),
    checkDelete(server, env) {
      const state = asText(server.properties.state);
      if (state === 'Starting' || state === 'Stopping') requireReady(server, 'DropServer');
      // Deleted together with its endpoint, a server fails like this: endpoint first, a pause, then the server.
      if (endpointsTo(env, server.id).some((endpoint) => endpoint.properties.provisioningState === 'Deleting'))
        throw new ArmError(500, 'InternalServerError', 'An unexpected error occured while processing the request.');
    },
    removed(server, env) {
      for (const endpoint of endpointsTo(env, server.id)) disconnect(env, endpoint);
    },
    actions: serverActions,
    view(copy, stored, env) {
      const connections = endpointsOf(env, stored.id);
      copy.properties.privateEndpointConnections = connections;
    },
  },
  {
    ...child,
    type: `${type}/databases`,
    properties: { charset: 'string', collation: 'string' },
    namePattern: /^[\w-]{1,64}$/,
    prepare({ resource, env }) {
      readyParent(resource, env, 'CreateDatabase');
      defaults(resource.properties, { charset: 'utf8mb4', collation: 'utf8mb4_0900_ai_ci' });
    },
    view: (copy) => void delete copy.properties.provisioningState,
  },
  {
    ...child,
    type: `${type}/firewallRules`,
    properties: { 'startIpAddress!': 'string', 'endIpAddress!': 'string' },
    prepare({ resource, env }) {
      const server = readyParent(resource, env, 'UpsertFirewallRules');
      if (getAt(server, 'properties.network.publicNetworkAccess') === 'Disabled')
        throw new ArmError(
          400,
          'FirewallRulesNotAllowedForPrivateAccessServer',
          `Firewall rules of '${server?.name}' cannot be changed: its public network access is disabled.`,
        );
      for (const end of ['startIpAddress', 'endIpAddress'])
        if (parseAddress(asText(resource.properties[end])) === undefined)
          throw invalid(`${end} '${asText(resource.properties[end])}' is not an IPv4 address.`);
    },
    view: (copy) => void delete copy.properties.provisioningState,
  },
  configurationKind,
];

function endpointsOf(env: ArmEnv, server: string) {
  return endpointsTo(env, server).map((endpoint) => {
    const own = asObject(connectionOf(endpoint)?.properties);
    const name = `${endpoint.name}.${asText(endpoint.properties.resourceGuid)}`;
    return {
      id: `${server}/privateEndpointConnections/${name}`,
      name,
      type: `${type}/privateEndpointConnections`,
      properties: {
        groupIds: own.groupIds,
        privateEndpoint: { id: endpoint.id },
        privateLinkServiceConnectionState: own.privateLinkServiceConnectionState,
        provisioningState: 'Succeeded',
      },
    };
  });
}

const server = `/subscriptions/{subscription}/resourceGroups/{group}/providers/${type}/{server}`;

function findServer(env: ArmEnv, params: Record<string, string>): Stored {
  const id = `/subscriptions/${params.subscription}/resourceGroups/${params.group}/providers/${type}/${params.server}`;
  const found = env.state.get(id);
  if (found === undefined)
    throw new ArmError(
      404,
      'ResourceNotFound',
      `The Resource '${type}/${params.server}' under resource group '${params.group}' was not found.`,
    );
  return found;
}

export const mysql: Provider = {
  namespace: 'Microsoft.DBforMySQL',
  kinds,
  routes: [
    {
      method: 'GET',
      pattern: `${server}/configurations`,
      permission: `${type}/configurations/read`,
      handle(env, params) {
        const owner = findServer(env, params);
        requireReady(owner, 'GetServerParameters');
        return {
          status: 200,
          body: { value: configurationNames.map((name) => showConfiguration(env, owner, name)) },
        };
      },
    },
    {
      method: 'GET',
      pattern: `${server}/configurations/{name}`,
      permission: `${type}/configurations/read`,
      handle(env, params) {
        const owner = findServer(env, params);
        requireReady(owner, 'GetServerParameters');
        return { status: 200, body: showConfiguration(env, owner, params.name ?? '') };
      },
    },
    ...['backups', 'replicas'].map((list) => ({
      method: 'GET',
      pattern: `${server}/${list}`,
      permission: `${type}/${list}/read`,
      handle(env: ArmEnv, params: Record<string, string>) {
        findServer(env, params);
        return { status: 200, body: { value: [] } };
      },
    })),
    {
      method: 'GET',
      pattern: `${server}/privateEndpointConnections`,
      permission: `${type}/privateEndpointConnections/read`,
      handle: (env, params) => ({ status: 200, body: { value: endpointsOf(env, findServer(env, params).id) } }),
    },
    ...['', '/locations/{location}'].map((place) => ({
      method: 'POST',
      pattern: `/subscriptions/{subscription}/providers/Microsoft.DBforMySQL${place}/checkNameAvailability`,
      permission: 'Microsoft.DBforMySQL/locations/checkNameAvailability/action',
      handle: (env: ArmEnv, _params: Record<string, string>, request: { body: unknown }) => {
        const name = asText(asObject(request.body).name);
        const taken = env.state.list(type).some((other) => other.name === name);
        const body = taken
          ? {
              nameAvailable: false,
              reason: 'AlreadyExists',
              message: `Specified server name '${name}' is already used.`,
            }
          : { nameAvailable: true, reason: '', message: '' };
        return { status: 200, body };
      },
    })),
    {
      method: 'GET',
      pattern: '/subscriptions/{subscription}/providers/Microsoft.DBforMySQL/locations/{location}/capabilities',
      permission: 'Microsoft.DBforMySQL/locations/capabilities/read',
      handle: () => ({ status: 200, body: { value: capabilities } }),
    },
    {
      method: 'POST',
      pattern: '/providers/Microsoft.DBforMySQL/getPrivateDnsZoneSuffix',
      handle: () => ({ status: 200, body: { privateDnsZoneSuffix: 'private.mysql.database.azure.com' } }),
    },
  ],
};
