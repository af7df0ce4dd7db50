import type { Writes } from '../../shared/azure/armStep.ts';
import { checkGraph } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import { durationSeconds } from '../../shared/duration.ts';
import { notedWrites } from '../../shared/healing/ending.ts';
import { parseHealOrder } from '../../shared/healing/order.ts';
import { watchedNodes, workingNodes } from '../../shared/healing/sight.ts';
import { healSteps } from '../../shared/healing/steps.ts';
import { fleetOf } from '../../shared/scaling/fleet.ts';
import { listOutputs } from '../../shared/store/inventory.ts';
import type { Holder } from '../../shared/store/leases.ts';
import { listNodes } from '../../shared/store/nodes.ts';
import type { Progress } from '../contracts.ts';
import { beside, carryOutSteps } from './carryOutSteps.ts';
import { findHeldServer } from './heldServer.ts';

/** The longest chain, a MySQL server that is started and an endpoint with its DNS name, takes some ten minutes. Seconds. */
const longest = 1800;
/** Of the grace period, for the longest wait for the database, and for a node after it. */
const graces = 11;

/** Brings a jump server nearer to health, as far as one call's budget goes. */
export const mend =
  (deps: Deps, writes: Writes) =>
  async (holder: Holder): Promise<Progress> => {
    const held = await findHeldServer(deps, holder);
    if (held === undefined) return { state: 'fenced' };
    const { lease, server } = held;
    const recorded = await listNodes(deps.tables, server.name);
    const fleet = fleetOf(server.spec, recorded, server.createdAt);
    const known = await listOutputs(deps.tables, server.name);
    const { requestedAt } = lease;
    const order = parseHealOrder(lease.spec);
    const noted = notedWrites(deps, holder, writes);
    // These must be reached at the end.
    const well = await workingNodes(deps, server.name, watchedNodes(server, recorded, deps.now()));
    const steps = healSteps({ deps, writes: noted, holder, server, fleet, requestedAt }, order, well);
    checkGraph(steps);
    return carryOutSteps(deps, holder, steps, {
      known: beside(known, steps),
      longestSeconds: longest + graces * durationSeconds(server.spec.healing.gracePeriod),
    });
  };
