import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError, invalidParameter, resourceNotFound } from '../failure.ts';
import { checkGroup } from '../groups.ts';
import { key, lastName, parentId } from '../ids.ts';
import type { ArmAnswer, ArmRequest, Kind } from '../kind.ts';
import type { Provider } from '../provider.ts';
import { page, shown } from '../read.ts';
import { show } from '../show.ts';
import { asObject, asText, idOf, objects } from '../values.ts';
import { availabilitySet, disk, extension } from './computeShapes.ts';
import { usages } from './quota.ts';
import { computeStates, machineType, virtualMachines } from './virtualMachines.ts';
import { vmSizes } from './vmSizes.ts';
import { instanceView, powerOf, statusesOf } from './vmView.ts';

const subscriptionPath = '/subscriptions/{subscription}/providers/Microsoft.Compute';
const machinePath =
  '/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{vm}';

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
  view(copy, _stored, env) {
    delete copy.properties.provisioningState;
    copy.properties.virtualMachines ??= [];
    void env;
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

async function showInstanceView(env: ArmEnv, params: Record<string, string>): Promise<ArmAnswer> {
  return { status: 200, body: await instanceView(findMachine(env, params), env) };
}

function findMachine(env: ArmEnv, { subscription, group, vm }: Record<string, string>): Stored {
  checkGroup(env, `/subscriptions/${subscription}/resourceGroups/${group}`, 'GET');
  const machine = env.state.get(
    `/subscriptions/${subscription}/resourceGroups/${group}/providers/${machineType}/${vm}`,
  );
  if (machine === undefined) throw resourceNotFound(machineType, vm ?? '', group);
  return machine;
}

async function getMachine(env: ArmEnv, params: Record<string, string>, request: ArmRequest): Promise<ArmAnswer> {
  const machine = findMachine(env, params);
  const body = show(machine, env, request);
  if (request.query.get('$expand')?.toLowerCase().includes('instanceview'))
    body.properties.instanceView = await instanceView(machine, env);
  return { status: 200, body };
}

/** `statusOnly=true`: ids and run-time status of every VM, nothing of the model. */
function listMachines(env: ArmEnv, params: Record<string, string>, request: ArmRequest): ArmAnswer {
  const machines = env.state.list(machineType);
  const here =
    params.location === undefined
      ? machines
      : machines.filter((machine) => machine.location === params.location?.toLowerCase());
  if (request.query.get('statusOnly') !== 'true') return page(shown(here, env, request), request);
  const value = here
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((machine) => ({
      id: machine.id,
      name: machine.name,
      type: machine.type,
      location: machine.location,
      properties: {
        vmId: machine.properties.vmId,
        provisioningState: machine.properties.provisioningState,
        instanceView: {
          statuses: statusesOf(asText(machine.properties.provisioningState).toLowerCase(), '', powerOf(machine)),
        },
      },
    }));
  return page(value, request);
}

const skuOf = (size: (typeof vmSizes)[number], location: string, restricted: boolean) => ({
  resourceType: 'virtualMachines',
  name: size.name,
  tier: 'Standard',
  size: size.name.replace(/^Standard_/, ''),
  family: size.family,
  locations: [location],
  locationInfo: [{ location, zones: ['1', '2', '3'], zoneDetails: [] }],
  capabilities: [
    { name: 'vCPUs', value: String(size.cores) },
    { name: 'MemoryGB', value: String(size.memoryGb) },
    { name: 'MaxDataDiskCount', value: String(size.disks) },
    { name: 'PremiumIO', value: 'True' },
    { name: 'HyperVGenerations', value: 'V1,V2' },
    { name: 'CpuArchitectureType', value: 'x64' },
  ],
  restrictions: restricted
    ? [
        {
          type: 'Location',
          values: [location],
          restrictionInfo: { locations: [location] },
          reasonCode: 'NotAvailableForSubscription',
        },
      ]
    : [],
});

export const compute: Provider = {
  namespace: 'Microsoft.Compute',
  kinds: [availabilitySets, disks, virtualMachines, extensions],
  routes: [
    { method: 'GET', pattern: machinePath, permission: `${machineType}/read`, handle: getMachine },
    {
      method: 'GET',
      pattern: `${machinePath}/instanceView`,
      permission: `${machineType}/instanceView/read`,
      handle: showInstanceView,
    },
    {
      method: 'GET',
      pattern: `${subscriptionPath}/virtualMachines`,
      permission: `${machineType}/read`,
      handle: listMachines,
    },
    {
      method: 'GET',
      pattern: `${subscriptionPath}/locations/{location}/virtualMachines`,
      permission: `${machineType}/read`,
      handle: listMachines,
    },
    {
      method: 'GET',
      pattern: `${subscriptionPath}/skus`,
      permission: 'Microsoft.Compute/skus/read',
      handle: (env, _params, request) => {
        const filter = request.query.get('$filter');
        const here = filter === null || filter.toLowerCase().includes(`'${env.context.location}'`);
        return {
          status: 200,
          body: {
            value: here
              ? vmSizes.map((size) =>
                  skuOf(size, env.context.location, env.options.restrictedSizes.includes(size.name)),
                )
              : [],
          },
        };
      },
    },
    {
      method: 'GET',
      pattern: `${subscriptionPath}/locations/{location}/usages`,
      permission: 'Microsoft.Compute/locations/usages/read',
      handle: (env) => ({ status: 200, body: { value: usages(env) } }),
    },
    {
      method: 'GET',
      pattern: `${subscriptionPath}/locations/{location}/vmSizes`,
      permission: 'Microsoft.Compute/locations/vmSizes/read',
      handle: () => ({
        status: 200,
        body: {
          value: vmSizes.map((s) => ({
            name: s.name,
            numberOfCores: s.cores,
            memoryInMB: s.memoryGb * 1024,
            maxDataDiskCount: s.disks,
            osDiskSizeInMB: 1047552,
            resourceDiskSizeInMB: 0,
          })),
        },
      }),
    },
  ],
};
