import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError, invalidParameter } from '../failure.ts';
import { key, lastName, parentId } from '../ids.ts';
import type { Kind } from '../kind.ts';
import { asObject, asText, idOf, objects } from '../values.ts';
import { availabilitySet, disk, extension } from './computeShapes.ts';
import { computeStates, machineType } from './virtualMachines.ts';
import { powerOf } from './vmView.ts';

const availabilitySets: Kind = {
  type: 'Microsoft.Compute/availabilitySets',
  style: 'compute',
  instant: ['PUT', 'PATCH', 'DELETE'],
  created: 200,
  location: 'required',
  properties: availabilitySet,
  extra: { sku: { name: 'Aligned|Classic', tier: 'string', capacity: 'integer' } },
  patch: 'merge',
  immutable: ['properties.platformUpdateDomainCount', 'properties.platformFaultDomainCount'],
  prepare({ resource }) {
    resource.properties.platformUpdateDomainCount ??= 5;
    resource.properties.platformFaultDomainCount ??= 3;
    const updates = Number(resource.properties.platformUpdateDomainCount);
    const faults = Number(resource.properties.platformFaultDomainCount);
    if (updates < 1 || updates > 20)
      throw invalidParameter(
        'platformUpdateDomainCount',
        `The specified value '${updates}' for property platformUpdateDomainCount is out of range 1 to 20.`,
      );
    if (faults < 1 || faults > 3)
      throw invalidParameter(
        'platformFaultDomainCount',
        `The specified fault domain count ${faults} must fall in the range 1 to 3.`,
      );
    resource.sku ??= { name: 'Classic' };
    if (resource.sku.name === 'Classic')
      throw invalidParameter('availabilitySet.sku', "Managed disks need an availability set of sku 'Aligned'.");
  },
  inUse: (id) =>
    new ArmError(
      409,
      'OperationNotAllowed',
      `Availability Set '${lastName(id)}' cannot be deleted. Before deleting an Availability Set please ensure that it does not contain any VM.`,
    ),
  view(copy) {
    delete copy.properties.provisioningState;
    copy.properties.virtualMachines ??= [];
  },
};

const disks: Kind = {
  type: 'Microsoft.Compute/disks',
  style: 'computeDisk',
  location: 'required',
  properties: disk,
  extra: {
    sku: { name: 'string', tier: 'ro' },
    zones: ['string'],
    managedBy: 'ro',
    managedByExtended: 'ro',
    extendedLocation: 'any',
  },
  patch: 'merge',
  state: { ...computeStates, creating: 'Updating' },
  prepare({ resource, existing, env }) {
    const { properties } = resource;
    const before = Number(existing?.properties.diskSizeGB ?? 0);
    if (Number(properties.diskSizeGB ?? before) < before)
      throw invalidParameter('disk.diskSizeGB', `Disk size cannot be reduced from ${before} GB.`);
    for (const name of ['timeCreated', 'uniqueId'])
      properties[name] =
        existing?.properties[name] ??
        (name === 'uniqueId' ? crypto.randomUUID() : new Date(env.clock.wall()).toISOString());
    properties.networkAccessPolicy ??= 'AllowAll';
    properties.publicNetworkAccess ??= 'Enabled';
    resource.sku = { name: 'Standard_LRS', ...resource.sku };
  },
  checkDelete(resource, env) {
    const machine = diskOwner(env, resource.id);
    if (machine)
      throw new ArmError(409, 'OperationNotAllowed', `Disk ${resource.name} is attached to VM ${machine.id}.`);
  },
  view(copy, stored, env) {
    const machine = diskOwner(env, stored.id);
    if (machine) Object.assign(copy, { managedBy: machine.id });
    copy.properties.diskState =
      machine === undefined ? 'Unattached' : powerOf(machine) === 'deallocated' ? 'Reserved' : 'Attached';
  },
};

const diskOwner = (env: ArmEnv, id: string): Stored | undefined =>
  env.state.list(machineType).find((machine) => {
    const storage = asObject(machine.properties.storageProfile);
    return [asObject(storage.osDisk), ...objects(storage.dataDisks)].some(
      (item) => key(idOf(item.managedDisk) ?? '') === key(id),
    );
  });

const extensions: Kind = {
  type: `${machineType}/extensions`,
  style: 'compute',
  location: 'required',
  properties: extension,
  patch: 'merge',
  state: computeStates,
  lockedWithParent: true,
  secrets: ['properties.protectedSettings'],
  prepare({ resource, env }) {
    const machine = env.state.get(parentId(resource.id));
    if (machine && powerOf(machine) !== 'running')
      throw new ArmError(409, 'OperationNotAllowed', 'Cannot modify extensions in the VM when the VM is not running.');
    const same = env.state
      .list(`${machineType}/extensions`, parentId(resource.id))
      .find(
        (other) =>
          key(other.id) !== key(resource.id) &&
          other.properties.publisher === resource.properties.publisher &&
          other.properties.type === resource.properties.type,
      );
    if (same)
      throw new ArmError(
        400,
        'BadRequest',
        `Multiple VMExtensions per handler not supported for OS type 'Linux'. VMExtension '${resource.name}' with handler '${asText(resource.properties.publisher)}.${asText(resource.properties.type)}' already added or specified in input.`,
      );
  },
};

export const computeBasics: Kind[] = [availabilitySets, disks, extensions];
