import type { Deps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { forEach } from '../healing/sweep.ts';
import type { StartOperation } from '../http.ts';
import { requestOperation } from '../operations.ts';
import { listJumpServers } from '../store/jumpServers.ts';
import { listLeases } from '../store/leases.ts';
import { listAllRotations } from '../store/rotations.ts';
import { decideRotation } from './due.ts';

/** Who asks for what is due. */
const rotator = { objectId: 'molcajete', name: 'Molcajete', roles: [] };

/** Asks for the rotations that are due, and for those that were interrupted: three scans of tables, and not a word to Azure. */
export async function sweepRotations(deps: Deps, start: StartOperation): Promise<void> {
  const [servers, leases, rotations] = await Promise.all([
    listJumpServers(deps.tables),
    listLeases(deps.tables),
    listAllRotations(deps.tables),
  ]);
  const held = new Map(leases.map((lease) => [lease.jumpServer, lease]));
  const now = deps.now();
  await forEach(servers, async (server) => {
    const { name } = server;
    const decided = decideRotation({ server, rotations: rotations.get(name) ?? [], lease: held.get(name), now });
    if (decided === undefined) return;
    try {
      await requestOperation(deps, start, { jumpServer: name, kind: 'rotate', ...decided, caller: rotator });
    } catch (error) {
      // Somebody else was quicker: the next minute decides again.
      if (!(error instanceof ApiError && error.code === 'OperationInProgress')) throw error;
    }
  });
}
