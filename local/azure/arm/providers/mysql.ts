import type { Stored } from '../../state.ts';
import { parseAddress } from '../cidr.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key, parentId } from '../ids.ts';
import type { ActionRule, Draft, Kind } from '../kind.ts';
import type { Provider } from '../provider.ts';
import { asObject, asText, defaults, getAt, objects } from '../values.ts';
import { configurationDefaults, flexibleServer } from './mysqlShapes.ts';
import { joinSubnet } from './virtualNetworks.ts';

const type = 'Microsoft.DBforMySQL/flexibleServers';

const states = {
  property: 'state',
  creating: 'Updating',
  updating: 'Updating',
  ready: 'Ready',
  deleting: 'Dropping',
  failed: 'Disabled',
};

/** `network.publicNetworkAccess` can be written from here on; older versions ignore it. */
const publicAccessSince = '2022-01-01';

const refusedLogins = ['azure_superuser', 'azure_pg_admin', 'admin', 'administrator', 'root', 'guest', 'public', 'sa'];

const invalid = (message: string): ArmError => new ArmError(400, 'InvalidParameterValue', message);

function prepareServer(draft: Draft): void {
  const { resource, existing, env, body, apiVersion } = draft;
  const { properties } = resource;
  const kept = existing?.properties;
  if (existing) requireReady(existing, 'UpdateServer');
  const network = { ...asObject(properties.network) };
  if (apiVersion < publicAccessSince) delete network.publicNetworkAccess;
  properties.network = { publicNetworkAccess: asObject(kept?.network).publicNetworkAccess ?? 'Enabled', ...network };
  properties.administratorLogin ??= kept?.administratorLogin;
  resource.sku ??= existing?.sku;
  checkName(env, resource);
  if (!existing) checkLogin(draft);
  checkPassword(
    asText(asObject(body.properties).administratorLoginPassword),
    asText(properties.administratorLogin),
    existing,
  );
  checkSku(resource);
  checkStorage(properties, kept);
  defaults(properties, {
    version: '8.4',
    createMode: 'Default',
    availabilityZone: '1',
    storage: { storageSizeGB: 20, iops: 360, autoGrow: 'Enabled', autoIoScaling: 'Enabled', logOnDisk: 'Disabled' },
    backup: { backupRetentionDays: 7, geoRedundantBackup: 'Disabled' },
    highAvailability: { mode: 'Disabled' },
    maintenanceWindow: { customWindow: 'Disabled', dayOfWeek: 0, startHour: 0, startMinute: 0 },
    replicationRole: 'None',
    replicaCapacity: 10,
  });
  const days = Number(getAt(properties, 'backup.backupRetentionDays'));
  if (days < 1 || days > 35) throw invalid(`backupRetentionDays must be from 1 to 35; it is ${days}.`);
  if (!versions.includes(asText(properties.version)))
    throw new ArmError(
      400,
      'ServerVersionNotSupported',
      `Specified server version '${asText(properties.version)}' is not supported; supported: ${versions.join(', ')}.`,
    );
  if (existing && kept?.version !== properties.version && asText(properties.version) < asText(kept?.version))
    throw new ArmError(400, 'ServerVersionDowngradeNotAllowed', 'The version of a server cannot be lowered.');
  checkHa(resource, existing);
  properties.fullyQualifiedDomainName = `${resource.name}.mysql.database.azure.com`;
}

const versions = ['5.7', '8.0.21', '8.4', '9.3'];

function checkName(env: ArmEnv, resource: Stored): void {
  if (!/^[a-z0-9][-a-z0-9]{1,61}[a-z0-9]$/.test(resource.name))
    throw new ArmError(
      400,
      'InvalidServerName',
      `The server name '${resource.name}' must have 3 to 63 lower-case letters, digits and hyphens and may not begin or end with a hyphen.`,
    );
  const other = env.state
    .list(type)
    .find((server) => server.name === resource.name && key(server.id) !== key(resource.id));
  if (other)
    throw new ArmError(409, 'ServerNameAlreadyExists', `Specified server name '${resource.name}' is already used.`);
}

