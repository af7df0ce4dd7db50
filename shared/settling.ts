import { settleAudit } from './auditSweep.ts';
import type { Deps } from './deps.ts';
import { forEach } from './forEach.ts';
import type { StartOperation } from './http.ts';
import { closeLease, recordStart, unheardOf } from './operations.ts';
import { isHibernated, isHibernating } from './scaling/fleet.ts';
import { oneWorks } from './scaling/rest.ts';
import { isPutUnfinished, wasCanceled } from './setback.ts';
import { listInventory } from './store/inventory.ts';
import { type JumpServer, listJumpServers, moveJumpServer } from './store/jumpServers.ts';
import { isActive, listLeases } from './store/leases.ts';
import { listNodes, type NodeRecord } from './store/nodes.ts';
import { forgetRepeatablesBefore } from './store/repeatability.ts';
import { secondsAfter } from './time.ts';

/** How long a repeated POST gets the first one's answer. Seconds. */
const repeatableFor = 24 * 3600;

const forgetRepeatables = (deps: Deps): Promise<void> =>
  forgetRepeatablesBefore(deps.tables, secondsAfter(deps.now(), -repeatableFor));

/** What a crash left open is carried on or closed. What fails of it keeps nothing else from it. */
export const settle = (deps: Deps, start: StartOperation): Promise<void> =>
  forEach([settleLeases, settleServing, settleAudit, forgetRepeatables], (work) => work(deps, start));

/** After this long a lease that is still only requested has lost its start to a crash. Seconds. */
const startGraceSeconds = 20;

/**
 * What a crash left behind: leases whose orchestration was never started are started (under the same id), and those that nobody
 * renewed are closed, their operations marked as interrupted.
 */
export async function settleLeases(deps: Deps, start: StartOperation): Promise<void> {
  const now = deps.now();
  await forEach(await listLeases(deps.tables), async (lease) => {
    if (lease.state === 'finished') return;
    if (!isActive(lease, now)) {
      await closeLease(deps, lease, unheardOf);
    } else if (lease.state === 'requested' && secondsAfter(lease.requestedAt, startGraceSeconds) < now) {
      await recordStart(deps, lease);
      await start(lease);
    }
  });
}

/**
 * A PUT that fails may leave a jump server on which users go on working, or one that sleeps or is about to. That one is ready, or
 * hibernates, with a condition: healing and scaling see to what is missing, and its schedule wakes it.
 */
export async function settleServing(deps: Deps): Promise<void> {
  const failed = (await listJumpServers(deps.tables)).filter(({ state }) => state === 'Failed');
  await forEach(failed, async (server) => {
    const { name, lastOperation } = server;
    if (!isPutUnfinished(server) || wasCanceled(server)) return;
    const fleet = await listNodes(deps.tables, name);
    if (isHibernated(fleet)) await moveJumpServer(deps.tables, name, lastOperation, 'Hibernated');
    else if (isHibernating(fleet) || (await serves(deps, server, fleet)))
      await moveJumpServer(deps.tables, name, lastOperation, 'Ready');
  });
}

/** A login through the ingress has worked once, and a node works now by its own word, its login to the database included. */
async function serves(deps: Deps, { name }: JumpServer, fleet: readonly NodeRecord[]): Promise<boolean> {
  const inventory = await listInventory(deps.tables, name);
  const proven = inventory.some(({ key, output }) => key === 'ingress' && output.url !== undefined);
  return proven && oneWorks(deps, name, fleet);
}
