import type { ArmResource } from '../../contract.ts';
import type { Stored } from '../../state.ts';
import { type ArmEnv, planeOf } from '../env.ts';
import { ArmError, invalidParameter } from '../failure.ts';
import { groupId, key } from '../ids.ts';
import type { ActionRule, ArmRequest, Draft, Kind } from '../kind.ts';
import { forget, removeNow } from '../remove.ts';
import { asObject, asText, defaults, getAt, idOf, objects, setAt } from '../values.ts';
import { virtualMachine } from './computeShapes.ts';
import { checkQuota } from './quota.ts';
import { findSize } from './vmSizes.ts';

export const machineType = 'Microsoft.Compute/virtualMachines';
const diskType = 'Microsoft.Compute/disks';

export const computeStates = {
  property: 'provisioningState',
  creating: 'Creating',
  updating: 'Updating',
  ready: 'Succeeded',
  deleting: 'Deleting',
  failed: 'Failed',
};

export type Power = 'creating' | 'starting' | 'running' | 'stopping' | 'stopped' | 'deallocating' | 'deallocated';

export const powerOf = (machine: Stored): Power => (machine.internal.power as Power | undefined) ?? 'running';

function prepareMachine(draft: Draft): void {
  const { resource, existing, env } = draft;
  const { properties } = resource;
  if (existing)
    for (const part of ['hardwareProfile', 'storageProfile', 'osProfile', 'networkProfile'])
      properties[part] ??= structuredClone(existing.properties[part]);
  checkSize(draft);
  checkLogin(draft);
  checkInterfaces(draft);
  completeStorage(draft);
  completeLogin(draft);
  properties.vmId = existing?.properties.vmId ?? crypto.randomUUID();
  properties.timeCreated = existing?.properties.timeCreated ?? new Date(env.clock.wall()).toISOString();
  resource.internal.power = existing ? powerOf(existing) : 'creating';
  giveIdentity(draft);
}

function checkSize({ resource, existing, env }: Draft): void {
  const name = getAt(resource, 'properties.hardwareProfile.vmSize');
  const size = findSize(name);
  if (size === undefined)
    throw invalidParameter(
      'vmSize',
      `The value ${String(name)} provided for the VM size is not valid. The valid sizes in the current region are listed by resourceSkus.`,
    );
  setAt(resource as unknown as Record<string, unknown>, 'properties.hardwareProfile.vmSize', size.name);
  checkQuota(env, size, existing);
}

const refusedNames = new Set(
  'administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5'.split(
    ' ',
  ),
);

function checkLogin({ resource, existing }: Draft): void {
  const profile = asObject(resource.properties.osProfile);
  if (existing) return;
  if (resource.properties.osProfile === undefined)
    throw invalidParameter('osProfile', "Required parameter 'osProfile' is missing (null).");
  const name = asText(profile.adminUsername);
  if (name === '' || refusedNames.has(name.toLowerCase()))
    throw invalidParameter('adminUsername', `The Admin Username specified is not allowed. '${name}'`);
  const computer = asText(profile.computerName);
  if (!/^[a-z0-9]([-a-z0-9.]{0,62}[a-z0-9])?$/i.test(computer))
    throw invalidParameter(
      'computerName',
      'Linux host name cannot exceed 64 characters in length or contain the following characters: ` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\ | ; : \' " , < > / ?.',
    );
  const data = Buffer.from(asText(profile.customData), 'base64');
  if (
    profile.customData !== undefined &&
    data.toString('base64').replace(/=+$/, '') !== asText(profile.customData).replace(/=+$/, '')
  )
    throw invalidParameter(
      'customData',
      'Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.',
    );
  if (data.length > 65_535)
    throw invalidParameter(
      'customData',
      'Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.',
    );
  checkKeys(profile, name);
}

function checkKeys(profile: Record<string, unknown>, name: string): void {
  const linux = asObject(profile.linuxConfiguration);
  const keys = objects(asObject(linux.ssh).publicKeys);
  if (linux.disablePasswordAuthentication !== true) return;
  if (keys.length === 0)
    throw invalidParameter(
      'linuxConfiguration.ssh.publicKeys',
      'Authentication using either SSH or by user name and password must be enabled in Linux profile.',
    );
  for (const { path, keyData } of keys) {
    if (path !== `/home/${name}/.ssh/authorized_keys`)
      throw invalidParameter(
        'linuxConfiguration.ssh.publicKeys.path',
        `Destination path for SSH public keys is currently limited to its default value /home/${name}/.ssh/authorized_keys  due to a known issue in Linux provisioning agent.`,
      );
    if (!/^(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/]+=*( .*)?\s*$/.test(asText(keyData)))
      throw invalidParameter(
        'linuxConfiguration.ssh.publicKeys.keyData',
        'The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.',
      );
  }
}

