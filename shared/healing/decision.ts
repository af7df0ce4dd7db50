import { durationSeconds } from '../duration.ts';
import type { Condition, HealingMemory } from '../store/healing.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import { isActive, type Lease } from '../store/leases.ts';
import { secondsAfter } from '../time.ts';
import {
  changingNodes,
  commonCause,
  databaseToBlame,
  heardOf,
  listNames,
  missesDatabase,
  stuckNodes,
} from './commonCause.ts';
import { diagnose, type NodeSight, nextRepair, repairFacts } from './findings.ts';
import type { HealOrder, NodeOrder } from './order.ts';

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

export interface Decision {
  /** A heal operation to be asked for. */
  order?: HealOrder;
  /** Numbers of nodes with which something is wrong for long enough: worth a closer look. */
  suspects: number[];
  /** What the status should say from now on. */
  conditions: Condition[];
  /** Too many repairs within an hour: nothing more until a person resets it. */
  opensBreaker: boolean;
  /** Numbers of nodes that have been well for so long that their past is forgotten. */
  recovered: number[];
}

/** Grace periods for which a node must have been well before its next trouble begins at the first repair again. */
const gracesUntilForgotten = 5;
/** Seconds; the longest pause after repairs that did not help. */
const longestPause = 900;

/** What is to be done for a jump server, and what a person should know. Pure. */
export function decide(sight: Sight): Decision {
  const { server, lease, memory, now, byHand } = sight;
  const nothing = { suspects: [], conditions: [], opensBreaker: false, recovered: [] };
  if (server.state !== 'Ready' || (!server.spec.healing.enabled && !byHand)) return nothing;
  const busy = lease !== undefined && isActive(lease, now) && !lease.yields;
  // What a running operation has noted of a node keeps it from doing the same twice.
  const found = { ...nothing, recovered: busy ? [] : recoveredNodes(sight) };
  if (memory.server.breakerSince !== undefined && !byHand)
    return { ...found, conditions: [stopped(sight, memory.server.breakerSince)] };
  const { order, suspects, conditions: seen } = plan(sight);
  const kept = keptConditions(sight, suspects);
  if (busy) return { ...found, conditions: [...seen, ...kept] };
  const conditions = sight.quietUntil > now ? seen : [...seen, ...changingNodes(sight.nodes, now)];
  if (order === undefined) return { ...found, conditions, suspects };
  if (byHand) return { ...found, conditions, suspects, order };
  if (pausedUntil(sight) > now) return { ...found, conditions: [...conditions, ...kept] };
  if (recentRepairs(memory.server.repairs, now).length >= server.spec.healing.maxRepairsPerHour)
    return { ...found, conditions: [stopped(sight, now), ...conditions, ...kept], opensBreaker: true };
  return { ...found, conditions, suspects, order };
}

export const recentRepairs = (repairs: readonly Date[], now: Date): Date[] =>
  repairs.filter((at) => secondsAfter(at, 3600) > now);

/**
 * After repairs that did not help, from the end of the last one on: one grace period, then two, four … at most a quarter of an hour. One
 * by hand that failed is no repair that counts, and is followed by a pause all the same.
 */
export function pausedUntil({ server, memory, now }: Pick<Sight, 'server' | 'memory' | 'now'>): Date {
  const { repairs, fruitless, failure, failedAt = new Date(0), healedAt = new Date(0) } = memory.server;
  const begun = [...repairs, ...fruitless].sort((a, b) => a.getTime() - b.getTime());
  const vain = recentRepairs(begun, now).filter((at) => at > healedAt);
  if (failure.length === 0) return new Date(0);
  const ended = new Date(Math.max(vain.at(-1)?.getTime() ?? 0, failedAt.getTime()));
  return secondsAfter(ended, Math.min(longestPause, graceOf(server) * 2 ** Math.max(0, vain.length - 1)));
}

export const graceOf = ({ spec }: JumpServer): number => durationSeconds(spec.healing.gracePeriod);

function recoveredNodes({ server, nodes, now }: Sight): number[] {
  const forgotten = graceOf(server) * gracesUntilForgotten;
  return nodes
    .filter(({ voice, memory, probe }) => {
      const last = memory?.settledAt ?? memory?.sentAt;
      return voice.kind === 'well' && probe !== 'down' && last !== undefined && secondsAfter(last, forgotten) < now;
    })
    .map(({ record }) => record.number);
}

