import { readArmError } from '../azure/armError.ts';
import { nodeName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { forEach, forEachAtOnce } from '../forEach.ts';
import type { StartOperation } from '../http.ts';
import {
  findHeartbeat,
  type HealingMemory,
  type Heartbeat,
  listHealing,
  never,
  nothingToHeal,
  putHeartbeat,
  rememberNode,
  rememberServer,
} from '../store/healing.ts';
import { type JumpServer, listJumpServers } from '../store/jumpServers.ts';
import { isActive, type Lease, listLeases } from '../store/leases.ts';
import { listAllNodes } from '../store/nodes.ts';
import { listReporters, listTroubledReports } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { carryOutDecision } from './carryOutDecision.ts';
import { missesDatabase } from './commonCause.ts';
import { decideHealing, type HealingDecision } from './decision.ts';
import type { NodeSight, Sight } from './findings.ts';
import { closeLostSessions } from './lostSessions.ts';
import { parseHealOrder } from './order.ts';
import { listMachines, lookCloser, machineId, sightOf, silentAfter, watchedNodes } from './sight.ts';

/** The sweep runs every minute; after a longer pause than this since one was at work the control plane was away. Seconds. */
const outageAfter = 150;
/** Seconds, at least. */
const beatsEvery = 30;
/** So long nothing is repaired after an outage. Seconds: an agent that could not report asks again after a minute at the latest. */
const quietFor = 90;
/** Jump servers that are looked at more closely in one sweep, so that it stays within ARM's budget; the next sees to the next. */
const mostLooks = 20;
/** Heals that nobody asked for and that run at once: each reads every resource of its jump server, out of the same ARM budget. */
export const mostHeals = 40;
/** Databases that are asked at once. */
const mostAsked = 20;
/** From so many troubled nodes and this share on, it is rather our own trouble than theirs; `others`: so many beside the worst jump server. */
const fleetTrouble = { nodes: 4, share: 0.3, others: 2 };

/**
 * Looks at every node of every jump server by a few table scans and one list of machines, and asks for a heal operation where
 * something is wrong.
 */
export async function sweepHealing(deps: Deps, start: StartOperation): Promise<void> {
  const beat = createBeat(deps);
  const { quietUntil } = await beat();
  const sights = await observeFleet(deps, quietUntil).catch((error: unknown) => sayBlind(deps, error));
  const works = [() => healFleet(deps, start, sights, beat), () => closeAllLost(deps, sights, beat)];
  await forEach(works, (work) => work());
}

async function healFleet(deps: Deps, start: StartOperation, sights: readonly Sight[], beat: Beat): Promise<void> {
  const looked = inTurn(sights);
  const leases = sights.flatMap(({ lease }) => lease ?? []);
  let room = roomForHeals(leases, deps.now());
  await forEach([...looked, ...sights.filter((sight) => !looked.has(sight))], async (sight) => {
    await rememberVoices(deps, sight);
    if (!looked.has(sight)) {
      const decision = decideHealing(sight);
      if (!isTroubled(decision)) await carryOutDecision(deps, start, sight, decision);
    } else if (await healInTurn(deps, start, sight, room > 0)) room -= 1;
    await beat();
  });
}

/** After everything else, for a database may not answer. */
function closeAllLost(deps: Deps, sights: readonly Sight[], beat: Beat): Promise<void> {
  const losing = sights.filter(({ memory }) => memory.server.losses.length > 0);
  const close = async ({ server }: Sight): Promise<void> => {
    await closeLostSessions(deps, server);
    await beat();
  };
  return forEachAtOnce(losing, close, mostAsked);
}

const isTroubled = ({ suspects, order }: HealingDecision): boolean => suspects.length > 0 || order !== undefined;

/** Those that are seen to this time: whoever has waited longest, in that order, so that nobody waits for ever. Pure. */
export function inTurn(sights: readonly Sight[]): Set<Sight> {
  const troubled = sights.filter((sight) => isTroubled(decideHealing(sight)));
  return new Set(troubled.sort((a, b) => lookedAt(a).getTime() - lookedAt(b).getTime()).slice(0, mostLooks));
}

const lookedAt = ({ memory }: Sight): Date => memory.server.lookedAt ?? never;

/** How many more heals may begin that nobody asked for. Pure. */
export function roomForHeals(leases: readonly Lease[], now: Date): number {
  const counted = ({ kind, spec }: Lease) => kind === 'heal' && parseHealOrder(spec).countedAt !== undefined;
  return mostHeals - leases.filter((lease) => isActive(lease, now) && counted(lease)).length;
}

/** Returns whether a heal was asked for. Without room for it the jump server keeps its place among those that wait. */
async function healInTurn(deps: Deps, start: StartOperation, sight: Sight, hasRoom: boolean): Promise<boolean> {
  const { name } = sight.server;
  // First, so that one that cannot be looked at keeps none from its turn.
  await rememberServer(deps.tables, name, { lookedAt: sight.now });
  const { order, ...said } = await judge(deps, sight);
  const asks = order !== undefined && hasRoom;
  if (order !== undefined && !hasRoom) await rememberServer(deps.tables, name, { lookedAt: lookedAt(sight) });
  await carryOutDecision(deps, start, sight, asks ? { ...said, order } : said);
  return asks;
}

/** Decides, after a closer look at the nodes with which something is wrong. */
export async function judge(deps: Deps, sight: Sight): Promise<HealingDecision> {
  const decision = decideHealing(sight);
  if (decision.suspects.length === 0) return decision;
  const nodes = await lookCloser(deps, sight.server, sight.nodes, decision.suspects);
  return decideHealing({ ...sight, nodes });
}

/** Every jump server that healing watches, as the store and one list of machines show it. */
export async function observeFleet(deps: Deps, quietUntil: Date): Promise<Sight[]> {
  const servers = await listWatched(deps);
  return servers.length === 0 ? [] : observe(deps, servers, quietUntil);
}

const listWatched = async (deps: Deps): Promise<JumpServer[]> =>
  (await listJumpServers(deps.tables)).filter(({ state, spec }) => state === 'Ready' && spec.healing.enabled);

/** Without its right to list machines the control plane is blind, and whoever looks at a jump server must see that. Throws the error. */
async function sayBlind(deps: Deps, error: unknown): Promise<never> {
  const { kind, failure } = readArmError(error);
  if (kind === 'hopeless') {
    const message = `Nodes are not looked at, for their virtual machines cannot be listed (${failure.code}). ${failure.advice}`;
    const conditions = [{ type: failure.code, message }];
    for (const { name } of await listWatched(deps)) await rememberServer(deps.tables, name, { conditions });
  }
  throw error;
}

type Beat = () => Promise<Heartbeat>;

/**
 * Notes that the sweep is at work, again and again: one that takes long has not been away, and one that was held up (by storage that
 * nodes could not report to, either) has.
 */
function createBeat(deps: Deps): Beat {
  let last: Heartbeat | undefined;
  return async () => {
    if (last !== undefined && secondsAfter(last.at, beatsEvery) > deps.now()) return last;
    last = nextBeat(last ?? (await findHeartbeat(deps.tables)), deps.now());
    await putHeartbeat(deps.tables, last);
    return last;
  };
}

/** A sweep that has never run before has nothing to have missed. Pure. */
export function nextBeat(last: Heartbeat | undefined, now: Date): Heartbeat {
  const wasAway = last !== undefined && secondsAfter(last.at, outageAfter) < now;
  return { at: now, quietUntil: wasAway ? secondsAfter(now, quietFor) : (last?.quietUntil ?? never) };
}

async function observe(deps: Deps, servers: readonly JumpServer[], quietUntil: Date): Promise<Sight[]> {
  const now = deps.now();
  const [leases, recorded, memories, machines, troubled, reporters] = await Promise.all([
    listLeases(deps.tables),
    listAllNodes(deps.tables),
    listHealing(deps.tables),
    listMachines(deps),
    listTroubledReports(deps.tables, secondsAfter(now, -silentAfter(deps))),
    listReporters(deps.tables),
  ]);
  const held = new Map(leases.map((lease) => [lease.jumpServer, lease]));
  const seen = servers.map((server) => {
    const memory = memories.get(server.name) ?? nothingToHeal;
    const reports = troubled.get(server.name) ?? [];
    const nodes = watchedNodes(server, recorded.get(server.name) ?? [], now).map((record): NodeSight => {
      const machine = machines.get(machineId(deps, server, record.number).toLowerCase());
      // Its report is none of the troubled ones: either all is well in it, or there has never been one.
      const unheard = reporters.get(server.name)?.has(nodeName(server.name, record.number)) ? 'well' : 'silent';
      return sightOf(deps, server, record, { machine, reports, unheard, memory });
    });
    return { server, nodes, memory };
  });
  const fleetTroubled = isFleetTroubled(seen.map(({ nodes }) => nodes));
  return seen.map((one) => ({
    ...one,
    drift: [],
    lease: held.get(one.server.name),
    quietUntil,
    fleetTroubled,
    byHand: false,
    now,
  }));
}

/**
 * Machines that are gone or off are silent for a good reason, and all nodes of one jump server may be in trouble for a reason of its own:
 * they share a network and a database. So it must hold without the worst one, too. Pure.
 */
export function isFleetTroubled(fleets: readonly (readonly NodeSight[])[]): boolean {
  const counts = fleets.map((nodes) => {
    const running = nodes.filter(({ machine }) => machine?.power === 'running');
    const troubled = running.filter((node) => node.voice.kind === 'silent' || missesDatabase(node));
    return { running: running.length, troubled: troubled.length };
  });
  const [, ...others] = counts.sort((a, b) => b.troubled - a.troubled);
  const isMany = (some: typeof counts, least: number) => {
    const sum = (name: 'running' | 'troubled') => some.reduce((total, count) => total + count[name], 0);
    return sum('troubled') >= least && sum('troubled') >= sum('running') * fleetTrouble.share;
  };
  return isMany(counts, fleetTrouble.nodes) && isMany(others, fleetTrouble.others);
}

/** Since when a node has been unwell, for reports only say that it is; and when it was silent for its machine did not run. */
async function rememberVoices(
  deps: Deps,
  { server, nodes, memory, now }: Pick<Sight, 'server' | 'nodes' | 'now'> & { memory: HealingMemory },
): Promise<void> {
  for (const { record, voice, machine } of nodes) {
    const known = memory.nodes.find(({ number }) => number === record.number)?.unwellSince;
    const unwell = voice.kind === 'unwell';
    const change = {
      ...(unwell === (known !== undefined) ? {} : { unwellSince: unwell ? now : never }),
      ...(voice.kind === 'silent' && machine?.power !== 'running' ? { notRunningAt: now } : {}),
    };
    if (Object.keys(change).length > 0)
      await rememberNode(deps.tables, server.name, { number: record.number, ...change });
  }
}
