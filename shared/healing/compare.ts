import { RestError } from '@azure/core-rest-pipeline';
import type { AzureClients } from '../azure/clients.ts';
import type { Outputs, Resource } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import { environmentOf } from '../environment.ts';
import { forEach } from '../forEach.ts';
import { isLost } from '../guacamole/databaseErrors.ts';
import type { StartOperation } from '../http.ts';
import { askDatabase } from '../mysqlSession.ts';
import { fleetOf } from '../scaling/fleet.ts';
import { isPutUnfinished } from '../setback.ts';
import type { JumpServerSpec } from '../spec.ts';
import { renewBefore } from '../steps/certificate.ts';
import {
  type Condition,
  type HealingMemory,
  listHealing,
  never,
  nothingToHeal,
  rememberNode,
  rememberServer,
} from '../store/healing.ts';
import { listOutputs } from '../store/inventory.ts';
import { type JumpServer, listJumpServers } from '../store/jumpServers.ts';
import { findLease, isActive, listLeases } from '../store/leases.ts';
import { listNodes, type NodeRecord } from '../store/nodes.ts';
import { listReports } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { topology } from '../topology.ts';
import { carryOutDecision } from './carryOutDecision.ts';
import { isUnreachable, nodeLogins, outOfReach } from './databaseSteps.ts';
import { decideHealing, graceOf } from './decision.ts';
import { missingRecords } from './dnsRecords.ts';
import type { NodeSight } from './findings.ts';
import { stoppedCondition } from './leftAlone.ts';
import { ifReadable } from './readable.ts';
import { awakeNodes, lookCloser, probeOf, probesIfTold, sightOf, watchedNodes } from './sight.ts';
import { mostHeals, roomForHeals } from './sweep.ts';

/** Jump servers whose every resource is looked at in one minute: some 25 reads each, of the 1,500 a minute that ARM refills. */
const aMinute = 5;

/** What differs must not take the places of nodes that do not work: so many are the sweep's. */
const forTheSweep = mostHeals / 2;

/** The slower round: compares the jump servers whose turn it is, resource by resource, with their specs. */
export async function compareResources(deps: Deps, start: StartOperation): Promise<void> {
  const servers = await listJumpServers(deps.tables);
  const [memories, leases] = await Promise.all([listHealing(deps.tables), listLeases(deps.tables)]);
  const compared = ({ name }: JumpServer) => memories.get(name)?.server.comparedAt?.getTime() ?? 0;
  let room = roomForHeals(leases, deps.now());
  const due = servers
    .filter(({ state, spec }) => state === 'Ready' && spec.healing.enabled)
    .sort((a, b) => compared(a) - compared(b))
    .slice(0, aMinute);
  await forEach(due, async (server) => {
    if (await compareOne(deps, start, server, memories.get(server.name) ?? nothingToHeal, room)) room -= 1;
  });
}

/** Returns whether a heal was asked for. What finds no room is found again when its turn comes. */
async function compareOne(
  deps: Deps,
  start: StartOperation,
  server: JumpServer,
  memory: HealingMemory,
  room: number,
): Promise<boolean> {
  const now = deps.now();
  await rememberServer(deps.tables, server.name, { comparedAt: now });
  const lease = await findLease(deps.tables, server.name);
  if (lease !== undefined && isActive(lease, now) && !lease.yields) return false;
  const { drift, noticed } = leftToThePut(server, await findDrift(deps, server));
  const nodes = drift.length > 0 ? [] : await probedNodes(deps, server, memory);
  // Nodes that do not work are the business of the sweep; here they only count as not well.
  const sight = { server, nodes, drift, memory, lease, quietUntil: never, fleetTroubled: false, byHand: false, now };
  const { suspects } = decideHealing(sight);
  const closer = suspects.length === 0 ? nodes : await lookCloser(deps, server, nodes, suspects);
  const decision = decideHealing({ ...sight, nodes: closer });
  const said = [...noticed, ...decision.conditions];
  await rememberNoticed(deps, server, memory, said);
  // What the last heal failed at has come right without it: a MySQL server that took longer, a node that a person restarted.
  const whole = drift.length === 0 && said.length === 0 && nodes.length > 0 && nodes.every(isWell);
  if (whole && memory.server.failure.length > 0) await rememberServer(deps.tables, server.name, { failure: [] });
  if (decision.order !== undefined && room <= (drift.length > 0 ? forTheSweep : 0)) return false;
  // What is seen each minute the sweep says; that healing stops here is said at once.
  const conditions = decision.opensBreaker ? decision.conditions.filter(isStopped) : memory.server.conditions;
  await carryOutDecision(deps, start, sight, { ...decision, conditions, recovered: [] });
  return decision.order !== undefined;
}

const isWell = ({ voice, probe }: NodeSight): boolean => voice.kind === 'well' && probe !== 'down';

const isStopped = ({ type }: Condition): boolean => type === stoppedCondition;

/** What the sweep does not see by itself; that healing has stopped it says, too. */
async function rememberNoticed(
  deps: Deps,
  { name }: JumpServer,
  { server: memory }: HealingMemory,
  found: readonly Condition[],
): Promise<void> {
  const noticed = found.filter((condition) => !isStopped(condition));
  if (JSON.stringify(noticed) !== JSON.stringify(memory.noticed)) await rememberServer(deps.tables, name, { noticed });
}

/** What a comparison finds. */
export interface Comparison {
  /** What differs from the spec, a sentence each. */
  drift: string[];
  /** What is none of the jump server's own faults, for a person. */
  noticed: Condition[];
}

