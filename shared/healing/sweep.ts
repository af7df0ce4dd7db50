import type { Deps } from '../deps.ts';
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
} from '../store/healing.ts';
import { type JumpServer, listJumpServers } from '../store/jumpServers.ts';
import { listLeases } from '../store/leases.ts';
import { listAllNodes } from '../store/nodes.ts';
import { listTroubledReports } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { carryOutDecision } from './carryOutDecision.ts';
import { decide, type Sight } from './decision.ts';
import type { NodeSight } from './findings.ts';
import { closeLostSessions } from './lostSessions.ts';
import { listMachines, lookCloser, machineId, sightOf, silentAfter, watchedNodes } from './sight.ts';

/** The sweep runs every minute; after a longer pause than this the control plane was away. Seconds. */
const outageAfter = 150;
/** So long nothing is repaired after an outage. Seconds: an agent that could not report asks again after a minute at the latest. */
const quietFor = 90;
/** Jump servers that are looked at more closely in one sweep, so that it stays within ARM's budget; the next sees to the next. */
const mostLooks = 20;
/** From this share of silent nodes on, and this many, it is rather our own trouble than theirs. */
const fleetTrouble = { share: 0.3, nodes: 4 };

/**
 * Looks at every node of every jump server by a few table scans and one list of machines, and asks for a heal operation where
 * something is wrong.
 */
export async function sweepHealing(deps: Deps, start: StartOperation): Promise<void> {
  const quietUntil = await beat(deps);
  const servers = (await listJumpServers(deps.tables)).filter(
    ({ state, spec }) => state === 'Ready' && spec.healing.enabled,
  );
  if (servers.length === 0) return;
  const sights = await observe(deps, servers, quietUntil);
  let looks = 0;
  await forEach(sights, async (sight) => {
    await rememberVoices(deps, sight);
    let decision = decide(sight);
    if (decision.suspects.length > 0) {
      if (looks++ >= mostLooks) return;
      const nodes = await lookCloser(deps, sight.server, sight.nodes, decision.suspects);
      decision = decide({ ...sight, nodes });
    }
    await carryOutDecision(deps, start, sight, decision);
    if (sight.memory.server.losses.length > 0) await closeLostSessions(deps, sight.server, sight.memory.server.losses);
  });
}

/** One after the other. What fails for one must not keep the others waiting: all failures are thrown at the end. */
export async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  for (const item of items) await work(item).catch((error: unknown) => errors.push(error));
  if (errors.length > 0)
    throw new AggregateError(errors, `${errors.length} of ${items.length} could not be looked at.`);
}

/** Notes that the sweep runs; returns until when it only watches. */
async function beat(deps: Deps): Promise<Date> {
  const next = nextBeat(await findHeartbeat(deps.tables), deps.now());
  await putHeartbeat(deps.tables, next);
  return next.quietUntil;
}

/** A sweep that has never run before has nothing to have missed. Pure. */
export function nextBeat(last: Heartbeat | undefined, now: Date): Heartbeat {
  const wasAway = last !== undefined && secondsAfter(last.at, outageAfter) < now;
  return { at: now, quietUntil: wasAway ? secondsAfter(now, quietFor) : (last?.quietUntil ?? never) };
}

async function observe(deps: Deps, servers: readonly JumpServer[], quietUntil: Date): Promise<Sight[]> {
  const now = deps.now();
  const [leases, recorded, memories, machines, troubled] = await Promise.all([
    listLeases(deps.tables),
    listAllNodes(deps.tables),
    listHealing(deps.tables),
    listMachines(deps),
    listTroubledReports(deps.tables, secondsAfter(now, -silentAfter(deps))),
  ]);
  const held = new Map(leases.map((lease) => [lease.jumpServer, lease]));
  const seen = servers.map((server) => {
    const memory = memories.get(server.name) ?? nothingToHeal;
    const reports = troubled.get(server.name) ?? [];
    const nodes = watchedNodes(server, recorded.get(server.name) ?? [], now).map((record): NodeSight => {
      const machine = machines.get(machineId(deps, server, record.number).toLowerCase());
      return sightOf(deps, server, record, { machine, reports, unheard: 'well', memory });
    });
    return { server, nodes, memory };
  });
  const fleetSilent = isFleetSilent(seen.map(({ nodes }) => nodes));
  return seen.map((one) => ({
    ...one,
    drift: [],
    lease: held.get(one.server.name),
    quietUntil,
    fleetSilent,
    byHand: false,
    now,
  }));
}

/** Machines that are gone or off are silent for a good reason. */
export function isFleetSilent(fleets: readonly (readonly NodeSight[])[]): boolean {
  const nodes = fleets.flat().filter(({ machine }) => machine?.power === 'running');
  const silent = nodes.filter(({ voice }) => voice.kind === 'silent').length;
  return fleets.length > 1 && silent >= fleetTrouble.nodes && silent >= nodes.length * fleetTrouble.share;
}

/** Since when a node has been unwell: reports only say that it is. */
async function rememberVoices(
  deps: Deps,
  { server, nodes, memory, now }: Pick<Sight, 'server' | 'nodes' | 'now'> & { memory: HealingMemory },
): Promise<void> {
  for (const { record, voice } of nodes) {
    const known = memory.nodes.find(({ number }) => number === record.number)?.unwellSince;
    const unwell = voice.kind === 'unwell';
    if (unwell === (known !== undefined)) continue;
    await rememberNode(deps.tables, server.name, { number: record.number, unwellSince: unwell ? now : never });
  }
}
