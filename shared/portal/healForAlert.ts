import { forCaller } from '../azure/forCaller.ts';
import type { Deps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { reasonOf, requestCounted } from '../healing/carryOutDecision.ts';
import { pausedUntil } from '../healing/decision.ts';
import type { Sight } from '../healing/findings.ts';
import { judge, nextBeat, observeFleet, roomForHeals } from '../healing/sweep.ts';
import type { Route } from '../http.ts';
import { acceptedAnswer, notReady, readyJumpServer } from '../jumpServerAnswers.ts';
import { askedBecause, hasEnded, inProgress, requestOperation } from '../operations.ts';
import { isPutUnfinished } from '../setback.ts';
import { findHealing, findHeartbeat, never } from '../store/healing.ts';
import { listInventory } from '../store/inventory.ts';
import { type JumpServer, listJumpServers } from '../store/jumpServers.ts';
import { findLease, type Lease, listLeases } from '../store/leases.ts';
import { secondsAfter } from '../time.ts';
import { act, type Entrance, type Outcome, orRefusal } from './act.ts';
import { candidates, describeAlert, type Essentials, heedBrakes, isAbout, refuseStale } from './alert.ts';
import { onceOnly } from './onceOnly.ts';

/** Alerts come in bursts, and each look takes from what the sweep may read. Seconds. */
const lookServesFor = 20;

/** A look at the fleet that serves all who ask for it within twenty seconds; one that fails serves only those who wait for it already. */
export function sharedLook(deps: Deps): () => Promise<Sight[]> {
  let last: { at: Date; sights: Promise<Sight[]> } | undefined;
  return () => {
    if (last !== undefined && secondsAfter(last.at, lookServesFor) > deps.now()) return last.sights;
    const look = { at: deps.now(), sights: observeFleet(deps, never) };
    look.sights.catch(() => {
      if (last === look) last = undefined;
    });
    last = look;
    return look.sights;
  };
}

/**
 * Heals the jump servers that an alert is about; none for one that has resolved. Throws ApiError 400 for an alert about nothing of ours,
 * and whatever refused the heal of all of them: 400 for one of another time, 409 for one that has been here before; and 503 `HealingBusy` with
 * `Retry-After` in seconds while many heals run. What was refused is in the jump server's audit, too.
 * @param look at the fleet (`sharedLook`)
 */
export async function healForAlert(
  deps: Deps,
  entrance: Entrance,
  heal: Route,
  look: () => Promise<Sight[]>,
  essentials: Essentials,
): Promise<Outcome[]> {
  const servers = await ownersOf(deps, essentials);
  if (servers.length === 0) {
    const message = 'data.essentials.alertTargetIDs: none is a resource of a jump server. Nothing was started.';
    throw new ApiError(400, 'NotOurs', message, { target: 'data.essentials.alertTargetIDs' });
  }
  if (essentials.monitorCondition === 'Resolved') return [];
  const outcomes: Outcome[] = [];
  const refusals: ApiError[] = [];
  for (const { name } of servers) {
    const route = { ...heal, handle: healAsSwept(deps, look, essentials) };
    const wish = { jumpServer: name, body: {}, because: describeAlert(essentials) };
    const outcome = await act(deps, entrance, route, wish).catch(orRefusal);
    if (outcome instanceof ApiError) refusals.push(outcome);
    else outcomes.push(outcome);
  }
  const [refusal] = refusals;
  if (outcomes.length === 0 && refusal !== undefined) throw refusal;
  return outcomes;
}

async function ownersOf(deps: Deps, essentials: Essentials): Promise<JumpServer[]> {
  const { AZURE_SUBSCRIPTION_ID: subscriptionId, MOLCAJETE_RESOURCE_GROUP: controlResourceGroup } = deps.config;
  const near = candidates(essentials, await listJumpServers(deps.tables), { subscriptionId, controlResourceGroup });
  const owned = await Promise.all(near.map(({ name }) => listInventory(deps.tables, name)));
  return near.filter((_, index) => isAbout(essentials, owned[index] ?? []));
}

/**
 * An alert is one more thing that is seen: what is done about it is decided as in the sweep, with all its brakes, and counted. Whatever
 * else is found, the resources are looked at.
 */
const healAsSwept =
  (deps: Deps, look: () => Promise<Sight[]>, essentials: Essentials): Route['handle'] =>
  async ({ params, caller, because = '', startOperation }) => {
    refuseStale(essentials, deps.now());
    const { alertId, firedDateTime } = essentials;
    const server = await readyJumpServer(deps, (params as { name: string }).name, 'be healed');
    const { name } = server;
    return onceOnly(deps, ['alert', alertId.toLowerCase(), firedDateTime, name], async () => {
      const lease = await findLease(deps.tables, name);
      const sight = await sightOfOne(deps, look, server, lease);
      // What the last PUT failed at a look at everything would fail at, too.
      const nodesAlone = isPutUnfinished(server);
      const { order } = await judge(deps, { ...sight, drift: nodesAlone ? [] : [because] });
      if (order === undefined && nodesAlone) throw leftToThePut(name);
      // The brakes let it pass: what is left is an operation that runs.
      if (order === undefined && lease !== undefined) throw inProgress(deps, lease);
      if (order === undefined) throw new Error(`Nothing was decided about the alert for '${name}'.`);
      const reason = askedBecause(`${caller.name} asked for it`, reasonOf(order));
      const granted = await requestCounted(deps, name, { ...order, alert: true }, sight.now, (asked) =>
        requestOperation(deps, startOperation, { jumpServer: name, kind: 'heal', order: asked, reason, caller }),
      );
      return acceptedAnswer(deps, name, granted.operationId);
    });
  };

/** As the sweep sees it just now. Throws ApiError 409 when a brake is on, 503 when too many heals run. */
async function sightOfOne(
  deps: Deps,
  look: () => Promise<Sight[]>,
  server: JumpServer,
  lease: Lease | undefined,
): Promise<Sight> {
  const [heartbeat, memory, leases] = await Promise.all([
    findHeartbeat(deps.tables),
    findHealing(deps.tables, server.name),
    listLeases(deps.tables),
  ]);
  const now = deps.now();
  heedBrakes(server, memory.server, lease, now);
  if (roomForHeals(leases, now) <= 0) throw busy(server.name);
  const sights = await look().catch((error: unknown) => {
    throw forCaller(error, 'the virtual machines');
  });
  const seen = sights.find((one) => one.server.name === server.name);
  if (seen === undefined) throw notReady(server, 'be healed');
  const sight = { ...seen, memory, quietUntil: nextBeat(heartbeat, now).quietUntil, now };
  const paused = pausedUntil(sight);
  if (paused > sight.now) throw afterPause(server.name, paused);
  const held = lease === undefined || (await hasEnded(deps, lease)) ? undefined : lease;
  return { ...sight, lease: held };
}

const leftToThePut = (name: string): ApiError => {
  const message = `The last PUT of '${name}' did not come to its end, and no node of it needs a repair. Send an equal PUT, which carries on. Nothing was started.`;
  return new ApiError(409, 'DriftLeftAlone', message, { target: name });
};

const busy = (name: string): ApiError => {
  const message = `Many jump servers are being healed just now, and '${name}' waits for its turn: healing looks at it by itself. Nothing was started.`;
  return new ApiError(503, 'HealingBusy', message, { target: name, headers: { 'Retry-After': '60' } });
};

const afterPause = (name: string, until: Date): ApiError => {
  const message = `The last heal of '${name}' did not help; the next may begin at ${until.toISOString()}. Nothing was started.`;
  return new ApiError(409, 'HealingPaused', message, { target: name });
};
