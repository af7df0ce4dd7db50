import { forCaller } from '../azure/forCaller.ts';
import type { Deps } from '../deps.ts';
import { findHealing, forgetNode, never, rememberServer } from '../store/healing.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import { findLease, isActive } from '../store/leases.ts';
import { listNodes } from '../store/nodes.ts';
import { listReports } from '../store/reports.ts';
import { decideHealing } from './decision.ts';
import type { Machine } from './findings.ts';
import type { HealOrder } from './order.ts';
import { lookCloser, sightOf, watchedNodes } from './sight.ts';

/**
 * What a person's wish to heal comes to: everything is looked at now, and what is only patience does not count. Throws ApiError 502
 * `AzureRefuses` or 503 `AzureUnavailable` when Azure does not show the nodes.
 */
export async function orderByHand(deps: Deps, server: JumpServer): Promise<HealOrder> {
  const [recorded, reports, memory] = await Promise.all([
    listNodes(deps.tables, server.name),
    listReports(deps.tables, server.name),
    findHealing(deps.tables, server.name),
  ]);
  const now = deps.now();
  const unknown: Machine = { power: 'changing', failed: false };
  const seen = watchedNodes(server, recorded, now).map((record) =>
    sightOf(deps, server, record, { machine: unknown, reports, unheard: 'silent', memory }),
  );
  const nodes = await lookCloser(
    deps,
    server,
    seen,
    seen.map(({ record }) => record.number),
  ).catch((error: unknown) => {
    throw forCaller(error, 'its virtual machines');
  });
  const sight = { server, nodes, drift: [], memory, lease: undefined, quietUntil: never, fleetTroubled: false, now };
  const { order } = decideHealing({ ...sight, byHand: true });
  return order ?? { nodes: [], awaits: [], everything: true, evidence: [] };
}

/** Lets healing go on after it stopped: what was tried counts no more. */
export async function resetBreaker(deps: Deps, jumpServer: string): Promise<void> {
  const [{ nodes }, lease] = await Promise.all([
    findHealing(deps.tables, jumpServer),
    findLease(deps.tables, jumpServer),
  ]);
  // A running heal must not lose what it has sent already: it would send it again.
  const running = lease !== undefined && isActive(lease, deps.now()) ? lease.operationId : undefined;
  const others = nodes.filter(({ operationId }) => operationId === undefined || operationId !== running);
  await Promise.all(others.map(({ number }) => forgetNode(deps.tables, jumpServer, number)));
  await rememberServer(deps.tables, jumpServer, {
    repairs: [],
    fruitless: [],
    breakerSince: never,
    conditions: [],
    failure: [],
  });
}
