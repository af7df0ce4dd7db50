import type { Deps } from '../../shared/deps.ts';
import { findJumpServer, type JumpServer } from '../../shared/store/jumpServers.ts';
import { findHeldLease, type Holder, type Lease } from '../../shared/store/leases.ts';

/** What an operation on a jump server that is there works on; undefined when it is fenced out or the jump server is gone. */
export async function findHeldServer(
  deps: Deps,
  holder: Holder,
): Promise<{ lease: Lease; server: JumpServer } | undefined> {
  const [lease, server] = await Promise.all([
    findHeldLease(deps.tables, holder),
    findJumpServer(deps.tables, holder.jumpServer),
  ]);
  return lease === undefined || server === undefined ? undefined : { lease, server };
}
