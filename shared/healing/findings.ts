import type { HealingMemory, NodeMemory } from '../store/healing.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import type { Lease } from '../store/leases.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { type Repair, rankOf, repairFacts } from './repairs.ts';

/** What Azure says of a node's virtual machine. */
export interface Machine {
  /** `changing`: something is at work on it, or Azure does not say. */
  power: 'running' | 'stopped' | 'deallocated' | 'changing';
  /** Azure's own word for `changing`; undefined: it does not say. */
  called?: string;
  /** The last write of it failed, or was canceled. */
  failed: boolean;
}

/** What is heard of a node. */
export type Voice =
  /** Its last report is fresh, and it serves users. `stuck`: all the same its last change could not be made, and why. */
  | { kind: 'well'; stuck?: string }
  /** Its last report is fresh and names parts that do not work. */
  | { kind: 'unwell'; parts: readonly string[]; detail: string; since: Date }
  /** It has not reported since. */
  | { kind: 'silent'; since: Date };

/** All that is known of one node when it is judged. What is asked for only where something is wrong may be missing. */
export interface NodeSight {
  record: NodeRecord;
  name: string;
  /** Undefined: there is none. */
  machine: Machine | undefined;
  voice: Voice;
  memory: NodeMemory | undefined;
  /** Azure's own agent in the machine: when it is not ready the whole guest is gone. */
  guestAgent?: 'ready' | 'notReady';
  /** A person put the tag `molcajete-pause` on the machine. */
  paused?: boolean;
  /** Azure says that its platform is at fault: it repairs that by itself. */
  platform?: boolean;
  /** What the balancer's probe says. */
  probe?: 'up' | 'down';
  /** Since when the probe has failed although the node itself is well. */
  probeDownSince?: Date;
}

/** All that is known of one jump server when it is judged. */
export interface Sight {
  server: JumpServer;
  /** Its nodes that are meant to be up. */
  nodes: readonly NodeSight[];
  /** Resources that differ from what they should be, or whatever else is wrong with it as a whole; a sentence each. */
  drift: readonly string[];
  memory: HealingMemory;
  lease: Lease | undefined;
  /** Until then the control plane only watches: it has just been away. */
  quietUntil: Date;
  /** Much of the whole fleet is silent, or does not reach its databases: that is rather our own trouble than theirs. */
  fleetTroubled: boolean;
  /** A person asked: what is only patience does not count. */
  byHand: boolean;
  now: Date;
}

interface Row {
  finding: string;
  /** For people, after the node's name. */
  says: string;
  holds(sight: NodeSight): boolean;
  /** In the order in which they are tried; the last one again and again. */
  repairs: readonly Repair[];
  /** It may pass by itself: from when on it counts, for the grace period. Undefined: it counts at once. */
  since?(sight: NodeSight): Date;
  /** Our own trouble may look the same: not while the control plane has just been away, or much of the fleet is in trouble. */
  doubtful?: true;
}

const running = ({ machine }: NodeSight): boolean => machine?.power === 'running';
/** Since when it could have been heard of: while its machine did not run it could not. */
const silentSince = ({ voice, memory }: NodeSight): Date =>
  new Date(Math.max(voice.kind === 'silent' ? voice.since.getTime() : 0, memory?.notRunningAt?.getTime() ?? 0));
/** Not known yet: it does not count yet. */
const probeSince = ({ probeDownSince }: NodeSight): Date => probeDownSince ?? new Date(8.64e15);
const unwellSince = ({ voice }: NodeSight): Date => (voice.kind === 'unwell' ? voice.since : new Date(0));

/** Observation → repair, for a node that is meant to be up. The first row that holds is the finding. */
export const findings = [
  {
    finding: 'machineMissing',
    says: 'has no virtual machine',
    holds: ({ machine }) => machine === undefined,
    repairs: ['create'],
  },
  {
    finding: 'provisioningFailed',
    says: 'has a virtual machine whose last change failed',
    holds: ({ machine, voice }) => machine?.failed === true && voice.kind !== 'well',
    repairs: ['reapply', 'restartMachine', 'rebuild'],
  },
  {
    finding: 'stopped',
    says: 'has a virtual machine that is stopped',
    holds: ({ machine }) => machine?.power === 'stopped',
    repairs: ['start', 'redeploy', 'rebuild'],
  },
  {
    finding: 'deallocated',
    says: 'has a virtual machine that was deallocated by somebody else',
    holds: ({ machine }) => machine?.power === 'deallocated',
    repairs: ['start', 'rebuild'],
  },
  {
    finding: 'agentGone',
    says: 'runs, but its agent says nothing',
    holds: (sight) => running(sight) && sight.voice.kind === 'silent' && sight.guestAgent === 'ready',
    repairs: ['restartAgent', 'restartMachine', 'redeploy', 'rebuild'],
    since: silentSince,
    doubtful: true,
  },
  {
    finding: 'frozen',
    says: 'does not answer, and Azure does not hear from it either',
    holds: (sight) =>
      running(sight) && (sight.voice.kind === 'silent' || (sight.probe === 'down' && sight.guestAgent === 'notReady')),
    repairs: ['restartMachine', 'redeploy', 'rebuild'],
    since: (sight) => (sight.voice.kind === 'silent' ? silentSince(sight) : probeSince(sight)),
    doubtful: true,
  },
  {
    finding: 'unwell',
    says: 'says that it does not work',
    holds: (sight) => running(sight) && sight.voice.kind === 'unwell',
    repairs: ['restartServices', 'restartMachine', 'redeploy', 'rebuild'],
    since: unwellSince,
  },
  {
    finding: 'probeFails',
    says: "says that it works, but the balancer's probe fails",
    holds: (sight) => running(sight) && sight.voice.kind === 'well' && sight.probe === 'down',
    repairs: ['restartServices', 'restartMachine', 'redeploy', 'rebuild'],
    since: probeSince,
  },
] as const satisfies readonly Row[];

export type Finding = (typeof findings)[number]['finding'];

/** The row of the table that fits, or undefined for a node that is as it should be or changing just now. */
export const diagnose = (sight: NodeSight): (Row & { finding: Finding }) | undefined =>
  findings.find((row: Row) => row.holds(sight));

/**
 * The next repair: stronger than what was tried last, if the row has any stronger. What disturbs nobody comes first all the same where
 * it was not what failed; and after a repair that helped for a while the strongest one is not simply done again.
 * @param helped the node was well after what was tried
 */
export function nextRepair(row: Pick<Row, 'repairs'>, tried: Repair | undefined, helped: boolean): Repair {
  const [first = 'rebuild'] = row.repairs;
  if (tried === undefined) return first;
  if (!repairFacts[first].disrupts && (helped || !row.repairs.includes(tried))) return first;
  const stronger = row.repairs.find((repair) => rankOf(repair) > rankOf(tried));
  return stronger ?? (helped ? first : (row.repairs.at(-1) ?? first));
}
