import type { Deps } from './deps.ts';
import { ApiError } from './errors.ts';
import { forEach, forEachAtOnce } from './forEach.ts';
import { changesKeptDays, wasCommitted } from './guacamole/change.ts';
import { askDatabase } from './mysqlSession.ts';
import { type AuditEntry, type AuditOutcome, listOpenIntents, noJumpServer, writeOutcome } from './store/audit.ts';
import { findLease } from './store/leases.ts';
import { secondsAfter } from './time.ts';

/** A call cannot take longer than the platform lets it (230 s for HTTP); what is still open then was cut off. */
const settledAfterSeconds = 300;

/**
 * Operations that leave their audit id in the database of their jump server, so that it can tell whether they happened. No read is
 * one of them, and no dry run.
 */
export const leavesChange = ({ operation, target }: Pick<AuditEntry, 'operation' | 'target'>): boolean =>
  /^(Connections|ConnectionGroups|SharingProfiles|Users|UserGroups|Imports)_(?!Get)/.test(operation) &&
  !target.includes('?');

/** Finds out how changes ended whose outcome a crash kept from being written, and writes it. */
export async function settleAudit(deps: Deps): Promise<void> {
  const intents = await listOpenIntents(deps.tables, secondsAfter(deps.now(), -settledAfterSeconds));
  const byJumpServer = Map.groupBy(intents, (entry) => entry.jumpServer);
  // At once: a database that does not answer takes its time.
  await forEachAtOnce([...byJumpServer.values()], (entries) => settleEach(deps, entries));
}

async function settleEach(deps: Deps, entries: readonly AuditEntry[]): Promise<void> {
  let silent = false;
  await forEach(entries, async (entry) => {
    if (silent && leavesChange(entry)) return;
    const outcome = await outcomeOf(deps, entry);
    if (outcome === 'open') silent = true;
    else await writeOutcome(deps.tables, entry.jumpServer, entry.id, { outcome });
  });
}

/** `unknown` where nothing can tell any more; `open` where the database does not answer, or sleeps, and the next sweep asks again. */
async function outcomeOf(deps: Deps, entry: AuditEntry): Promise<AuditOutcome> {
  if (entry.jumpServer === noJumpServer) return 'unknown';
  if (entry.operation.startsWith('JumpServers_')) return (await isRequestOf(deps, entry)) ? 'succeeded' : 'unknown';
  if (!leavesChange(entry)) return 'unknown';
  const forgotten = entry.time < secondsAfter(deps.now(), -changesKeptDays * 86_400);
  try {
    if (await askDatabase(deps, entry.jumpServer, (db) => wasCommitted(db, entry.id))) return 'succeeded';
    return forgotten ? 'unknown' : 'failed';
  } catch (error) {
    const gone = error instanceof ApiError && error.status === 404;
    return gone || forgotten ? 'unknown' : 'open';
  }
}

async function isRequestOf(deps: Deps, { jumpServer, caller, time }: AuditEntry): Promise<boolean> {
  const lease = await findLease(deps.tables, jumpServer);
  return lease !== undefined && lease.requestedBy.objectId === caller.objectId && lease.requestedAt >= time;
}
