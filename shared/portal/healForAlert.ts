import type { Deps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Route } from '../http.ts';
import { findHealing } from '../store/healing.ts';
import { listInventory } from '../store/inventory.ts';
import { type JumpServer, listJumpServers } from '../store/jumpServers.ts';
import { findLease } from '../store/leases.ts';
import { act, type Entrance, type Outcome, orRefusal } from './act.ts';
import { candidates, describeAlert, type Essentials, heedBrakes, isAbout, refuseStale } from './alert.ts';
import { onceOnly } from './onceOnly.ts';

/**
 * Heals the jump servers that an alert is about; none for one that has resolved. Throws ApiError 400 for an alert about nothing of ours
 * or of another time, 409 for one that has been here before, and whatever refused the heal of all of them.
 */
export async function healForAlert(
  deps: Deps,
  entrance: Entrance,
  heal: Route,
  essentials: Essentials,
): Promise<Outcome[]> {
  const servers = await ownersOf(deps, essentials);
  if (servers.length === 0) {
    const message = 'data.essentials.alertTargetIDs: none is a resource of a jump server. Nothing was started.';
    throw new ApiError(400, 'NotOurs', message, { target: 'data.essentials.alertTargetIDs' });
  }
  if (essentials.monitorCondition === 'Resolved') return [];
  refuseStale(essentials, deps.now());
  const { alertId, firedDateTime } = essentials;
  return onceOnly(deps, ['alert', alertId.toLowerCase(), firedDateTime], async () => {
    const outcomes: Outcome[] = [];
    const refusals: ApiError[] = [];
    for (const server of servers) {
      const outcome = await healOne(deps, entrance, heal, server, essentials).catch(orRefusal);
      if (outcome instanceof ApiError) refusals.push(outcome);
      else outcomes.push(outcome);
    }
    const [refusal] = refusals;
    if (outcomes.length === 0 && refusal !== undefined) throw refusal;
    return outcomes;
  });
}

async function ownersOf(deps: Deps, essentials: Essentials): Promise<JumpServer[]> {
  const { AZURE_SUBSCRIPTION_ID: subscriptionId, MOLCAJETE_RESOURCE_GROUP: controlResourceGroup } = deps.config;
  const near = candidates(essentials, await listJumpServers(deps.tables), { subscriptionId, controlResourceGroup });
  const owned = await Promise.all(near.map(({ name }) => listInventory(deps.tables, name)));
  return near.filter((_, index) => isAbout(essentials, owned[index] ?? []));
}

async function healOne(
  deps: Deps,
  entrance: Entrance,
  heal: Route,
  server: JumpServer,
  essentials: Essentials,
): Promise<Outcome> {
  const { name } = server;
  const [memory, lease] = await Promise.all([findHealing(deps.tables, name), findLease(deps.tables, name)]);
  heedBrakes(server, memory.server, lease, deps.now());
  const body = heal.definition.body?.parse({});
  return act(deps, entrance, heal, { jumpServer: name, body, because: describeAlert(essentials) });
}
