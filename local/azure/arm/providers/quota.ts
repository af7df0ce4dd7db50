import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { key } from '../ids.ts';
import { getAt } from '../values.ts';
import { findSize, type VmSize, vmFamilies } from './vmSizes.ts';

/** Cores in use by family, without one machine. A deallocated machine's cores are free again. */
export function coresInUse(env: ArmEnv, except?: string): Map<string, number> {
  const used = new Map<string, number>();
  for (const machine of env.state.list('Microsoft.Compute/virtualMachines')) {
    if (except !== undefined && key(machine.id) === key(except)) continue;
    if (machine.internal.power === 'deallocated') continue;
    const size = findSize(getAt(machine, 'properties.hardwareProfile.vmSize'));
    if (size) used.set(size.family, (used.get(size.family) ?? 0) + size.cores);
  }
  return used;
}

/** Throws 409 OperationNotAllowed in the words of a used-up quota. */
export function checkQuota(env: ArmEnv, size: VmSize, existing: Stored | undefined): void {
  const used = coresInUse(env, existing?.id);
  const limit = env.options.coreQuota;
  const total = [...used.values()].reduce((sum, cores) => sum + cores, 0);
  const rows: [string, number][] = [
    ['Total Regional Cores', total],
    [`${size.family} Cores`, used.get(size.family) ?? 0],
  ];
  for (const [name, usage] of rows) {
    if (usage + size.cores <= limit) continue;
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `Operation could not be completed as it results in exceeding approved ${name} quota. Additional details - Deployment Model: Resource Manager, Location: ${env.context.location}, Current Limit: ${limit}, Current Usage: ${usage}, Additional Required: ${size.cores}, (Minimum) New Limit Required: ${usage + size.cores}. Setup Alerts when Quota reaches threshold. Learn more at https://aka.ms/quotamonitoringalerting .`,
    );
  }
}

/** The rows of `locations/{l}/usages`. */
export function usages(env: ArmEnv) {
  const used = coresInUse(env);
  const row = (value: string, localizedValue: string, currentValue: number, limit = env.options.coreQuota) => ({
    limit,
    unit: 'Count',
    currentValue,
    name: { value, localizedValue },
  });
  return [
    row('availabilitySets', 'Availability Sets', env.state.list('Microsoft.Compute/availabilitySets').length, 2500),
    row(
      'cores',
      'Total Regional vCPUs',
      [...used.values()].reduce((sum, cores) => sum + cores, 0),
    ),
    row('virtualMachines', 'Virtual Machines', env.state.list('Microsoft.Compute/virtualMachines').length, 25_000),
    ...vmFamilies.map((family) => row(family, `${family} vCPUs`, used.get(family) ?? 0)),
  ];
}
