import { armStep, type Writes } from '../../shared/azure/armStep.ts';
import { checkGraph, type Step, Stopped } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import { drainSeconds, isSurplus, isUp } from '../../shared/scaling/fleet.ts';
import { confirmStarted, provisionFleet, provisionTopology } from '../../shared/scaling/provisionFleet.ts';
import { restStep } from '../../shared/scaling/rest.ts';
import type { JumpServerSpec } from '../../shared/spec.ts';
import { ownSteps } from '../../shared/steps/ownSteps.ts';
import { removalSteps } from '../../shared/steps/removal.ts';
import { type InventoryItem, listInventory, listOutputs } from '../../shared/store/inventory.ts';
import { findHeldLease, type Holder, type Lease } from '../../shared/store/leases.ts';
import { listNodes } from '../../shared/store/nodes.ts';
import { listSteps } from '../../shared/store/operations.ts';
import type { Progress } from '../contracts.ts';
import { beside, carryOutSteps, longestOperationSeconds, permit, unlessStopped } from './carryOutSteps.ts';

/** Brings the jump server nearer to its spec, as far as one call's budget goes, then removes what the spec no longer has. */
export const advance =
  (deps: Deps, writes: Writes) =>
  async (holder: Holder): Promise<Progress> => {
    const lease = await findHeldLease(deps.tables, holder);
    if (lease === undefined) return { state: 'fenced' };
    const spec = JSON.parse(lease.spec) as JumpServerSpec;
    const steps = await provisionSteps(deps, writes, holder, spec);
    if (steps instanceof Stopped) return { state: steps.reason };
    checkGraph(steps);
    const built = await carryOutSteps(deps, holder, steps, {
      known: beside(await listOutputs(deps.tables, holder.jumpServer), steps),
      longestSeconds:
        longestOperationSeconds +
        drainSeconds(spec, await listNodes(deps.tables, holder.jumpServer), lease.requestedAt),
    });
    if (built.state !== 'done') return built;
    const confirmed = await unlessStopped(confirmStarted(deps, holder.jumpServer, () => permit(deps, holder)));
    if (confirmed instanceof Stopped) return { state: confirmed.reason };
    const wanted = new Set(steps.map((step) => step.key));
    const surplus = (await listInventory(deps.tables, holder.jumpServer)).filter((item) => !wanted.has(item.key));
    if (surplus.length === 0) return built;
    const before = await secondsBefore(deps, lease, surplus);
    return carryOutSteps(deps, holder, removalSteps(deps, writes, holder.jumpServer, surplus), {
      longestSeconds: longestOperationSeconds + before,
    });
  };

/**
 * How long after the operation was asked for the removal of what is left has begun. A node may have drained for a day before, and the first
 * thing to go is its row, which says so.
 */
async function secondsBefore(
  { tables, now }: Deps,
  { operationId, requestedAt }: Lease,
  left: readonly InventoryItem[],
): Promise<number> {
  const keys = new Set(left.map(({ key }) => key));
  const steps = (await listSteps(tables, operationId)).filter(({ key }) => keys.has(key));
  const begun = steps.map(({ startedAt = now() }) => startedAt.getTime());
  return (Math.min(now().getTime(), ...begun) - requestedAt.getTime()) / 1000;
}

/** The whole graph of a jump server: Azure's resources, then what makes them a jump server. */
async function provisionSteps(
  deps: Deps,
  writes: Writes,
  holder: Holder,
  spec: JumpServerSpec,
): Promise<Step[] | Stopped> {
  const { jumpServer } = holder;
  const fleet = await unlessStopped(provisionFleet(deps, jumpServer, spec, () => permit(deps, holder)));
  if (fleet instanceof Stopped) return fleet;
  const known = await listOutputs(deps.tables, jumpServer);
  const kept = fleet.filter((node) => !isSurplus(node, spec));
  const leaving = fleet.filter((node) => isSurplus(node, spec) && node.state === 'draining');
  return [
    ...provisionTopology(deps, jumpServer, spec, kept).map((resource) => armStep(resource, deps.azure, writes)),
    ...ownSteps(deps, writes, jumpServer, spec, fleet, known),
    ...leaving.map((node) => afterProof(restStep(deps, writes, jumpServer, spec, node, fleet.filter(isUp)))),
  ];
}

/** Nodes leave when those that stay have been proven to work. */
const afterProof = (step: Step): Step => ({ ...step, dependsOn: ['ingress'] });
