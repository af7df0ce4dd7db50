import type { Condition } from '../store/healing.ts';
import { listNames } from './commonCause.ts';
import type { NodeSight, Sight } from './findings.ts';

/** A node that is not repaired, and why it would have been. */
export interface LeftAlone {
  node: NodeSight;
  why: string;
  against: Condition;
}

/** One condition for all that the same stands against: a row of the table holds 32,768 characters, and a hundred nodes may be silent. */
export const leftAlone = (left: readonly LeftAlone[]): Condition[] =>
  [...Map.groupBy(left, ({ against }) => against)].map(([{ type, message }, [first, ...others]]) => {
    const likewise = others.length === 0 ? '' : `; likewise ${listNames(others.map(({ node }) => node))}`;
    return { type, message: `${first?.why}${likewise}. ${message}` };
  });

/** What may stand against a repair, but for patience. */
export const heldBack = {
  paused: {
    type: 'HealingPaused',
    message:
      'Its virtual machine has the tag molcajete-pause, so it is left alone. Take the tag off to have it repaired.',
  },
  platform: {
    type: 'PlatformAtFault',
    message: 'Azure says that its platform is at fault and repairs it, so it is waited for.',
  },
  fleet: {
    type: 'HealingPaused',
    message:
      'Nodes of many jump servers are silent or do not reach their databases, which is rather a trouble of the control plane or of the network than theirs, so nothing is done about it. Look whether nodes reach MOLCAJETE_API_URL, and whether private DNS answers.',
  },
  lastNode: {
    type: 'LastNode',
    message:
      'It is the only one that serves users, so nothing is done that would end their sessions. It is repaired once another node works; or restart it in the Azure portal when nobody is on it.',
  },
} satisfies Record<string, Condition>;

/** The balancer was asked about it, or Azure about its machine. */
export const isLookedAt = ({ guestAgent, probe }: NodeSight): boolean =>
  guestAgent !== undefined || probe !== undefined;

/** What only a closer look finds. */
const foundCloser: readonly Condition[] = [heldBack.paused, heldBack.platform, heldBack.lastNode];

/** What the last closer look said of suspects that get none while an operation runs or a pause is on. */
export function keptConditions({ nodes, memory }: Sight, suspects: readonly number[]): Condition[] {
  const unseen = nodes.filter((node) => suspects.includes(node.record.number) && !isLookedAt(node));
  return memory.server.conditions.filter(
    ({ message }) =>
      foundCloser.some((one) => message.endsWith(one.message)) &&
      unseen.some(({ name }) => new RegExp(`\\b${name}\\b`).test(message)),
  );
}

export const stoppedCondition = 'HealingStopped';

export const stopped = ({ server }: Sight, since: Date): Condition => ({
  type: stoppedCondition,
  message: `Healing stopped at ${since.toISOString()}: ${server.spec.healing.maxRepairsPerHour} repairs within an hour did not help for good. Look at the last heal operations, mend the cause, then POST /jump-servers/${server.name}/heal with {"resetBreaker": true}.`,
});
