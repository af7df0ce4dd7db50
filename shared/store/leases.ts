import { secondsAfter } from '../time.ts';
import { findRow, listRows, type Row, type Tables, writeRow } from './tables.ts';

/** What an operation does; each is one orchestration of the same name. */
export type OperationKind = 'provision' | 'scale' | 'heal' | 'rotate' | 'teardown';

/**
 * The one mutating operation of a jump server, and the outbox that starts it: written before the orchestration is started,
 * with all that the orchestration needs, so that a crash in between starts the same id again.
 */
export interface Lease {
  jumpServer: string;
  /** Also the orchestration's instance id. */
  operationId: string;
  kind: OperationKind;
  /**
   * `requested` until the orchestration has begun, `finished` once it has ended. `interrupted`: nobody holds it any more, and how its
   * operation ended is still to be written down.
   */
  state: 'requested' | 'running' | 'interrupted' | 'finished';
  /** Grows with each operation of the jump server: an activity of an older one that wakes up late sees a higher number and stops. */
  fence: number;
  /** An operation that has not renewed its lease by then is dead and may be replaced. Of one that has ended: when it did. */
  deadline: Date;
  requestedAt: Date;
  requestedBy: { objectId: string; name: string };
  /** What to do, as JSON: the spec to provision, the order of a scale, a heal or a rotate; empty for a teardown. */
  spec: string;
  /** Why, for people. */
  reason: string;
  /** It does nothing but wait (for sessions to end): another operation may take the lease from it. */
  yields: boolean;
  cancelRequested: boolean;
}

interface LeaseRow extends Omit<Lease, 'jumpServer' | 'requestedBy'> {
  callerObjectId: string;
  callerName: string;
}

const partition = 'lease';

/** How long a lease holds without being renewed: each call of an activity renews it, and between two calls lies half of it at the most. */
export const leaseMilliseconds = 10 * 60_000;

const isHeld = ({ state }: Lease): boolean => state === 'requested' || state === 'running';

export const isActive = (lease: Lease, now: Date): boolean => isHeld(lease) && lease.deadline > now;

/** An attempt that did not succeed is followed by a pause in which others may see to it, counted from its end. Seconds. */
export const pauseIsOver = (pauseSeconds: number, { deadline }: Lease, now: Date): boolean =>
  secondsAfter(deadline, pauseSeconds) <= now;

export async function findLease(tables: Tables, jumpServer: string): Promise<(Lease & { etag: string }) | undefined> {
  const row = await findRow<LeaseRow>(tables.leases, partition, jumpServer);
  return row && toLease(row);
}

export async function listLeases(tables: Tables): Promise<(Lease & { etag: string })[]> {
  return (await listRows<LeaseRow>(tables.leases, partition)).map(toLease);
}

/** Writes the lease if nobody has changed it since `etag` (undefined: since it did not exist). */
export function writeLease(tables: Tables, lease: Lease, etag: string | undefined): Promise<boolean> {
  const { jumpServer, requestedBy, ...fields } = lease;
  const row = { ...fields, callerObjectId: requestedBy.objectId, callerName: requestedBy.name };
  return writeRow<LeaseRow>(tables.leases, { partitionKey: partition, rowKey: jumpServer, ...row }, etag);
}

/** The holder of a lease: who it says it is, and which number it got. */
export interface Holder {
  jumpServer: string;
  operationId: string;
  fence: number;
}

/** The lease if it is still this holder's, and neither finished nor interrupted. */
export async function findHeldLease(tables: Tables, holder: Holder): Promise<(Lease & { etag: string }) | undefined> {
  const lease = await findLease(tables, holder.jumpServer);
  const held = lease?.operationId === holder.operationId && lease.fence === holder.fence;
  return held && isHeld(lease) ? lease : undefined;
}

/** Changes the holder's lease, over other changes to it (a cancel, a renewal). False when the lease is no longer the holder's. */
export async function changeLease(
  tables: Tables,
  holder: Holder,
  change: Partial<Pick<Lease, 'state' | 'deadline' | 'cancelRequested' | 'yields'>>,
): Promise<boolean> {
  for (;;) {
    const lease = await findHeldLease(tables, holder);
    if (lease === undefined) return false;
    const { etag, ...fields } = lease;
    if (await writeLease(tables, { ...fields, ...change }, etag)) return true;
  }
}

function toLease(row: Row<LeaseRow>): Lease & { etag: string } {
  const { operationId, kind, state, fence, deadline, requestedAt, spec, reason, yields, cancelRequested, etag } = row;
  return {
    jumpServer: row.rowKey ?? '',
    requestedBy: { objectId: row.callerObjectId, name: row.callerName },
    operationId,
    kind,
    state,
    fence,
    deadline,
    requestedAt,
    spec,
    reason,
    yields,
    cancelRequested,
    etag,
  };
}