function checkLogin({ resource, body }: Draft): void {
  const login = asText(resource.properties.administratorLogin);
  const given = asObject(body.properties);
  if (given.createMode !== undefined && given.createMode !== 'Default' && given.createMode !== 'Create')
    throw new ArmError(
      400,
      'FeatureNotSupported',
      `createMode '${asText(given.createMode)}' is not modelled by the local Azure.`,
    );
  if (!/^[a-z][a-z0-9_]{0,31}$/i.test(login) || refusedLogins.includes(login.toLowerCase()))
    throw new ArmError(400, 'InvalidServerLoginName', `Specified login name '${login}' is not allowed.`);
  if (typeof given.administratorLoginPassword !== 'string')
    throw new ArmError(400, 'MissingRequiredParameter', "The parameter 'administratorLoginPassword' is required.");
}

function checkPassword(password: string, login: string, existing: Stored | undefined): void {
  if (password === '' && existing) return;
  const classes = [/[a-z]/, /[A-Z]/, /\d/, /[^a-zA-Z0-9]/].filter((one) => one.test(password)).length;
  if (
    password.length >= 8 &&
    password.length <= 128 &&
    classes >= 3 &&
    !password.toLowerCase().includes(login.toLowerCase())
  )
    return;
  throw new ArmError(
    400,
    'InvalidPasswordComplexity',
    'Password validation failed. The password does not meet policy requirements because it is not complex enough.',
  );
}

function checkSku(resource: Stored): void {
  const { name, tier } = { name: asText(resource.sku?.name), tier: asText(resource.sku?.tier) };
  const prefix: Record<string, RegExp> = {
    Burstable: /^Standard_B\d+m?s(_v2)?$/,
    GeneralPurpose: /^Standard_D\d+(ds|ads)_v\d$/,
    MemoryOptimized: /^Standard_E\d+i?(ds|ads)_v\d$/,
  };
  if (!prefix[tier]?.test(name))
    throw new ArmError(400, 'InvalidSku', `The sku '${name}' of tier '${tier}' is not known for ${type}.`);
}

function checkStorage(properties: Record<string, unknown>, kept: Record<string, unknown> | undefined): void {
  const size = Number(getAt(properties, 'storage.storageSizeGB') ?? 20);
  const before = Number(getAt(kept, 'storage.storageSizeGB') ?? 0);
  if (size < 20 || size > 16_384) throw invalid(`storageSizeGB must be from 20 to 16384; it is ${size}.`);
  if (size < before)
    throw new ArmError(
      400,
      'StorageSizeReductionNotAllowed',
      `The storage of a server cannot shrink from ${before} GB to ${size} GB.`,
    );
}

function checkHa(resource: Stored, existing: Stored | undefined): void {
  const ha = asObject(resource.properties.highAvailability);
  const enabled = ha.mode !== 'Disabled';
  if (enabled && resource.sku?.tier === 'Burstable')
    throw new ArmError(
      400,
      'HighAvailabilityNotSupported',
      'High availability is not supported for the Burstable tier.',
    );
  if (
    enabled &&
    ha.mode === 'ZoneRedundant' &&
    existing &&
    getAt(existing, 'properties.highAvailability.mode') !== 'ZoneRedundant'
  )
    throw new ArmError(
      400,
      'HighAvailabilityZoneRedundantOnlyAtCreation',
      'Zone-redundant high availability can only be chosen when the server is created.',
    );
  resource.properties.highAvailability = { ...ha, state: enabled ? 'Healthy' : 'NotEnabled' };
}

/** A stopped server refuses everything but start. */
function requireReady(server: Stored, operation: string): void {
  const state = asText(server.properties.state);
  if (state === 'Ready') return;
  throw new ArmError(
    409,
    'ServerUnavailableForOperation',
    `Operation '${operation}' cannot be performed as server '${server.name}' is currently in state '${state}'.`,
  );
}

const during = (state: string, after: string, from: string[], operation: string): ActionRule => ({
  check(server) {
    if (!from.includes(asText(server.properties.state)))
      requireReady({ ...server, properties: { state: server.properties.state } }, operation);
  },
  begin(copy) {
    copy.properties.state = state;
  },
  end(copy) {
    copy.properties.state = after;
    return undefined;
  },
});