function checkInterfaces({ resource, env }: Draft): void {
  const list = objects(asObject(resource.properties.networkProfile).networkInterfaces);
  if (list.length === 0)
    throw invalidParameter('networkProfile', "Required parameter 'networkProfile' is missing (null).");
  if (list.length > 1 && list.filter((nic) => asObject(nic.properties).primary === true).length !== 1)
    throw invalidParameter(
      'networkInterfaces',
      `Virtual Machine ${resource.name} must have one network interface set as the primary.`,
    );
  for (const nic of list) {
    const id = asText(nic.id);
    const other = env.references
      .of(id)
      .find((use) => use.reference.back === 'virtualMachine' && key(use.source) !== key(resource.id));
    if (other) throw new ArmError(400, 'NicInUse', `Network Interface ${id} is used by existing VM ${other.source}.`);
    const stored = env.state.get(id);
    if (
      Number(stored?.internal.reservedUntil ?? 0) > env.clock.wall() &&
      stored?.internal.reservedFor !== key(resource.id)
    )
      throw new ArmError(
        400,
        'NicReservedForAnotherVm',
        `Nic(s) in request is reserved for another Virtual Machine for 180 seconds. Please provide another nic(s) or retry after 180 seconds.`,
      );
  }
}

function completeStorage({ resource, existing }: Draft): void {
  const storage = asObject(resource.properties.storageProfile);
  resource.properties.storageProfile = storage;
  const before = asObject(asObject(existing?.properties.storageProfile).osDisk);
  const image = asObject(storage.imageReference);
  const disk = asObject(storage.osDisk);
  if (
    !existing &&
    idOf(image) === undefined &&
    ['publisher', 'offer', 'sku', 'version'].some((name) => asText(image[name]) === '')
  )
    throw invalidParameter('imageReference', "Required parameter 'imageReference' is missing (null).");
  if (!existing && disk.createOption !== 'FromImage')
    throw invalidParameter(
      'osDisk.createOption',
      `osDisk.createOption '${String(disk.createOption)}' is not supported here: use FromImage.`,
    );
  const name =
    asText(before.name) || asText(disk.name) || `${resource.name}_OsDisk_1_${crypto.randomUUID().replaceAll('-', '')}`;
  storage.osDisk = { ...before, ...disk, name };
  defaults(asObject(storage.osDisk), {
    osType: 'Linux',
    createOption: 'FromImage',
    caching: 'ReadWrite',
    deleteOption: 'Detach',
    diskSizeGB: 30,
    managedDisk: { storageAccountType: 'Premium_LRS' },
  });
  const managed = asObject(asObject(storage.osDisk).managedDisk);
  managed.id = idOf(asObject(before.managedDisk)) ?? `${groupId(resource.id)}/providers/${diskType}/${name}`;
  storage.dataDisks ??= [];
  if (image.version === 'latest') image.exactVersion = '24.04.202611010';
  storage.diskControllerType ??= 'SCSI';
}

function completeLogin({ resource }: Draft): void {
  const profile = asObject(resource.properties.osProfile);
  defaults(profile, { secrets: [], allowExtensionOperations: true, requireGuestProvisionSignal: true });
  defaults(asObject(profile.linuxConfiguration), {
    provisionVMAgent: true,
    patchSettings: { patchMode: 'ImageDefault', assessmentMode: 'ImageDefault' },
  });
  for (const nic of objects(asObject(resource.properties.networkProfile).networkInterfaces))
    nic.properties = { primary: true, deleteOption: 'Detach', ...asObject(nic.properties) };
}

function giveIdentity({ resource, existing, env }: Draft): void {
  const identity = resource.identity ?? (existing?.identity as ArmResource['identity'] | undefined);
  if (identity === undefined) return;
  const user = identity.type.includes('UserAssigned') ? (identity.userAssignedIdentities ?? {}) : undefined;
  resource.identity = {
    type: identity.type,
    ...(identity.type.includes('SystemAssigned')
      ? { principalId: env.principalOf(resource.id).objectId, tenantId: env.context.tenantId }
      : {}),
    ...(user
      ? { userAssignedIdentities: Object.fromEntries(Object.keys(user).map((id) => [id, clientOf(env, id)])) }
      : {}),
  };
}

