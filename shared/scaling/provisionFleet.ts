import { nodeName } from '../azure/names.ts';
import type { Resource } from '../azure/resource.ts';
import { leftStopped } from '../azure/resources/mysqlServer.ts';
import type { Deps } from '../deps.ts';
import { durationSeconds } from '../duration.ts';
import { environmentOf } from '../environment.ts';
import { ApiError } from '../errors.ts';
import type { JumpServerSpec } from '../spec.ts';
import { findHealing } from '../store/healing.ts';
import { listNodes, type NodeRecord, putNode } from '../store/nodes.ts';
import { findScaling, type ScalingMemory } from '../store/scaling.ts';
import { topologyOf } from '../topology.ts';
import { desiredCount } from './desiredCount.ts';
import { changesFor, fleetOf, isUp, upCount, withChanges } from './fleet.ts';
import { anotherIsHealthy, oneWorks } from './rest.ts';
import type { Plan } from './timetable.ts';

/** The plan of a spec, with what was asked for by hand. */
export const planOf = (spec: JumpServerSpec, { byHand }: ScalingMemory): Plan => ({
  scaling: spec.scaling,
  base: spec.web.count,
  byHand,
});

/**
 * What a provision makes of the nodes there are: as many as the plan wants now. Only zero is left to a scale operation: what was
 * just proven to work sleeps a minute later. Pure.
 * @param least so many are to be up, whatever the plan wants
 */
export function provisionChanges(
  spec: JumpServerSpec,
  recorded: readonly NodeRecord[],
  memory: ScalingMemory,
  now: Date,
  least = 0,
): { fleet: NodeRecord[]; changes: NodeRecord[] } {
  const before = fleetOf(spec, recorded, now);
  // Nobody counts sessions meanwhile: as many as need all that are up. What demand no longer needs scaling takes away.
  const openSessions = upCount(before) * (spec.scaling.sessionsPerNode ?? 0);
  const { count } = desiredCount(planOf(spec, memory), now, openSessions, memory.needs);
  const first = recorded.length === 0;
  const wanted = count > upCount(before) || (count > 0 && !first) ? count : upCount(before);
  const changes = changesFor(before, Math.max(wanted, least), now, durationSeconds(spec.scaling.drainTimeout));
  const fleet = withChanges(before, changes);
  return { fleet, changes: first ? fleet : changes };
}

/**
 * The same of what the store knows. Where healing has failed one node is to be up: in its sleep a jump server's database, which may be
 * lost, is neither set up nor proven.
 */
export async function plannedFleet(
  deps: Deps,
  jumpServer: string,
  spec: JumpServerSpec,
): Promise<ReturnType<typeof provisionChanges>> {
  const [recorded, memory, healing] = await Promise.all([
    listNodes(deps.tables, jumpServer),
    findScaling(deps.tables, jumpServer),
    findHealing(deps.tables, jumpServer),
  ]);
  return provisionChanges(spec, recorded, memory, deps.now(), healing.server.failure.length > 0 ? 1 : 0);
}

/**
 * A PUT must not take away the only nodes that work by their own word: users would be out until another one is repaired. Throws ApiError 409
 * `NoHealthyNode`.
 */
export async function refuseLosingService(deps: Deps, jumpServer: string, spec: JumpServerSpec): Promise<void> {
  const [{ fleet, changes }, recorded] = await Promise.all([
    plannedFleet(deps, jumpServer, spec),
    listNodes(deps.tables, jumpServer),
  ]);
  const leaving = new Set(changes.filter(({ state }) => state === 'draining').map(({ number }) => number));
  const going = recorded.filter(({ number }) => leaving.has(number));
  if (going.length === 0 || (await anotherIsHealthy(deps, jumpServer, fleet))) return;
  if (!(await oneWorks(deps, jumpServer, going))) return;
  const names = going.map(({ number }) => nodeName(jumpServer, number)).join(', ');
  const message = `This would take away ${names}, and none of the nodes that stay is healthy. Wait until healing has repaired one, or ask for that by POST /jump-servers/${jumpServer}/heal; or leave the number of nodes as it is in this PUT.`;
  throw new ApiError(409, 'NoHealthyNode', message, { target: 'web.count' });
}

/**
 * The nodes of a jump server that is being provisioned, recorded before they are made.
 * @param permit throws when the operation may not write any more
 */
export async function provisionFleet(
  deps: Deps,
  jumpServer: string,
  spec: JumpServerSpec,
  permit: () => Promise<void>,
): Promise<NodeRecord[]> {
  const { fleet, changes } = await plannedFleet(deps, jumpServer, spec);
  await writeNodes(deps, jumpServer, changes, permit);
  return fleet;
}

/** The resources that a provision makes right; with no node up the MySQL server sleeps, too. */
export function provisionTopology(
  deps: Deps,
  jumpServer: string,
  spec: JumpServerSpec,
  nodes: readonly NodeRecord[],
): Resource[] {
  const sleeps = !nodes.some(isUp);
  return topologyOf(jumpServer, spec, environmentOf(deps, jumpServer), nodes).map((one) =>
    sleeps && one.key === 'mysqlServer' ? leftStopped(one) : one,
  );
}

/** Records nodes, asking before each whether the operation may still write. */
export async function writeNodes(
  deps: Deps,
  jumpServer: string,
  nodes: readonly NodeRecord[],
  permit: () => Promise<void>,
): Promise<void> {
  for (const node of nodes) {
    await permit();
    await putNode(deps.tables, jumpServer, node);
  }
}

/** Nodes that were to come up have. */
export async function confirmStarted(deps: Deps, jumpServer: string, permit: () => Promise<void>): Promise<void> {
  const started = (await listNodes(deps.tables, jumpServer)).filter(({ state }) => state === 'starting');
  const now = deps.now();
  const running = started.map(({ number }): NodeRecord => ({ number, state: 'running', since: now }));
  await writeNodes(deps, jumpServer, running, permit);
}