const actions: Record<string, ActionRule> = {
  start: {
    ...during('Starting', 'Ready', ['Stopped'], 'StartServer'),
    check(server) {
      if (server.properties.state !== 'Stopped')
        throw new ArmError(
          409,
          'ServerNotInStoppedState',
          `Server '${server.name}' is in state '${asText(server.properties.state)}': only a stopped server can be started.`,
        );
    },
  },
  stop: during('Stopping', 'Stopped', ['Ready'], 'StopServer'),
  restart: during('Updating', 'Ready', ['Ready'], 'RestartServer'),
  failover: {
    ...during('Updating', 'Ready', ['Ready'], 'FailoverServer'),
    check(server) {
      requireReady(server, 'FailoverServer');
      if (getAt(server, 'properties.highAvailability.mode') === 'Disabled')
        throw new ArmError(400, 'HighAvailabilityNotEnabled', `Server '${server.name}' has no standby.`);
    },
  },
};

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
    state: states,
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
    checkDelete(server) {
      const state = asText(server.properties.state);
      if (state === 'Starting' || state === 'Stopping') requireReady(server, 'DropServer');
    },
    actions,
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
  {
    ...child,
    type: `${type}/configurations`,
    properties: { value: 'string', source: 'system-default|user-override', currentValue: 'string', '*': 'ro' },
    noDelete: true,
    prepare({ resource, env, existing }) {
      readyParent(resource, env, 'UpdateServerParameters');
      const known = configurationDefaults[resource.name.toLowerCase()];
      if (known === undefined && existing === undefined)
        throw new ArmError(404, 'ResourceNotFound', `The server parameter '${resource.name}' does not exist.`);
      if (known && !known.allowed.test(asText(resource.properties.value)))
        throw new ArmError(
          400,
          'InvalidParameterValue',
          `The value '${asText(resource.properties.value)}' of '${resource.name}' is not allowed.`,
        );
    },
    view(copy) {
      copy.properties = showConfiguration(copy.name, copy.properties);
    },
    patch: 'merge',
  },
];

const showConfiguration = (name: string, own: Record<string, unknown>) => {
  const known = configurationDefaults[name.toLowerCase()];
  const value = asText(own.value) || known?.value || '';
  return {
    value,
    currentValue: value,
    defaultValue: known?.value,
    description: name,
    dataType: known?.dataType ?? 'String',
    allowedValues: known?.allowedText,
    source: own.source ?? 'system-default',
    isReadOnly: 'False',
    isConfigPendingRestart: 'False',
    isDynamicConfig: known?.dynamic === false ? 'False' : 'True',
  };
};

function endpointsOf(env: ArmEnv, server: string) {
  return env.state.list('Microsoft.Network/privateEndpoints').flatMap((endpoint) => {
    const connection = [
      ...objects(endpoint.properties.privateLinkServiceConnections),
      ...objects(endpoint.properties.manualPrivateLinkServiceConnections),
    ][0];
    const own = asObject(connection?.properties);
    if (key(asText(own.privateLinkServiceId)) !== key(server)) return [];
    const name = `${endpoint.name}.${asText(endpoint.properties.resourceGuid)}`;
    return [
      {
        id: `${server}/privateEndpointConnections/${name}`,
        name,
        type: `${type}/privateEndpointConnections`,
        properties: {
          groupIds: own.groupIds,
          privateEndpoint: { id: endpoint.id },
          privateLinkServiceConnectionState: own.privateLinkServiceConnectionState,
          provisioningState: 'Succeeded',
        },
      },
    ];
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

function configuration(env: ArmEnv, owner: Stored, name: string) {
  const stored = env.state.get(`${owner.id}/configurations/${name}`);
  return {
    id: `${owner.id}/configurations/${name}`,
    name,
    type: `${type}/configurations`,
    properties: showConfiguration(name, stored?.properties ?? {}),
  };
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
          body: { value: Object.keys(configurationDefaults).map((name) => configuration(env, owner, name)) },
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
        const name = params.name ?? '';
        if (configurationDefaults[name.toLowerCase()] === undefined)
          throw new ArmError(404, 'ResourceNotFound', `The server parameter '${name}' does not exist.`);
        return { status: 200, body: configuration(env, owner, name) };
      },
    },
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
      method: 'POST',
      pattern: '/providers/Microsoft.DBforMySQL/getPrivateDnsZoneSuffix',
      handle: () => ({ status: 200, body: { privateDnsZoneSuffix: 'private.mysql.database.azure.com' } }),
    },
  ],
};
