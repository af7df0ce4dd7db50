import type { Context, DataPlane, DataPlanes } from '../contract.ts';
import type { StateStore } from '../state.ts';
import type { Clock } from './clock.ts';
import { ArmError } from './failure.ts';
import type { Kind } from './kind.ts';
import type { Operations } from './operations.ts';
import type { StatusLog } from './providers/statusLog.ts';
import type { References } from './references.ts';

export interface ArmOptions {
  /** Multiplies every real duration; 0 for at once. */
  factor: number;
  /** How long (in Azure's seconds) a new role assignment does nothing. */
  rolePropagationSeconds: number;
  /** How long (ms) the references of something deleted linger. */
  referenceLagMs: number;
  /** For how long (in Azure's seconds) the status-only list of VMs shows what was. */
  statusLagSeconds: number;
  /** How the network provider refuses a second write: `conflict` 409 AnotherOperationInProgress, `retryable` 429 RetryableError. */
  busyNetwork: 'conflict' | 'retryable';
  /** Length of operation URLs; Azure's are kilobytes long. */
  operationUrlBytes: number;
  throttling: boolean;
  /** What a VNet PUT without `subnets` does. Azure deleted them for years; the change of this may not have reached every region. */
  omittedSubnets: 'delete' | 'keep';
  /** Does a PATCH carry on a creation that failed, as a PUT does, or only change what is stored? */
  patchCarriesOn: boolean;
  /** Cores per VM family and in all that a subscription may use in a region. */
  coreQuota: number;
  /** VM sizes that are known and cannot be had: 409 SkuNotAvailable. */
  restrictedSizes: string[];
  /** Namespaces that the subscription has not registered: writes there are 409 MissingSubscriptionRegistration. */
  unregistered: string[];
}

export const defaultOptions: ArmOptions = {
  factor: 0.02,
  // Up to 10 minutes in Azure; most act sooner.
  rolePropagationSeconds: 30,
  referenceLagMs: 0,
  statusLagSeconds: 0,
  busyNetwork: 'conflict',
  operationUrlBytes: 1200,
  throttling: true,
  omittedSubnets: 'delete',
  patchCarriesOn: false,
  coreQuota: 100,
  restrictedSizes: [],
  unregistered: [],
};

/** What the parts of ARM share. */
export interface ArmEnv {
  context: Omit<Context, 'state'>;
  state: StateStore;
  kinds: Map<string, Kind>;
  references: References;
  operations: Operations;
  statuses: StatusLog;
  planes: DataPlanes;
  clock: Clock;
  options: ArmOptions;
  /** The principal of a system-assigned identity. */
  principalOf(resourceId: string): { objectId: string; clientId: string };
}

export const kindOf = (env: ArmEnv, type: string): Kind | undefined => env.kinds.get(type.toLowerCase());

export const planeOf = (env: ArmEnv, type: string): DataPlane | undefined => env.planes[type.toLowerCase()];

/** Sets options by name. Throws for an unknown name or a value of another type. */
export function setOptions(options: ArmOptions, changes: Record<string, unknown>): void {
  const known = defaultOptions as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(changes)) {
    const example = known[name];
    if (example === undefined)
      throw new ArmError(400, 'BadRequest', `There is no option '${name}'; known: ${Object.keys(known).join(', ')}.`);
    if (typeof value !== typeof example || Array.isArray(value) !== Array.isArray(example))
      throw new ArmError(400, 'BadRequest', `Option '${name}' must be like ${JSON.stringify(example)}.`);
  }
  Object.assign(options, changes);
}