/** What would be done if nothing stood against doing it now. */
function plan(sight: Sight): Pick<Decision, 'order' | 'conditions' | 'suspects'> {
  const { nodes, drift, byHand } = sight;
  const conditions = stuckNodes(nodes);
  const suspects: number[] = [];
  const evidence = [...drift];
  const orders: NodeOrder[] = [];
  const left: LeftAlone[] = [];
  const blamed = databaseToBlame(sight);
  const innocent = blamed && objectionForDatabase(sight, blamed.since);
  const looksAtDatabase = blamed !== undefined && innocent === undefined;
  if (looksAtDatabase) evidence.push(`${blamed.says}: look at the database and the way to it`);
  if (innocent !== undefined && innocent !== 'patience')
    conditions.push({ type: innocent.type, message: `${blamed?.says}. ${innocent.message}` });
  const common = byHand ? undefined : commonCause(nodes);
  let disrupted = false;
  for (const node of nodes) {
    const row = diagnose(node);
    if (row === undefined || (blamed !== undefined && node.voice.kind === 'unwell')) continue;
    const repair = nextRepair(row, node.memory?.repair, hasHelped(sight, node));
    const why = `${node.name} ${row.says}${detailOf(node)}`;
    const against = objection(sight, node, row, repairFacts[repair].disrupts);
    if (against === 'patience') continue;
    if (row.finding === common?.finding) {
      if (!conditions.includes(common.condition)) conditions.push(common.condition);
      continue;
    }
    suspects.push(node.record.number);
    if (against !== undefined) {
      // Without the balancer's word it is only a guess.
      if (against !== heldBack.lastNode || isLookedAt(node)) left.push({ node, why, against });
      continue;
    }
    // One node at a time: the next sweep sees to the next.
    if (repairFacts[repair].disrupts && disrupted) continue;
    disrupted ||= repairFacts[repair].disrupts;
    orders.push({ number: node.record.number, finding: row.finding, repair });
    evidence.push(`${why}: ${repairFacts[repair].text}`);
  }
  const awaits = looksAtDatabase ? heardOf(nodes).map(({ record }) => record.number) : [];
  const order = { nodes: orders, awaits, everything: drift.length > 0 || byHand, evidence };
  conditions.push(...leftAlone(left));
  return { conditions, suspects, ...(evidence.length === 0 && !byHand ? {} : { order }) };
}

interface LeftAlone {
  node: NodeSight;
  why: string;
  against: Condition;
}

/** One condition for all that the same stands against: a row of the table holds 32,768 characters, and a hundred nodes may be silent. */
const leftAlone = (left: readonly LeftAlone[]): Condition[] =>
  [...Map.groupBy(left, ({ against }) => against)].map(([{ type, message }, [first, ...others]]) => {
    const likewise = others.length === 0 ? '' : `; likewise ${listNames(others.map(({ node }) => node))}`;
    return { type, message: `${first?.why}${likewise}. ${message}` };
  });

/** An operation that ends well has seen every node that it repaired well. */
const hasHelped = ({ memory: { server } }: Sight, { memory }: NodeSight): boolean =>
  memory?.settledAt !== undefined && server.healedAt !== undefined && server.healedAt > memory.settledAt;

function detailOf({ voice }: NodeSight): string {
  if (voice.kind === 'silent') return ` (last heard of at ${voice.since.toISOString()})`;
  return voice.kind === 'unwell' ? ` (${voice.detail})` : '';
}

type Objection = 'patience' | Condition;
type FindingRow = NonNullable<ReturnType<typeof diagnose>>;

/** What stands against repairing a node now. */
function objection(sight: Sight, node: NodeSight, row: FindingRow, disrupts: boolean): Objection | undefined {
  const { now, byHand } = sight;
  if (node.paused === true) return heldBack.paused;
  if (node.platform === true && disrupts) return heldBack.platform;
  const since = row.since?.(node);
  if (!byHand) {
    if (since !== undefined && !hasLasted(sight, since)) return 'patience';
    if (sight.quietUntil > now && (disrupts || row.doubtful === true)) return 'patience';
    if ((row.doubtful === true || missesDatabase(node)) && sight.fleetTroubled) return heldBack.fleet;
  }
  if (disrupts && isLastHope(sight.nodes, node)) return heldBack.lastNode;
  return undefined;
}

/** What stands against looking at the database now, which no node has reached since then. */
function objectionForDatabase(sight: Sight, since: Date): Objection | undefined {
  if (sight.byHand) return undefined;
  if (!hasLasted(sight, since) || sight.quietUntil > sight.now) return 'patience';
  return sight.fleetTroubled ? heldBack.fleet : undefined;
}

/** For a grace period; what was broken for all of them has just been mended: each gets its time to notice. */
function hasLasted({ server, memory, now }: Sight, since: Date): boolean {
  const counted = Math.max(since.getTime(), memory.server.healedAt?.getTime() ?? 0);
  return secondsAfter(new Date(counted), graceOf(server)) <= now;
}

/**
 * Does it alone serve users? Only the balancer can say that it does not: one that calls itself unwell may still have everybody's
 * sessions.
 */
const isLastHope = (nodes: readonly NodeSight[], node: NodeSight): boolean =>
  node.probe !== 'down' && !nodes.some((other) => other !== node && serves(other));

const serves = ({ voice, probe }: NodeSight): boolean => probe === 'up' || (probe !== 'down' && voice.kind === 'well');

const heldBack = {
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

const isLookedAt = ({ guestAgent, probe }: NodeSight): boolean => guestAgent !== undefined || probe !== undefined;

/** What only a closer look finds. */
const foundCloser: readonly Condition[] = [heldBack.paused, heldBack.platform, heldBack.lastNode];

/** What the last closer look said of suspects that get none while an operation runs or a pause is on. */
function keptConditions({ nodes, memory }: Sight, suspects: readonly number[]): Condition[] {
  const unseen = nodes.filter((node) => suspects.includes(node.record.number) && !isLookedAt(node));
  return memory.server.conditions.filter(
    ({ message }) =>
      foundCloser.some((one) => message.endsWith(one.message)) &&
      unseen.some(({ name }) => new RegExp(`\\b${name}\\b`).test(message)),
  );
}

export const stoppedCondition = 'HealingStopped';

const stopped = ({ server }: Sight, since: Date): Condition => ({
  type: stoppedCondition,
  message: `Healing stopped at ${since.toISOString()}: ${server.spec.healing.maxRepairsPerHour} repairs within an hour did not help for good. Look at the last heal operations, mend the cause, then POST /jump-servers/${server.name}/heal with {"resetBreaker": true}.`,
});
