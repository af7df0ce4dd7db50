import { controlPlane } from '../auth.ts';
import type { Deps } from '../deps.ts';
import { forEach } from '../forEach.ts';
import type { StartOperation } from '../http.ts';
import { isInProgress, requestOperation } from '../operations.ts';
import { listJumpServers } from '../store/jumpServers.ts';
import { listLeases } from '../store/leases.ts';
import { listAllRotations } from '../store/rotations.ts';
import { decideRotation, joinDues, type RotationMinute } from './due.ts';
import { isLookDue, lookAtSource } from './source.ts';

/** Certificates that are looked for at their source in one minute, at most: a vault that does not answer is waited for. */
const mostLooks = 5;

/**
 * Asks for the rotations that are due, for those that were interrupted, and for certificates that are newer where they come from: three
 * scans of tables, and two secrets an hour for each certificate that was brought.
 */
export async function sweepRotations(deps: Deps, start: StartOperation): Promise<void> {
  const [servers, leases, rotations] = await Promise.all([
    listJumpServers(deps.tables),
    listLeases(deps.tables),
    listAllRotations(deps.tables),
  ]);
  const held = new Map(leases.map((lease) => [lease.jumpServer, lease]));
  const now = deps.now();
  const minutes = servers.map((server): RotationMinute => {
    const { name } = server;
    return { server, rotations: rotations.get(name) ?? [], lease: held.get(name), now };
  });
  const looked = inTurn(minutes);
  await forEach(minutes, async (minute) => {
    const { name } = minute.server;
    // What stays unfinished takes every minute that is free, and keeps no renewed certificate out.
    const found = looked.has(minute) ? await lookAtSource(deps, minute) : undefined;
    const decided = joinDues([found, decideRotation(minute)]);
    if (decided === undefined) return;
    try {
      await requestOperation(deps, start, { jumpServer: name, kind: 'rotate', ...decided, caller: controlPlane });
    } catch (error) {
      // Somebody else was quicker: the next minute decides again.
      if (!isInProgress(error)) throw error;
    }
  });
}

/** Those whose source is looked at this time: whoever has waited longest, so that nobody waits for ever. Pure. */
function inTurn(minutes: readonly RotationMinute[]): Set<RotationMinute> {
  const lookedAt = ({ rotations }: RotationMinute) =>
    rotations.find(({ credential }) => credential === 'certificate')?.lookedAt?.getTime() ?? 0;
  const due = minutes.filter(isLookDue);
  return new Set(due.sort((a, b) => lookedAt(a) - lookedAt(b)).slice(0, mostLooks));
}
