import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { resourceNotFound } from '../failure.ts';
import { checkGroup } from '../groups.ts';
import type { ArmAnswer, ArmRequest } from '../kind.ts';
import type { Provider } from '../provider.ts';
import { byId, page, pageOf } from '../read.ts';
import { show } from '../show.ts';
import { computeBasics } from './computeBasics.ts';
import { usages } from './quota.ts';
import { machineType, virtualMachines } from './virtualMachines.ts';
import { vmSizes } from './vmSizes.ts';
import { instanceView, statusesOf } from './vmView.ts';

const subscriptionPath = '/subscriptions/{subscription}/providers/Microsoft.Compute';
const machinePath =
  '/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{vm}';

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
  if (request.query.get('statusOnly') !== 'true') return pageOf(here, env, request);
  return page(byId(here), request, (machine) => showStatus(machine, env));
}

function showStatus(machine: Stored, env: ArmEnv) {
  const { state, power } = env.statuses.of(machine);
  return {
    id: machine.id,
    name: machine.name,
    type: machine.type,
    location: machine.location,
    properties: {
      vmId: machine.properties.vmId,
      provisioningState: machine.properties.provisioningState,
      instanceView: { statuses: statusesOf(state, '', power) },
    },
  };
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
  kinds: [...computeBasics, virtualMachines],
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
