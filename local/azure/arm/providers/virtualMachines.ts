import type { ArmResource } from '../../contract.ts';
import type { Stored } from '../../state.ts';
import { type ArmEnv, planeOf } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key } from '../ids.ts';
import type { ActionRule, ArmRequest, Draft, Kind } from '../kind.ts';
import { isUnmade, made, makes } from '../made.ts';
import { forget, removeNow } from '../remove.ts';
import { asObject, asText, getAt, objects } from '../values.ts';
import { virtualMachine } from './computeShapes.ts';
import { checkMachine, checkRoom } from './vmChecks.ts';
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
  const creates = makes(env, existing, draft.method);
  checkMachine(draft, creates);
  completeStorage(draft);
  completeLogin(draft);
  properties.vmId = existing?.properties.vmId ?? crypto.randomUUID();
  properties.timeCreated = existing?.properties.timeCreated ?? new Date(env.clock.wall()).toISOString();
  resource.internal.power = existing && !creates ? powerOf(existing) : 'creating';
  giveIdentity(draft);
}

/** Which power state a failure leaves, and for how long a machine that never came up keeps its NICs to itself. */
function afterFailure(copy: Stored, code: string, created: boolean, env: ArmEnv): void {
  const between = ['creating', 'starting', 'stopping', 'deallocating'].includes(powerOf(copy));
  if (lateBoot.test(code) && powerOf(copy) === 'creating') copy.internal.power = 'running';
  else if (between && noHost.test(code)) copy.internal.power = 'deallocated';
  else if (between) copy.internal.power = created ? 'stopped' : (copy.internal.powerBefore ?? 'running');
  if (!created) return;
  const until = env.clock.wall() + reservedSeconds * 1000 * env.options.factor;
  for (const nic of objects(asObject(copy.properties.networkProfile).networkInterfaces))
    env.state.update(asText(nic.id), (own) => {
      own.internal.reservedUntil = until;
      own.internal.reservedFor = key(copy.id);
    });
}

const noHost = /Allocation|SkuNotAvailable|Quota/i;
/** "The VM may still finish provisioning successfully": it runs, whatever its state says. */
const lateBoot = /^OSProvisioning/;

/** What the guest goes through when its operation is made to fail. */
async function failing(machine: Stored, code: string, env: ArmEnv): Promise<void> {
  const plane = planeOf(env, machineType);
  if (isUnmade(machine)) {
    if (!lateBoot.test(code) || powerOf(machine) !== 'creating') return;
    await plane?.apply(machine, {});
    made(env, machine.id);
  } else if (noHost.test(code) && powerOf(machine) === 'starting') {
    // A redeploy has let the old host go before it finds no other.
    await plane?.act?.(machine, 'deallocate', {});
  }
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
    copy.internal.power = isUnmade(copy) && after === 'running' ? 'creating' : during;
  },
  end(copy) {
    copy.properties.provisioningState = 'Succeeded';
    copy.internal.power = after;
    return undefined;
  },
});

/** What brings a machine up needs a host, if it has none, and makes a machine whose creation failed. */
const up = (action: string): ActionRule => ({
  ...power('starting', 'running'),
  check: checkHost,
  work: (machine, env, body) => (isUnmade(machine) ? make(machine, env) : told(machine, env, action, body)),
});

/** Of a machine whose creation failed there is nothing to stop. */
const down = (action: string, during: Power, after: Power): ActionRule => ({
  ...power(during, after),
  rests: true,
  work: async (machine, env, body) => (isUnmade(machine) ? undefined : told(machine, env, action, body)),
});

const told = async (machine: Stored, env: ArmEnv, action: string, body: Record<string, unknown>) =>
  planeOf(env, machineType)?.act?.(machine, action, body);

async function make(machine: Stored, env: ArmEnv): Promise<undefined> {
  await planeOf(env, machineType)?.apply(machine, {});
  made(env, machine.id);
}

function checkHost(machine: Stored, _body: unknown, env: ArmEnv): void {
  const size = findSize(getAt(machine, 'properties.hardwareProfile.vmSize'));
  if (size && powerOf(machine) === 'deallocated') checkRoom(env, size, machine);
}

const mustRun = (action: string): Pick<ActionRule, 'check'> => ({
  check(machine) {
    if (powerOf(machine) === 'running') return;
    throw new ArmError(409, 'OperationNotAllowed', `Cannot ${action} VM '${machine.name}' when the VM is not running.`);
  },
});

const actions: Record<string, ActionRule> = {
  start: up('start'),
  powerOff: down('powerOff', 'stopping', 'stopped'),
  deallocate: down('deallocate', 'deallocating', 'deallocated'),
  restart: { ...up('restart'), ...mustRun('restart') },
  redeploy: up('redeploy'),
  reapply: {
    check: (machine, body, env) => (isUnmade(machine) ? checkHost(machine, body, env) : undefined),
    begin(copy) {
      copy.properties.provisioningState = 'Updating';
      if (isUnmade(copy)) copy.internal.power = 'creating';
    },
    work: (machine, env, body) => (isUnmade(machine) ? make(machine, env) : told(machine, env, 'reapply', body)),
    end(copy) {
      copy.properties.provisioningState = 'Succeeded';
      if (powerOf(copy) === 'creating') copy.internal.power = 'running';
      return undefined;
    },
  },
  reimage: up('reimage'),
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
  failing,
  removed: removeParts,
  actions,
  view,
};
