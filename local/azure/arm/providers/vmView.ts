import type { Stored } from '../../state.ts';
import { type ArmEnv, planeOf } from '../env.ts';
import { key } from '../ids.ts';
import { asText, getAt } from '../values.ts';

export type Power = 'creating' | 'starting' | 'running' | 'stopping' | 'stopped' | 'deallocating' | 'deallocated';

export const powerOf = (machine: Stored): Power => (machine.internal.power as Power | undefined) ?? 'running';

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
    return (await planeOf(env, machine.type)?.act?.(machine, 'instanceView', {})) ?? {};
  } catch {
    return {};
  }
}
