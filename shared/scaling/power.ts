import { afterError, type Writes } from '../azure/armStep.ts';
import type { Attempt, Outcome } from '../azure/engine.ts';
import { namesOf, nodeName, resourceId } from '../azure/names.ts';
import { orUndefinedIfMissing } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';

/** Something that can be switched on and off: a node's machine, or the MySQL server. */
export interface Switchable {
  id: string;
  /** What Azure says it is; undefined when it does not exist. `idle`: off for its users, but not for the bill. */
  look(): Promise<'on' | 'off' | 'idle' | 'changing' | undefined>;
  turnOn(): PromiseLike<unknown>;
  turnOff(): PromiseLike<unknown>;
}

const done: Outcome = { state: 'ready', output: {} };
const changing = (detail: string): Outcome => ({ state: 'pending', detail, lookAgainSeconds: 2 });

/**
 * Looks, then switches what is not as wanted; ready when it is. What does not exist is off. A switch that was sent from this process
 * is waited for; after a restart Azure's own word is looked at.
 * @param errors how many transient failures this step has met before
 */
export async function turn(
  thing: Switchable,
  wanted: 'on' | 'off',
  writes: Writes,
  attempt: Attempt,
  errors: number,
): Promise<Outcome> {
  const detail = wanted === 'on' ? 'Azure is starting it' : 'Azure is switching it off';
  try {
    const sent = writes.find(thing.id);
    if (sent !== undefined && (await attempt.within(sent)) === undefined) return changing(detail);
    const state = await thing.look();
    if (state === wanted || (state === undefined && wanted === 'off')) return done;
    if (state === undefined) return changing('it does not exist yet');
    if (state === 'changing') return changing(detail);
    await attempt.permit();
    const write = async () => void (await (wanted === 'on' ? thing.turnOn() : thing.turnOff()));
    const settled = await attempt.within(writes.start(thing.id, undefined, write));
    return { ...changing(detail), ...(settled === undefined ? {} : { lookAgainSeconds: 0 }) };
  } catch (error) {
    writes.forget(thing.id);
    return afterError(error, errors + 1);
  }
}

const powerStates = {
  'PowerState/running': 'on',
  'PowerState/stopped': 'idle',
  'PowerState/deallocated': 'off',
} as const;

/** How often a silent node's machine is looked at: Azure gives back 12 reads of one machine a minute (azure-behaviour.md, 1.6). Seconds. */
export const lookEverySeconds = 10;

/** A node's virtual machine. Off is deallocated: one that is merely stopped still costs. */
export function nodeMachine(deps: Deps, jumpServer: string, spec: JumpServerSpec, number: number): Switchable {
  const node = nodeName(jumpServer, number);
  const { resourceGroup } = spec;
  const machines = deps.azure.compute.virtualMachines;
  const place = { subscriptionId: deps.config.AZURE_SUBSCRIPTION_ID, resourceGroup };
  return {
    id: resourceId(place, 'Microsoft.Compute/virtualMachines', node),
    async look() {
      const view = await orUndefinedIfMissing(machines.instanceView(resourceGroup, node));
      const code = view?.statuses?.find((status) => status.code?.startsWith('PowerState/'))?.code;
      // Azure leaves the power state out now and then: that says nothing.
      return view === undefined ? undefined : (powerStates[code as keyof typeof powerStates] ?? 'changing');
    },
    turnOn: () => machines.start(resourceGroup, node),
    turnOff: () => machines.deallocate(resourceGroup, node),
  };
}

/** The MySQL server. It has a state instead of a provisioningState, and a stopped one refuses everything but a start. */
export function databaseServer(deps: Deps, jumpServer: string, spec: JumpServerSpec): Switchable {
  const { resourceGroup } = spec;
  const place = { subscriptionId: deps.config.AZURE_SUBSCRIPTION_ID, resourceGroup };
  const name = namesOf(jumpServer, place).mysqlServer;
  const { servers } = deps.azure.mysql;
  return {
    id: resourceId(place, 'Microsoft.DBforMySQL/flexibleServers', name),
    async look() {
      const server = await orUndefinedIfMissing(servers.get(resourceGroup, name));
      if (server === undefined) return undefined;
      if (server.state === 'Ready') return 'on';
      return server.state === 'Stopped' ? 'off' : 'changing';
    },
    turnOn: () => servers.beginStartAndWait(resourceGroup, name),
    turnOff: () => servers.beginStopAndWait(resourceGroup, name),
  };
}
