import type { Stored } from '../../state.ts';
import { seconds } from '../durations.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key } from '../ids.ts';
import type { ActionRule, Draft } from '../kind.ts';
import { asObject, asText, defaults, getAt } from '../values.ts';
import { updateConfigurations, useWritten } from './mysqlConfigurations.ts';
import { requireReady, serverType } from './mysqlState.ts';

/** What a flexible server is checked for, completed with, and can be told. */

export const serverStates = {
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

export const invalid = (message: string): ArmError => new ArmError(400, 'InvalidParameterValue', message);

export function prepareServer(draft: Draft): void {
  const { resource, existing, env, body, apiVersion } = draft;
  const { properties } = resource;
  const kept = existing?.properties;
  // A creation that failed may be asked for again.
  if (existing && kept?.state !== serverStates.failed) requireReady(existing, 'UpdateServer');
  const network = { ...asObject(properties.network) };
  if (apiVersion < publicAccessSince) delete network.publicNetworkAccess;
  properties.network = { publicNetworkAccess: asObject(kept?.network).publicNetworkAccess ?? 'Enabled', ...network };
  properties.administratorLogin ??= kept?.administratorLogin;
  resource.sku ??= existing?.sku;
  // What a PUT of an existing server leaves out stays as it is.
  if (kept) for (const name of keptWhenLeftOut) properties[name] ??= structuredClone(kept[name]);
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

const keptWhenLeftOut = [
  'version',
  'createMode',
  'availabilityZone',
  'storage',
  'backup',
  'highAvailability',
  'maintenanceWindow',
  'replicationRole',
  'replicaCapacity',
];

/** The versions of MySQL that a server may have. */
export const versions = ['5.7', '8.0.21', '8.4', '9.3'];

function checkName(env: ArmEnv, resource: Stored): void {
  if (!/^[a-z0-9][-a-z0-9]{1,61}[a-z0-9]$/.test(resource.name))
    throw new ArmError(
      400,
      'InvalidServerName',
      `The server name '${resource.name}' must have 3 to 63 lower-case letters, digits and hyphens and may not begin or end with a hyphen.`,
    );
  const other = env.state
    .list(serverType)
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
    throw new ArmError(400, 'InvalidSku', `The sku '${name}' of tier '${tier}' is not known for ${serverType}.`);
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
  // Storage of a server with a standby always grows by itself.
  if (enabled) resource.properties.storage = { ...asObject(resource.properties.storage), autoGrow: 'Enabled' };
  resource.properties.highAvailability = { ...ha, state: enabled ? 'Healthy' : 'NotEnabled' };
}

/** Only a creation that fails leaves a server that is good for nothing. */
export function afterFailure(copy: Stored, created: boolean): void {
  if (!created) copy.properties.state = copy.internal.stateBefore ?? 'Ready';
  delete copy.internal.stateBefore;
}

const during = (state: string, after: string, from: string[], operation: string): ActionRule => ({
  rests: after === 'Stopped',
  check(server) {
    if (!from.includes(asText(server.properties.state)))
      requireReady({ ...server, properties: { state: server.properties.state } }, operation);
  },
  begin(copy) {
    copy.internal.stateBefore = copy.properties.state;
    copy.properties.state = state;
  },
  end(copy, _answer, env) {
    copy.properties.state = after;
    if (after === 'Ready') useWritten(env, copy.id);
    delete copy.internal.stateBefore;
    copy.internal.stoppedAt = after === 'Stopped' ? env.clock.wall() : undefined;
    return undefined;
  },
});

export const serverActions: Record<string, ActionRule> = {
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
  updateConfigurations,
  failover: {
    ...during('Updating', 'Ready', ['Ready'], 'FailoverServer'),
    check(server) {
      requireReady(server, 'FailoverServer');
      if (getAt(server, 'properties.highAvailability.mode') === 'Disabled')
        throw new ArmError(400, 'HighAvailabilityNotEnabled', `Server '${server.name}' has no standby.`);
    },
  },
};

/** Azure starts a stopped server by itself after this time. */
const stoppedDays = 30;

/** Starts what has been stopped for 30 days of Azure's time; called now and then. */
export function startForgotten(env: ArmEnv): void {
  const limit = stoppedDays * 86_400_000 * env.options.factor;
  for (const server of env.state.list(serverType)) {
    const since = Number(server.internal.stoppedAt);
    if (server.properties.state !== 'Stopped' || !(env.clock.wall() - since > limit)) continue;
    env.state.update(server.id, (copy) => serverActions.start?.begin?.(copy, {}, env));
    env.operations.start(
      {
        kind: 'action',
        action: 'start',
        resourceId: server.id,
        locks: [key(server.id)],
        type: serverType,
        method: 'POST',
        apiVersion: '2024-12-30',
        style: 'mysql',
        location: server.location,
        existed: true,
      },
      seconds(serverType, 'start') * 1000 * env.options.factor,
    );
  }
}
