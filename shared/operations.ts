import { randomUUID } from 'node:crypto';
import type { DurableClient } from 'durable-functions';
import type { Caller } from './auth.ts';
import { canonicalJson } from './canonicalJson.ts';
import type { Deps } from './deps.ts';
import { ApiError, type Failure } from './errors.ts';
import type { HealOrder } from './healing/order.ts';
import type { StartOperation } from './http.ts';
import type { RotateOrder } from './rotation/credentials.ts';
import { rememberByHand } from './scaling/byHand.ts';
import type { ScaleOrder } from './scaling/order.ts';
import { setbackAfter } from './setback.ts';
import type { JumpServerSpec } from './spec.ts';
import { findJumpServer, type JumpServerState, moveJumpServer, putJumpServer } from './store/jumpServers.ts';
import {
  findHeldLease,
  findLease,
  isActive,
  type Lease,
  leaseMilliseconds,
  type OperationKind,
  writeLease,
} from './store/leases.ts';
import { createOperation, findOperation, putUnended } from './store/operations.ts';

/** What a caller asks for; `reason`: why, for people. */
export type OperationRequest = { jumpServer: string; reason: string; caller: Caller } & (
  | { kind: 'provision'; spec: JumpServerSpec }
  | { kind: 'scale'; order: ScaleOrder }
  | { kind: 'heal'; order: HealOrder }
  | { kind: 'rotate'; order: RotateOrder }
  | { kind: 'teardown' }
);

/** The reason of an operation that somebody asked for, with what made him ask where that is known. */
export const askedBecause = (asked: string, because: string | undefined): string =>
  because === undefined ? asked : `${asked}: ${because}`;

/** Where the progress of an operation is read. */
export const operationUrl = (deps: Deps, jumpServer: string, id: string): string =>
  `${deps.config.MOLCAJETE_API_URL}/jump-servers/${jumpServer}/operations/${id}`;

/**
 * Gets the jump server's one lease for a new operation and starts it. Asking for what is already running gives the running one.
 * Throws ApiError 409 `OperationInProgress` with the running operation's URL otherwise.
 */
export async function requestOperation(deps: Deps, start: StartOperation, request: OperationRequest): Promise<Lease> {
  const spec = writtenOrder(request);
  const operationId = randomUUID();
  for (;;) {
    const held = await findLease(deps.tables, request.jumpServer);
    if (held !== undefined && held.state !== 'finished' && !(await hasEnded(deps, held))) {
      const active = isActive(held, deps.now());
      if (active && held.kind === request.kind && held.spec === spec && !held.cancelRequested) return join(deps, held);
      if (active && !held.yields) throw inProgress(deps, held);
      await closeLease(deps, held, active ? gaveWay(`the operation ${operationId} (${request.kind})`) : unheardOf);
      continue;
    }
    const lease = { ...newLease(deps, request, spec, (held?.fence ?? 0) + 1), operationId };
    if (!(await writeLease(deps.tables, lease, held?.etag))) continue;
    await recordStart(deps, lease);
    await start(lease);
    return lease;
  }
}

/** What to do, as JSON; empty for a teardown. */
function writtenOrder(request: OperationRequest): string {
  if (request.kind === 'teardown') return '';
  return canonicalJson(request.kind === 'provision' ? request.spec : request.order);
}

/** Whoever asked for it first may not have come to write down what this caller is about to be pointed at. */
async function join(deps: Deps, held: Lease): Promise<Lease> {
  if (held.state === 'requested') await recordStart(deps, held);
  return held;
}

/** An operation's end is written a moment before its lease is given back: whoever has seen the end need not wait for that. */
export async function hasEnded(deps: Deps, lease: Lease): Promise<boolean> {
  const operation = await findOperation(deps.tables, lease.jumpServer, lease.operationId);
  return operation?.finishedAt !== undefined;
}

function newLease(deps: Deps, request: OperationRequest, spec: string, fence: number): Omit<Lease, 'operationId'> {
  const now = deps.now();
  return {
    jumpServer: request.jumpServer,
    kind: request.kind,
    state: 'requested',
    fence,
    deadline: new Date(now.getTime() + leaseMilliseconds),
    requestedAt: now,
    requestedBy: { objectId: request.caller.objectId, name: request.caller.name },
    spec,
    reason: request.reason,
    yields: false,
    cancelRequested: false,
  };
}

/** 409 `OperationInProgress`, with the running operation's URL in the message and as `Operation-Location`. */
export function inProgress(deps: Deps, lease: Lease): ApiError {
  const url = operationUrl(deps, lease.jumpServer, lease.operationId);
  return new ApiError(
    409,
    'OperationInProgress',
    `The operation ${lease.operationId} (${lease.kind}) is running: ${url}`,
    {
      target: lease.operationId,
      headers: { 'Operation-Location': url },
    },
  );
}