/**
 * What a PUT failed at a heal would fail at, too, again and again, until the pauses and the breaker kept nodes from being repaired. So after
 * such a PUT what differs is only said. Pure.
 */
function leftToThePut(server: JumpServer, found: Comparison): Comparison {
  if (!isPutUnfinished(server) || found.drift.length === 0) return found;
  const message = `${found.drift.join('. ')}. Healing leaves that alone, for the last PUT did not come to its end. Send an equal PUT, which carries on; or heal by hand.`;
  return { drift: [], noticed: [{ type: 'DriftLeftAlone', message }, ...found.noticed] };
}

/** Reads only. */
export async function findDrift(deps: Deps, server: JumpServer): Promise<Comparison> {
  const { name, spec } = server;
  const [outputs, recorded] = await Promise.all([listOutputs(deps.tables, name), listNodes(deps.tables, name)]);
  const fleet = fleetOf(spec, recorded, server.createdAt);
  const numbers = awakeNodes(fleet, spec, deps.now()).map(({ number }) => number);
  const resources = topology(name, spec, environmentOf(deps, name), numbers);
  const drift = await Promise.all(resources.map((one) => differenceOf(deps.azure, one, outputs)));
  const [records, database] = await Promise.all([missingRecords(deps, name, spec), databaseTrouble(deps, name, fleet)]);
  const own = [...drift.flat(), ...records, ...oldCertificate(spec, outputs.certificate?.notAfter, deps.now())];
  // What is in the way of a connection comes first: once it is mended the connection is looked at again.
  return { drift: [...own, ...database.drift], noticed: own.length > 0 ? [] : database.noticed };
}

const differenceOf = (azure: AzureClients, one: Resource, outputs: Outputs): Promise<string[]> =>
  ifReadable(one.key, async () => {
    const { observed, change, output } = await one.look(azure, outputs);
    if (one.key === 'mysqlServer' && output.state === 'Stopped') return ['The MySQL server is stopped'];
    if (change === undefined || observed === 'pending') return [];
    return [change.kind === 'create' ? `${one.key} is gone` : `${one.key} differs from what the spec says`];
  });

/**
 * Schema and accounts show only when they are used. Only what MySQL itself answers is drift: our own vault or tables may fail too, and a
 * connection that does not come about is our own trouble where nodes log in, and the sweep's business where they do not.
 */
export async function databaseTrouble(
  deps: Deps,
  jumpServer: string,
  fleet: readonly NodeRecord[],
): Promise<Comparison> {
  try {
    await askDatabase(deps, jumpServer, (db) => db.selectFrom('guacamole_user').select('user_id').limit(1).execute());
    return { drift: [], noticed: [] };
  } catch (error) {
    if (error instanceof RestError || !(error instanceof Error && 'code' in error)) return { drift: [], noticed: [] };
    const code = String(error.code);
    if (/^ER_/.test(code) && !isLost(error) && !isBusy(error))
      return { drift: [`The control plane cannot use the database (${code})`], noticed: [] };
    if (!isUnreachable(code) || (await nodeLogins(deps, jumpServer, fleet)).works === 0)
      return { drift: [], noticed: [] };
    const message = `${outOfReach.message(code)} ${outOfReach.advice}`;
    return { drift: [], noticed: [{ type: outOfReach.type, message }] };
  }
}

/** The server has no connection to spare just now. */
const isBusy = (error: Error & { code?: unknown }): boolean =>
  error.code === 'ER_CON_COUNT_ERROR' || error.code === 'ER_TOO_MANY_USER_CONNECTIONS';

/** One that was brought is renewed where it comes from. Pure. */
export const oldCertificate = ({ ingress }: JumpServerSpec, notAfter: string | undefined, now: Date): string[] =>
  ingress.certificate !== undefined || notAfter === undefined || new Date(notAfter) > secondsAfter(now, renewBefore)
    ? []
    : [`The certificate ends on ${notAfter}`];

/** Until when a probe that fails is surely looked at for the second time. Seconds. */
const secondLook = (server: JumpServer): number => graceOf(server) + 120;

/** Nothing follows from what it says, or that it says nothing. */
const leftToTheSweep = (node: NodeSight, now: Date): NodeSight => ({
  ...node,
  machine: { power: 'changing', failed: false },
  voice: { kind: 'silent', since: now },
});

/** Nodes that say that they are well, with what the balancer says of them; the others cannot be judged here. */
async function probedNodes(deps: Deps, server: JumpServer, memory: HealingMemory): Promise<NodeSight[]> {
  const [recorded, reports, probes] = await Promise.all([
    listNodes(deps.tables, server.name),
    listReports(deps.tables, server.name),
    probesIfTold(deps, server),
  ]);
  const sights = watchedNodes(server, recorded, deps.now()).map((record) => {
    const machine = { power: 'running', failed: false } as const;
    const seen = sightOf(deps, server, record, { machine, reports, unheard: 'silent', memory });
    const judged = seen.voice.kind === 'well' ? seen : leftToTheSweep(seen, deps.now());
    return probes === undefined ? judged : { ...judged, ...probeOf(probes, judged) };
  });
  for (const { record, probe, voice, probeDownSince } of sights) {
    const down = voice.kind === 'well' && probe === 'down';
    // Only two rounds a grace period apart count: until then its turn comes again at once. Not for ever, for others wait for theirs.
    if (down && secondsAfter(probeDownSince ?? deps.now(), secondLook(server)) > deps.now())
      await rememberServer(deps.tables, server.name, { comparedAt: never });
    if (down !== (probeDownSince !== undefined))
      await rememberNode(deps.tables, server.name, {
        number: record.number,
        probeDownSince: down ? deps.now() : never,
      });
  }
  return sights;
}