const clientOf = (env: ArmEnv, id: string) => {
  const properties = env.state.get(id)?.properties;
  return { principalId: asText(properties?.principalId), clientId: asText(properties?.clientId) };
};

/** The OS disk comes with the machine. */
function makeDisk({ resource, existing, env }: Draft): void {
  if (existing) return;
  const storage = asObject(resource.properties.storageProfile);
  const disk = asObject(storage.osDisk);
  const managed = asObject(disk.managedDisk);
  env.state.put({
    id: asText(managed.id),
    name: asText(disk.name),
    type: diskType,
    location: resource.location,
    sku: { name: managed.storageAccountType, tier: 'Premium' },
    ...(resource.tags ? { tags: resource.tags } : {}),
    properties: {
      osType: disk.osType,
      hyperVGeneration: 'V2',
      creationData: {
        createOption: 'FromImage',
        imageReference: {
          id: `/Subscriptions/${env.context.subscriptionId}/Providers/Microsoft.Compute/Locations/${resource.location}/Publishers/image`,
        },
      },
      diskSizeGB: disk.diskSizeGB,
      diskSizeBytes: Number(disk.diskSizeGB) * 2 ** 30,
      networkAccessPolicy: 'AllowAll',
      publicNetworkAccess: 'Enabled',
      timeCreated: new Date(env.clock.wall()).toISOString(),
      provisioningState: 'Succeeded',
      uniqueId: crypto.randomUUID(),
    },
    internal: { created: resource.internal.created },
  });
}

/** What goes with the machine by its deleteOption; a NIC of a machine that never came up stays reserved for a while. */
async function removeParts(machine: Stored, env: ArmEnv): Promise<void> {
  const nics = objects(asObject(machine.properties.networkProfile).networkInterfaces);
  const disk = asObject(asObject(machine.properties.storageProfile).osDisk);
  for (const nic of nics.filter((item) => asObject(item.properties).deleteOption === 'Delete'))
    await removeWithIps(env, asText(nic.id));
  if (disk.deleteOption === 'Delete') await removeResource(env, asText(asObject(disk.managedDisk).id));
}

async function removeWithIps(env: ArmEnv, nic: string): Promise<void> {
  const configurations = objects(env.state.get(nic)?.properties.ipConfigurations);
  await removeResource(env, nic);
  for (const configuration of configurations) {
    const ip = asObject(asObject(configuration.properties).publicIPAddress);
    if (asObject(ip.properties).deleteOption === 'Delete') await removeResource(env, asText(ip.id));
  }
}

async function removeResource(env: ArmEnv, id: string): Promise<void> {
  const stored = env.state.get(id);
  if (stored === undefined) return;
  await env.operations.queued(id, () => removeNow(env, stored));
  forget(env, id);
}

const power = (during: Power, after: Power): Pick<ActionRule, 'begin' | 'end'> => ({
  begin(copy) {
    copy.properties.provisioningState = 'Updating';
    copy.internal.power = during;
  },
  end(copy) {
    copy.properties.provisioningState = 'Succeeded';
    copy.internal.power = after;
    return undefined;
  },
});

const mustRun = (action: string): Pick<ActionRule, 'check'> => ({
  check(machine) {
    if (powerOf(machine) === 'running') return;
    throw new ArmError(409, 'OperationNotAllowed', `Cannot ${action} VM '${machine.name}' when the VM is not running.`);
  },
});

const actions: Record<string, ActionRule> = {
  start: power('starting', 'running'),
  powerOff: power('stopping', 'stopped'),
  deallocate: power('deallocating', 'deallocated'),
  restart: { ...power('starting', 'running'), ...mustRun('restart') },
  redeploy: power('starting', 'running'),
  reapply: {
    begin(copy) {
      copy.properties.provisioningState = 'Updating';
    },
    end(copy) {
      copy.properties.provisioningState = 'Succeeded';
      return undefined;
    },
  },
  reimage: power('starting', 'running'),
  runCommand: {
    ...mustRun('run a command on'),
    end: (_copy, answer) => answer ?? { value: [] },
  },
  simulateEviction: { sync: true, status: 204 },
  retrieveBootDiagnosticsData: { sync: true, end: () => ({}) },
};

