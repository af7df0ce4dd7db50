import { durationSeconds } from '../duration.ts';
import type { Condition } from '../store/healing.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import { isActive } from '../store/leases.ts';
import { secondsAfter } from '../time.ts';
import {
  changingNodes,
  commonCause,
  databaseToBlame,
  heardOf,
  machineChanging,
  missesDatabase,
  stuckNodes,
} from './commonCause.ts';
import { diagnose, type NodeSight, nextRepair, type Sight } from './findings.ts';
import { heldBack, isLookedAt, keptConditions, type LeftAlone, leftAlone, stopped } from './leftAlone.ts';
import type { HealOrder, NodeOrder } from './order.ts';
import { repairFacts } from './repairs.ts';

export interface HealingDecision {
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
export function decideHealing(sight: Sight): HealingDecision {
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
  const changing = changingNodes(sight.nodes, now);
  // What changes just now the operation itself may be changing; what has been said before it began still holds.
  const before = memory.server.conditions.some(({ type }) => type === machineChanging) ? changing : [];
  if (busy) return { ...found, conditions: [...seen, ...kept, ...before] };
  const conditions = sight.quietUntil > now ? [...seen, ...before] : [...seen, ...changing];
  if (order === undefined) return { ...found, conditions, suspects };
  if (byHand) return { ...found, conditions, suspects, order };
  if (pausedUntil(sight) > now) return { ...found, conditions: [...conditions, ...kept] };
  if (recentRepairs(memory.server.repairs, now).length >= server.spec.healing.maxRepairsPerHour)
    return { ...found, conditions: [stopped(sight, now), ...conditions, ...kept], opensBreaker: true };
  return { ...found, conditions, suspects, order };
}

/** Those of the last hour, which the breaker counts. */
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

/** Seconds. */
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
function plan(sight: Sight): Pick<HealingDecision, 'order' | 'conditions' | 'suspects'> {
  const { nodes, drift, byHand } = sight;
  const suspects: number[] = [];
  const orders: NodeOrder[] = [];
  const left: LeftAlone[] = [];
  const database = planForDatabase(sight);
  const evidence = [...drift, ...(database?.evidence ?? [])];
  const conditions = [...stuckNodes(nodes), ...(database?.conditions ?? [])];
  const common = byHand ? undefined : commonCause(nodes);
  let disrupted = false;
  for (const node of nodes) {
    const row = diagnose(node);
    if (row === undefined || (database !== undefined && node.voice.kind === 'unwell')) continue;
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
  const order = { nodes: orders, awaits: database?.awaits ?? [], everything: drift.length > 0 || byHand, evidence };
  conditions.push(...leftAlone(left));
  return { conditions, suspects, ...(evidence.length === 0 && !byHand ? {} : { order }) };
}

/** What is to be done about a database that no node reaches: undefined where some do. */
function planForDatabase(
  sight: Sight,
): (Pick<HealOrder, 'awaits' | 'evidence'> & { conditions: Condition[] }) | undefined {
  const blamed = databaseToBlame(sight);
  if (blamed === undefined) return undefined;
  const nothing = { awaits: [], evidence: [], conditions: [] };
  const against = objectionForDatabase(sight, blamed.since);
  if (against === 'patience') return nothing;
  if (against !== undefined)
    return { ...nothing, conditions: [{ type: against.type, message: `${blamed.says}. ${against.message}` }] };
  const awaits = heardOf(sight.nodes).map(({ record }) => record.number);
  return { ...nothing, awaits, evidence: [`${blamed.says}: look at the database and the way to it`] };
}

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
