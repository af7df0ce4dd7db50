import { nodeName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { toDateTime } from '../guacamole/times.ts';
import { askDatabase } from '../mysqlSession.ts';
import { fleetOf } from '../scaling/fleet.ts';
import { findHealing, forgetLoss, type Loss } from '../store/healing.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import { listNodes } from '../store/nodes.ts';
import { brokenParts, isStale, listReports, type StoredReport } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';

/** A session is written down a moment before the node counts it. Seconds. */
const margin = 30;

/**
 * Until when a session must have begun to be surely over; undefined when that cannot be told. Guacamole's history names no node, so
 * it is told from the nodes: when none has a session open, none of the rows is open either; when each has lost its sessions since,
 * whatever began before the first loss is over. Pure.
 */
export function surelyOver(
  nodes: readonly number[],
  reports: ReadonlyMap<number, StoredReport>,
  losses: readonly Loss[],
  now: Date,
): Date | undefined {
  if (nodes.length === 0) return undefined;
  const bounds: Date[] = [];
  const heard = nodes.flatMap((number) => reports.get(number) ?? []);
  const idle = heard.every(
    (one) => !isStale(one, now) && brokenParts(one.report).length === 0 && one.report.sessions.served === 0,
  );
  if (heard.length === nodes.length && idle)
    bounds.push(secondsAfter(earliest(heard.map((one) => one.receivedAt)), -margin));
  const lost = nodes.flatMap((number) => losses.filter((loss) => loss.number === number).at(-1)?.at ?? []);
  if (lost.length === nodes.length) bounds.push(earliest(lost));
  return bounds.length === 0 ? undefined : new Date(Math.max(...bounds.map((bound) => bound.getTime())));
}

const earliest = (times: readonly Date[]): Date => new Date(Math.min(...times.map((time) => time.getTime())));

/**
 * Closes the history of sessions that ended with their node, as far as it is sure which they are; forgets the losses whose sessions are
 * all closed. Repeating it changes nothing.
 */
export async function closeLostSessions(deps: Deps, server: JumpServer): Promise<void> {
  const [memory, recorded, reports] = await Promise.all([
    // Of now: a repair that Azure did not take up takes its loss back.
    findHealing(deps.tables, server.name),
    listNodes(deps.tables, server.name),
    listReports(deps.tables, server.name),
  ]);
  const { losses } = memory.server;
  // One that drains or has just come up may have sessions as well as one that is watched.
  const numbers = fleetOf(server.spec, recorded, server.createdAt)
    .filter(({ state }) => state !== 'deallocated')
    .map(({ number }) => number);
  const byNumber = new Map(
    numbers.flatMap((number) => {
      const stored = reports.find(({ node }) => node === nodeName(server.name, number));
      return stored === undefined ? [] : [[number, stored] as const];
    }),
  );
  const until = surelyOver(numbers, byNumber, losses, deps.now());
  const [last] = losses.map(({ at }) => at).sort((a, b) => b.getTime() - a.getTime());
  if (until === undefined || last === undefined) return;
  try {
    await askDatabase(deps, server.name, (db) =>
      db
        .updateTable('guacamole_connection_history')
        .set({ end_date: toDateTime(last) })
        .where('end_date', 'is', null)
        .where('start_date', '<', toDateTime(until))
        .where('start_date', '<=', toDateTime(last))
        .execute(),
    );
  } catch (error) {
    // No database just now, or none any more: the next sweep tries again.
    if (error instanceof ApiError || (error instanceof Error && 'code' in error)) return;
    throw error;
  }
  if (until >= last) await Promise.all(losses.map((loss) => forgetLoss(deps.tables, server.name, loss)));
}