/** Also what `instanceView` and status-only lists show. */
export async function instanceView(machine: Stored, env: ArmEnv): Promise<Record<string, unknown>> {
  const state = asText(machine.properties.provisioningState).toLowerCase();
  const running = env.operations.list().findLast((o) => key(o.resourceId) === key(machine.id) && o.status === 'Failed');
  const failure = state === 'failed' && running?.error ? `/${running.error.code}` : '';
  const now = powerOf(machine);
  const learned = now === 'running' ? await agentOf(machine, env) : {};
  return {
    computerName: getAt(machine, 'properties.osProfile.computerName'),
    osName: 'ubuntu',
    osVersion: '24.04',
    hyperVGeneration: 'V2',
    ...learned,
    disks: [
      {
        name: getAt(machine, 'properties.storageProfile.osDisk.name'),
        statuses: [{ code: 'ProvisioningState/succeeded', level: 'Info', displayStatus: 'Provisioning succeeded' }],
      },
    ],
    statuses: statusesOf(state, failure, now, running?.error?.message),
  };
}

export function statusesOf(state: string, failure: string, now: Power, message?: string) {
  return [
    {
      code: `ProvisioningState/${state}${failure}`,
      level: failure ? 'Error' : 'Info',
      displayStatus: `Provisioning ${state}`,
      ...(failure && message ? { message } : {}),
      time: new Date().toISOString(),
    },
    { code: `PowerState/${now}`, level: 'Info', displayStatus: `VM ${now}` },
  ];
}

async function agentOf(machine: Stored, env: ArmEnv): Promise<Record<string, unknown>> {
  try {
    return (await planeOf(env, machineType)?.act?.(machine, 'instanceView', {})) ?? {};
  } catch {
    return {};
  }
}

function view(copy: ArmResource, stored: Stored, _env: ArmEnv, request?: ArmRequest): void {
  if (request?.query.get('$expand')?.includes('userData') && stored.properties.userData !== undefined)
    copy.properties.userData = stored.properties.userData;
}

const network = 'properties.networkProfile.networkInterfaces[]';

export const virtualMachines: Kind = {
  type: machineType,
  style: 'compute',
  location: 'required',
  properties: virtualMachine,
  extra: {
    identity: {
      type: 'SystemAssigned|UserAssigned|SystemAssigned, UserAssigned|None',
      userAssignedIdentities: { '*': { principalId: 'ro', clientId: 'ro' } },
      principalId: 'ro',
      tenantId: 'ro',
    },
    zones: ['string'],
    plan: { name: 'string', publisher: 'string', product: 'string', promotionCode: 'string' },
    resources: 'ro',
    managedBy: 'ro',
    extendedLocation: 'any',
    placement: 'any',
  },
  patch: 'merge',
  state: computeStates,
  namePattern: /^[a-z0-9]([-\w.]{0,62}\w)?$/i,
  secrets: ['properties.osProfile.adminPassword'],
  hidden: ['properties.osProfile.customData', 'properties.userData'],
  immutable: [
    'properties.availabilitySet.id',
    'properties.osProfile.adminUsername',
    'properties.osProfile.customData',
    'properties.osProfile.computerName',
    'properties.osProfile.linuxConfiguration.ssh',
    'properties.storageProfile.imageReference.publisher',
    'properties.storageProfile.imageReference.offer',
    'properties.storageProfile.imageReference.sku',
    'properties.storageProfile.imageReference.version',
    'properties.storageProfile.osDisk.name',
    'zones',
  ],
  references: [
    {
      path: network,
      to: 'Microsoft.Network/networkInterfaces',
      linked: 'Microsoft.Network/networkInterfaces/join/action',
      back: 'virtualMachine',
      single: true,
      whole: true,
    },
    {
      path: 'properties.availabilitySet',
      to: 'Microsoft.Compute/availabilitySets',
      linked: 'Microsoft.Compute/availabilitySets/vmAdd/action',
      back: 'virtualMachines',
      whole: true,
    },
    {
      path: 'identity.userAssignedIdentities[]',
      to: 'Microsoft.ManagedIdentity/userAssignedIdentities',
      linked: 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action',
      anyRegion: true,
      loose: true,
    },
  ],
  prepare: prepareMachine,
  accepted: makeDisk,
  realise(machine, env) {
    env.state.update(machine.id, (copy) => {
      if (powerOf(copy) === 'creating') copy.internal.power = 'running';
    });
  },
  removed: removeParts,
  actions,
  view,
};
