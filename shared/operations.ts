import { randomUUID } from 'node:crypto';
import type { DurableClient } from 'durable-functions';
import type { Caller } from './auth.ts';
import { canonicalJson } from './canonicalJson.ts';
import type { Deps } from './deps.ts';
import { ApiError } from './errors.ts';
import type { HealOrder } from './healing/order.ts';
import type { StartOperation } from './http.ts';
import type { RotateOrder } from './rotation/credentials.ts';
import { rememberByHand } from './scaling/byHand.ts';
import type { ScaleOrder } from './scaling/order.ts';
import { setbackAfter } from './setback.ts';
import type { JumpServerSpec } from './spec.ts';
import { findJumpServer, type JumpServerState, moveJumpServer, putJumpServer } from './store/jumpServers.ts';
import { findLease, isActive, type Lease, leaseMilliseconds, type OperationKind, writeLease } from './store/leases.ts';
import { type Failure, findOperation, type OperationStatus, putOperation } from './store/operations.ts';

/** What a caller asks for. */
export interface OperationRequest {
  jumpServer: string;
  kind: OperationKind;
  /** For a provision: what the jump server should be. */
  spec?: JumpServerSpec;
  /** For a scale, a heal or a rotation. */
  order?: ScaleOrder | HealOrder | RotateOrder;
  /** Why, for people. */
  reason: string;
  caller: Caller;
}

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
  const { spec: wanted = request.order } = request;
  const spec = wanted === undefined ? '' : canonicalJson(wanted);
  for (;;) {
    const held = await findLease(deps.tables, request.jumpServer);
    const ended = held !== undefined && (held.state === 'finished' || (await hasEnded(deps, held)));
    if (held !== undefined && !ended && isActive(held, deps.now())) {
      if (held.kind === request.kind && held.spec === spec && !held.cancelRequested) return held;
      if (!held.yields) throw inProgress(deps, held);
    }
    const lease = newLease(deps, request, spec, (held?.fence ?? 0) + 1);
    if (!(await writeLease(deps.tables, lease, held?.etag))) continue;
    if (held !== undefined && !ended) {
      await recordInterrupted(deps, held, held.yields ? gaveWay(lease) : unheardOf);
    }
    await recordStart(deps, lease);
    await start(lease);
    return lease;
  }
}

/** An operation's end is written a moment before its lease is given back: whoever has seen the end need not wait for that. */
export async function hasEnded(deps: Deps, lease: Lease): Promise<boolean> {
  const operation = await findOperation(deps.tables, lease.jumpServer, lease.operationId);
  return operation?.finishedAt !== undefined;
}

function newLease(deps: Deps, request: OperationRequest, spec: string, fence: number): Lease {
  const now = deps.now();
  return {
    jumpServer: request.jumpServer,
    operationId: randomUUID(),
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

/** Writes what callers read: the operation, and the jump server as it is to become. Idempotent. */
export async function recordStart(deps: Deps, lease: Lease, status: OperationStatus = 'NotStarted'): Promise<void> {
  const existing = await findJumpServer(deps.tables, lease.jumpServer);
  const spec = lease.kind === 'provision' ? (JSON.parse(lease.spec) as JumpServerSpec) : existing?.spec;
  await putOperation(deps.tables, { ...operationOf(lease), status });
  if (spec === undefined) return;
  if (lease.kind === 'scale') await rememberByHand(deps, lease, spec);
  await putJumpServer(deps.tables, {
    name: lease.jumpServer,
    spec,
    state: stateDuring[lease.kind] ?? existing?.state ?? 'Failed',
    createdAt: existing?.createdAt ?? lease.requestedAt,
    lastOperation: lease.operationId,
    ...(existing?.setback === undefined || stateDuring[lease.kind] !== undefined ? {} : { setback: existing.setback }),
  });
}

export const unheardOf: Failure = {
  code: 'Interrupted',
  message: 'The operation stopped without an end, and nothing was heard of it until its lease ran out.',
  advice: 'A later operation carries on where it stopped.',
};

const gaveWay = (to: Lease): Failure => ({
  code: 'GaveWay',
  message: `While it only waited, the operation ${to.operationId} (${to.kind}) was asked for.`,
  advice: 'Nothing: what it has left is carried on after that one.',
});

export async function recordInterrupted(deps: Deps, lease: Lease, failure: Failure): Promise<void> {
  if (stateDuring[lease.kind] !== undefined)
    await moveJumpServer(
      deps.tables,
      lease.jumpServer,
      lease.operationId,
      'Failed',
      setbackAfter(lease, { state: 'failed', failure }),
    );
  const status = failure.code === 'GaveWay' ? 'Canceled' : 'Failed';
  await putOperation(deps.tables, { ...operationOf(lease), status, finishedAt: deps.now(), failure });
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
