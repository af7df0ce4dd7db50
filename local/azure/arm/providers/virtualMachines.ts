import type { ArmResource } from '../../contract.ts';
import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key } from '../ids.ts';
import type { ActionRule, ArmRequest, Draft, Kind } from '../kind.ts';
import { forget, removeNow } from '../remove.ts';
import { asObject, asText, getAt, objects } from '../values.ts';
import { virtualMachine } from './computeShapes.ts';
import { checkQuota } from './quota.ts';
import { checkMachine } from './vmChecks.ts';
import { completeLogin, completeStorage, giveIdentity, makeDisk } from './vmComplete.ts';
import { findSize } from './vmSizes.ts';
import { type Power, powerOf } from './vmView.ts';

export const machineType = 'Microsoft.Compute/virtualMachines';

export const computeStates = {
  property: 'provisioningState',
  creating: 'Creating',
  updating: 'Updating',
  ready: 'Succeeded',
  deleting: 'Deleting',
  failed: 'Failed',
};

function prepareMachine(draft: Draft): void {
  const { resource, existing, env } = draft;
  const { properties } = resource;
  if (existing)
    for (const part of ['hardwareProfile', 'storageProfile', 'osProfile', 'networkProfile'])
      properties[part] ??= structuredClone(existing.properties[part]);
  checkMachine(draft);
  completeStorage(draft);
  completeLogin(draft);
  properties.vmId = existing?.properties.vmId ?? crypto.randomUUID();
  properties.timeCreated = existing?.properties.timeCreated ?? new Date(env.clock.wall()).toISOString();
  resource.internal.power = existing ? powerOf(existing) : 'creating';
  giveIdentity(draft);
}

/** Which power state a failure leaves, and for how long a machine that never came up keeps its NICs to itself. */
function afterFailure(copy: Stored, code: string, created: boolean, env: ArmEnv): void {
  const noHost = /Allocation|SkuNotAvailable|Quota/i.test(code);
  const between = ['creating', 'starting', 'stopping', 'deallocating'].includes(powerOf(copy));
  if (created) copy.internal.power = noHost ? 'deallocated' : /^OSProvisioning/.test(code) ? 'running' : 'stopped';
  else if (between) copy.internal.power = noHost ? 'deallocated' : (copy.internal.powerBefore ?? 'running');
  if (!created) return;
  const until = env.clock.wall() + reservedSeconds * 1000 * env.options.factor;
  for (const nic of objects(asObject(copy.properties.networkProfile).networkInterfaces))
    env.state.update(asText(nic.id), (own) => {
      own.internal.reservedUntil = until;
      own.internal.reservedFor = key(copy.id);
    });
}

/** documented: aka.ms/deletenic */
const reservedSeconds = 180;

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
    copy.internal.powerBefore = powerOf(copy);
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
  start: {
    ...power('starting', 'running'),
    check(machine, _body, env) {
      const size = findSize(getAt(machine, 'properties.hardwareProfile.vmSize'));
      if (size && powerOf(machine) === 'deallocated') checkQuota(env, size, machine);
    },
  },
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

function view(copy: ArmResource, stored: Stored, _env: ArmEnv, request?: ArmRequest): void {
  if (request?.query.get('$expand')?.includes('userData') && stored.properties.userData !== undefined)
    copy.properties.userData = stored.properties.userData;
}

const network = 'properties.networkProfile.networkInterfaces[]';

export const virtualMachines: Kind = {
  type: machineType,
  style: 'compute',
  etag: true,
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
  failed: afterFailure,
  removed: removeParts,
  actions,
  view,
};
