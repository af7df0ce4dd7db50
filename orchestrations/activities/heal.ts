import type { Writes } from '../../shared/azure/armStep.ts';
import { checkGraph } from '../../shared/azure/engine.ts';
import { nodeName } from '../../shared/azure/names.ts';
import type { Deps } from '../../shared/deps.ts';
import { durationSeconds } from '../../shared/duration.ts';
import { notedWrites } from '../../shared/healing/ending.ts';
import { parseHealOrder } from '../../shared/healing/order.ts';
import { freshReports, watchedNodes } from '../../shared/healing/sight.ts';
import { healSteps } from '../../shared/healing/steps.ts';
import { fleetOf } from '../../shared/scaling/fleet.ts';
import type { JumpServer } from '../../shared/store/jumpServers.ts';
import type { Holder } from '../../shared/store/leases.ts';
import { listNodes, type NodeRecord } from '../../shared/store/nodes.ts';
import { brokenParts } from '../../shared/store/reports.ts';
import type { Progress } from '../contracts.ts';
import { beside, carryOutSteps, knownOutputs } from './advance.ts';
import { findHeldServer } from './heldServer.ts';

/** The longest chain, a MySQL server that is started and an endpoint with its DNS name, takes some ten minutes. Seconds. */
const longest = 1800;
/** Of the grace period, for the longest wait for a node. */
const graces = 6;

/** Brings a jump server nearer to health, as far as one call's budget goes. */
export const mend =
  (deps: Deps, writes: Writes) =>
  async (holder: Holder): Promise<Progress> => {
    const held = await findHeldServer(deps, holder);
    if (held === undefined) return { state: 'fenced' };
    const { lease, server } = held;
    const recorded = await listNodes(deps.tables, server.name);
    const fleet = fleetOf(server.spec, recorded, server.createdAt);
    const known = await knownOutputs(deps, server.name);
    const { requestedAt } = lease;
    const order = parseHealOrder(lease.spec);
    const noted = notedWrites(deps, holder, writes);
    const well = await wellNodes(deps, server, recorded);
    const steps = healSteps({ deps, writes: noted, holder, server, fleet, requestedAt }, order, well);
    checkGraph(steps);
    return carryOutSteps(deps, holder, steps, {
      known: beside(known, steps),
      longestSeconds: longest + graces * durationSeconds(server.spec.healing.gracePeriod),
    });
  };

/** Those that work by their own word, just now, must be reached at the end. */
async function wellNodes(deps: Deps, server: JumpServer, recorded: readonly NodeRecord[]): Promise<number[]> {
  const watched = watchedNodes(server, recorded, deps.now());
  const heard = await freshReports(deps, server.name, watched);
  const well = new Set(heard.filter(({ report }) => brokenParts(report).length === 0).map(({ node }) => node));
  return watched.map(({ number }) => number).filter((number) => well.has(nodeName(server.name, number)));
}
