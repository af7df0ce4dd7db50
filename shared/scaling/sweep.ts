import { controlPlane } from '../auth.ts';
import { nodeName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { forEach } from '../forEach.ts';
import type { StartOperation } from '../http.ts';
import { isInProgress, requestOperation } from '../operations.ts';
import { type JumpServer, listJumpServers, moveJumpServer } from '../store/jumpServers.ts';
import { listLeases } from '../store/leases.ts';
import { listAllNodes, type NodeRecord } from '../store/nodes.ts';
import { isStale, listAllReports, type StoredReport } from '../store/reports.ts';
import { listScaling, nothingRemembered, rememberScaling } from '../store/scaling.ts';
import { decideScaling } from './decision.ts';
import { isThere } from './fleet.ts';

/**
 * Compares every jump server with its plan and asks for a scale operation where they differ: a handful of table scans, and not a
 * word to Azure while nothing is to change.
 */
export async function sweepScaling(deps: Deps, start: StartOperation): Promise<void> {
  const servers = await listJumpServers(deps.tables);
  const byDemand = servers.some(({ spec }) => spec.scaling.sessionsPerNode !== undefined);
  const [leases, nodes, memories, reports] = await Promise.all([
    listLeases(deps.tables),
    listAllNodes(deps.tables),
    listScaling(deps.tables),
    byDemand ? listAllReports(deps.tables) : new Map<string, StoredReport[]>(),
  ]);
  const held = new Map(leases.map((lease) => [lease.jumpServer, lease]));
  const now = deps.now();
  await forEach(servers, async (server) => {
    const { name } = server;
    const own = nodes.get(name) ?? [];
    const memory = memories.get(name) ?? nothingRemembered;
    const openSessions = sessionsOf(server, own, reports.get(name) ?? [], now);
    const minute = { server, nodes: own, memory, lease: held.get(name), openSessions, now };
    const { order, needs, overcome } = decideScaling(minute);
    if (needs !== undefined) await rememberScaling(deps.tables, name, { needs });
    if (overcome) await moveJumpServer(deps.tables, name, server.lastOperation, server.state, () => undefined);
    if (order !== undefined) await request(deps, start, name, order);
  });
}

/**
 * What the nodes serve, those that drain included: else each draining would lower the demand that led to it. What they pass on to each
 * other is counted where it ends. While one that may have sessions has not been heard of (its agent is gone, or we were), at least as
 * many as need all of those: none is taken away for want of knowledge.
 */
function sessionsOf(
  { name, spec }: JumpServer,
  nodes: readonly NodeRecord[],
  reports: readonly StoredReport[],
  now: Date,
): number {
  const last = new Map(reports.map((stored) => [stored.node, stored]));
  const all = nodes
    .filter(({ state }) => state !== 'deallocated')
    .map((node) => ({ node, stored: last.get(nodeName(name, node.number)) }));
  const heard = all.filter(({ stored }) => stored && !isStale(stored, now));
  const known = heard.reduce((sum, { stored }) => sum + (stored?.report.sessions.served ?? 0), 0);
  const serving = all.filter(({ node, stored }) => isThere(node) && hasComeUp(node, stored));
  if (serving.every((one) => heard.includes(one))) return known;
  return Math.max(known, serving.length * (spec.scaling.sessionsPerNode ?? 0));
}

/** One that was to come up and has not said a word since has no sessions: that it is wanted must not make it wanted. */
const hasComeUp = ({ state, since }: NodeRecord, stored: StoredReport | undefined): boolean =>
  state !== 'starting' || (stored !== undefined && stored.receivedAt > since);

/** Somebody else may have been quicker since the leases were read: then the next minute decides. */
async function request(
  deps: Deps,
  start: StartOperation,
  jumpServer: string,
  { count, reason }: { count: number; reason: string },
): Promise<void> {
  try {
    await requestOperation(deps, start, { jumpServer, kind: 'scale', order: { count }, reason, caller: controlPlane });
  } catch (error) {
    if (!isInProgress(error)) throw error;
  }
}