/** Was it refused by `inProgress`? */
export const isInProgress = (error: unknown): boolean =>
  error instanceof ApiError && error.code === 'OperationInProgress';

/** The row of an operation, as far as its lease says it. */
export const operationOf = (lease: Lease) => ({
  id: lease.operationId,
  jumpServer: lease.jumpServer,
  kind: lease.kind,
  requestedBy: lease.requestedBy.name,
  reason: lease.reason,
  createdAt: lease.requestedAt,
});

/** What a jump server is while an operation runs; one that users go on working on stays what it was. */
const stateDuring: Partial<Record<OperationKind, JumpServerState>> = {
  provision: 'Provisioning',
  teardown: 'Deleting',
};

/**
 * Writes what callers read: the operation, and the jump server as it is to become. Idempotent, and harmless when it comes late, from a
 * process that was asleep: what has begun or ended stays so, and only the holder of the lease says what the jump server is to become.
 */
export async function recordStart(
  deps: Deps,
  lease: Lease,
  status: 'NotStarted' | 'Running' = 'NotStarted',
): Promise<void> {
  const operation = { ...operationOf(lease), status };
  if (status === 'NotStarted') await createOperation(deps.tables, operation);
  else if (!(await putUnended(deps.tables, operation))) return;
  for (;;) {
    const existing = await findJumpServer(deps.tables, lease.jumpServer);
    if (existing?.lastOperation === lease.operationId) return;
    const spec = lease.kind === 'provision' ? (JSON.parse(lease.spec) as JumpServerSpec) : existing?.spec;
    if (spec === undefined || (await findHeldLease(deps.tables, lease)) === undefined) return;
    if (lease.kind === 'scale') await rememberByHand(deps, lease, spec);
    const server = {
      name: lease.jumpServer,
      spec,
      state: stateDuring[lease.kind] ?? existing?.state ?? 'Failed',
      createdAt: existing?.createdAt ?? lease.requestedAt,
      lastOperation: lease.operationId,
      ...(existing?.setback === undefined || stateDuring[lease.kind] !== undefined
        ? {}
        : { setback: existing.setback }),
    };
    if (await putJumpServer(deps.tables, server, existing?.etag)) return;
  }
}

export const unheardOf: Failure = {
  code: 'Interrupted',
  message: 'The operation stopped without an end, and nothing was heard of it until its lease ran out.',
  advice: 'A later operation carries on where it stopped.',
};

const gaveWay = (to: string): Failure => ({
  code: 'GaveWay',
  message: `While it only waited, ${to} was asked for.`,
  advice: 'Nothing: what it has left is carried on after that one.',
});

/**
 * Takes the lease from an operation that is dead or gives way, and writes down how that ended. The lease says which part is done: after a
 * crash in between the next request, or the minute, does the rest. An interrupted one that `yields` gave way.
 */
export async function closeLease(
  deps: Deps,
  { etag, ...lease }: Lease & { etag: string },
  failure: Failure,
): Promise<void> {
  const { tables } = deps;
  const deadline = new Date(Math.min(lease.deadline.getTime(), deps.now().getTime()));
  const begun = lease.state === 'interrupted';
  const yields = failure.code === 'GaveWay';
  if (!begun && !(await writeLease(tables, { ...lease, state: 'interrupted', yields, deadline }, etag))) return;
  await recordInterrupted(deps, lease, begun && lease.yields ? gaveWay('another operation') : failure);
  const written = await findLease(tables, lease.jumpServer);
  if (written?.operationId !== lease.operationId || written.state !== 'interrupted') return;
  const { etag: current, ...interrupted } = written;
  await writeLease(tables, { ...interrupted, state: 'finished' }, current);
}

/** An end that the operation itself has written stays. */
async function recordInterrupted(deps: Deps, lease: Lease, failure: Failure): Promise<void> {
  if (await hasEnded(deps, lease)) return;
  if (stateDuring[lease.kind] !== undefined)
    await moveJumpServer(
      deps.tables,
      lease.jumpServer,
      lease.operationId,
      'Failed',
      setbackAfter(lease, { state: 'failed', failure }),
    );
  const status = failure.code === 'GaveWay' ? 'Canceled' : 'Failed';
  await putUnended(deps.tables, { ...operationOf(lease), status, finishedAt: deps.now(), failure });
}

/** The durable start of a lease's orchestration. An instance of that id that runs already is the one that was meant. */
export async function startOrchestration(client: DurableClient, lease: Lease): Promise<void> {
  const { jumpServer, operationId, fence, kind } = lease;
  try {
    await client.startNew(kind, { instanceId: operationId, input: { jumpServer, operationId, fence } });
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('409'))) throw error;
  }
}
