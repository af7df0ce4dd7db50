import type { Deps } from './deps.ts';
import { findChange } from './guacamole/change.ts';
import { type AuditEntry, type AuditOutcome, listOpenIntents, noJumpServer, writeOutcome } from './store/audit.ts';
import { findLease } from './store/leases.ts';
import { secondsAfter } from './time.ts';

/** A call cannot take longer than the platform lets it (230 s for HTTP); what is still open then was cut off. */
const settledAfterSeconds = 300;

/** Finds out how changes ended whose outcome a crash kept from being written, and writes it. */
export async function settleAudit(deps: Deps): Promise<void> {
  for (const entry of await listOpenIntents(deps.tables, secondsAfter(deps.now(), -settledAfterSeconds))) {
    await writeOutcome(deps.tables, entry.jumpServer, entry.id, { outcome: await outcomeOf(deps, entry) });
  }
}

/** `unknown` where nothing can tell any more: the jump server is gone, or its database does not answer. */
async function outcomeOf(deps: Deps, entry: AuditEntry): Promise<AuditOutcome> {
  if (entry.jumpServer === noJumpServer) return 'unknown';
  if (entry.operation.startsWith('JumpServers_')) {
    const lease = await findLease(deps.tables, entry.jumpServer);
    const { caller } = entry;
    const requested =
      lease !== undefined && lease.requestedBy.objectId === caller.objectId && lease.requestedAt >= entry.time;
    return requested ? 'succeeded' : 'unknown';
  }
  try {
    return (await findChange(await deps.guacamole(entry.jumpServer), entry.id)) ? 'succeeded' : 'failed';
  } catch {
    return 'unknown';
  }
}
