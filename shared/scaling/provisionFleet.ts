import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';
import { listNodes, type NodeRecord, putNode } from '../store/nodes.ts';
import { findScaling, type ScalingMemory } from '../store/scaling.ts';
import { desiredCount } from './desiredCount.ts';
import { changesFor, fleetOf, isSurplus, upCount, withChanges } from './fleet.ts';
import type { Plan } from './timetable.ts';

/** The plan of a spec, with what was asked for by hand. */
export const planOf = (spec: JumpServerSpec, { byHand }: ScalingMemory): Plan => ({
  scaling: spec.scaling,
  base: spec.web.count,
  byHand,
});

/**
 * The nodes that a provision makes or keeps, recorded before they are made: those there are, and as many more as the plan wants now.
 * Fewer is left to the next scale operation, which drains. Deallocated nodes that the spec has no use for are left out.
 * @param permit throws when the operation may not write any more
 */
export async function provisionFleet(
  deps: Deps,
  jumpServer: string,
  spec: JumpServerSpec,
  permit: () => Promise<void>,
): Promise<NodeRecord[]> {
  const [recorded, memory] = await Promise.all([
    listNodes(deps.tables, jumpServer),
    findScaling(deps.tables, jumpServer),
  ]);
  const now = deps.now();
  const before = fleetOf(spec, recorded, now);
  const { count } = desiredCount(planOf(spec, memory), now, 0, memory.needs);
  const changes = count > upCount(before) ? changesFor(before, count, now, 0) : [];
  const fleet = withChanges(before, changes);
  await writeNodes(deps, jumpServer, recorded.length === 0 ? fleet : changes, permit);
  return fleet.filter((node) => !isSurplus(node, spec));
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
