import { durationSeconds } from '../duration.ts';
import { secondsAfter } from '../time.ts';
import { mostNodesOf } from './scalingSpec.ts';
import { type InForce, inForce, type Plan } from './timetable.ts';

/** At this time open sessions needed so many nodes, more than the plan had. */
export interface Need {
  at: Date;
  nodes: number;
}

export interface Desired {
  count: number;
  /** Why, for people: it becomes the reason of the operation that this leads to. */
  reason: string;
  /** To be handed back as `needs` the next time. */
  needs: Need[];
}

/**
 * How many nodes there should be now. Pure. By hand beats overrides, overrides beat the schedule; open sessions raise the count, but
 * never what was asked for by hand and never zero (closing for the night is a decision, and draining leaves sessions their time).
 * @param openSessions sessions on all nodes together
 * @param needs what the last call returned: for `cooldown`, nodes that were needed stay, so that a wavering demand does not
 *   start and stop them
 */
export function desiredCount(plan: Plan, now: Date, openSessions: number, needs: readonly Need[] = []): Desired {
  const { scaling } = plan;
  const held = inForce(plan, now);
  const within = (count: number) => Math.min(Math.max(count, scaling.min), mostNodesOf(scaling));
  const planned = within(held.count);
  const perNode = scaling.sessionsPerNode;
  if (perNode === undefined || planned === 0 || held.kind === 'byHand')
    return { count: planned, reason: describe(held, planned), needs: [] };
  const needed = within(Math.ceil(openSessions / perNode));
  // A PUT may have lowered `max` since.
  const before = needs.map(({ at, nodes }) => ({ at, nodes: within(nodes) }));
  const remembered = remember(before, { at: now, nodes: needed }, planned, durationSeconds(scaling.cooldown));
  const most = remembered[0];
  if (most === undefined) return { count: planned, reason: describe(held, planned), needs: [] };
  const reason =
    most.nodes === needed
      ? `${openSessions} open sessions want ${needed} nodes of ${perNode} each`
      : `open sessions wanted ${most.nodes} nodes at ${most.at.toISOString()}, less than ${scaling.cooldown} ago`;
  return { count: most.nodes, reason, needs: remembered };
}

/** The needs that still count, highest first: within the cooldown, above what the plan gives, and not reached by a later one. */
function remember(needs: readonly Need[], latest: Need, planned: number, cooldown: number): Need[] {
  const recent = needs.filter(
    ({ at, nodes }) => nodes > planned && nodes > latest.nodes && secondsAfter(at, cooldown) > latest.at,
  );
  return latest.nodes > planned ? [...recent, latest] : recent;
}

function describe({ kind, name, count, since }: InForce, planned: number): string {
  const limit = planned === count ? '' : ` (${planned} within the limits of scaling)`;
  const time = since.toISOString();
  const called = name === undefined ? '' : ` '${name}'`;
  const words = {
    base: `web.count is ${count}`,
    schedule: `the schedule's entry${called} wants ${count} since ${time}`,
    override: `the override${called} wants ${count} since ${time}`,
    byHand: `${name ?? 'somebody'} asked for ${count} at ${time}`,
  } as const;
  return words[kind] + limit;
}
