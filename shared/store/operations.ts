import type { Failure } from '../errors.ts';
import type { OperationKind } from './leases.ts';
import { findRow, fromRowKey, listRows, type Row, type Tables, toRowKey, writeRow } from './tables.ts';

/** Azure's words for a long-running operation (Microsoft REST API Guidelines, "Long-running operations"). */
export type OperationStatus = 'NotStarted' | 'Running' | 'Succeeded' | 'Failed' | 'Canceled';

export interface Operation {
  id: string;
  jumpServer: string;
  kind: OperationKind;
  status: OperationStatus;
  requestedBy: string;
  /** Why it was started, for people. */
  reason: string;
  createdAt: Date;
  finishedAt?: Date;
  failure?: Failure;
}

interface OperationRow extends Omit<Operation, 'id' | 'jumpServer' | 'failure'> {
  failure?: string;
}

function toRow({ id, jumpServer, failure, ...fields }: Operation) {
  const row: OperationRow = { ...fields, ...(failure === undefined ? {} : { failure: JSON.stringify(failure) }) };
  return { partitionKey: jumpServer, rowKey: id, ...row };
}

/** Writes an operation that is not known yet; one that is stays as it is. */
export async function createOperation(tables: Tables, operation: Operation): Promise<void> {
  await writeRow<OperationRow>(tables.operations, toRow(operation), undefined);
}

/** Writes an operation that has not ended; false, and nothing is written, when it has. */
export async function putUnended(tables: Tables, operation: Operation): Promise<boolean> {
  for (;;) {
    const row = await findRow<OperationRow>(tables.operations, operation.jumpServer, operation.id);
    if (row?.finishedAt !== undefined) return false;
    if (await writeRow<OperationRow>(tables.operations, toRow(operation), row?.etag)) return true;
  }
}

export async function findOperation(tables: Tables, jumpServer: string, id: string): Promise<Operation | undefined> {
  const row = await findRow<OperationRow>(tables.operations, jumpServer, id);
  return row && toOperation(row);
}

/** All operations of a jump server, newest first. */
export async function listOperations(tables: Tables, jumpServer: string): Promise<Operation[]> {
  const operations = (await listRows<OperationRow>(tables.operations, jumpServer)).map(toOperation);
  return operations.sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
}

function toOperation(row: Row<OperationRow>): Operation {
  const { kind, status, requestedBy, reason, createdAt, finishedAt, failure } = row;
  return {
    id: row.rowKey ?? '',
    jumpServer: row.partitionKey ?? '',
    kind,
    status,
    requestedBy,
    reason,
    createdAt,
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(failure === undefined ? {} : { failure: JSON.parse(failure) as Failure }),
  };
}

/** One line of an operation's progress: a resource, or a thing to do that is none (accounts, proof). */
export interface StepProgress {
  key: string;
  type: string;
  state: 'waiting' | 'working' | 'ready' | 'failed' | 'removed';
  /** What it waits for or does just now, for people. */
  detail?: string;
  startedAt?: Date;
  finishedAt?: Date;
  failure?: Failure;
  /** What the finished step told its dependants. Holds no secret. */
  output?: Record<string, string>;
}

interface StepRow extends Omit<StepProgress, 'key' | 'failure' | 'output'> {
  failure?: string;
  output?: string;
}

export async function putStep(tables: Tables, operationId: string, step: StepProgress): Promise<void> {
  const { key, failure, output, ...fields } = step;
  const row: StepRow = {
    ...fields,
    ...(failure === undefined ? {} : { failure: JSON.stringify(failure) }),
    ...(output === undefined ? {} : { output: JSON.stringify(output) }),
  };
  await tables.steps.upsertEntity({ partitionKey: operationId, rowKey: toRowKey(key), ...row }, 'Replace');
}

/** When an operation first tried a step, over all its processes; undefined when it has not yet. */
export async function findStepStart(tables: Tables, operationId: string, key: string): Promise<Date | undefined> {
  return (await findRow<StepRow>(tables.steps, operationId, toRowKey(key)))?.startedAt;
}

export async function listSteps(tables: Tables, operationId: string): Promise<StepProgress[]> {
  return (await listRows<StepRow>(tables.steps, operationId)).map((row) => {
    const { type, state, detail, startedAt, finishedAt, failure, output } = row;
    return {
      key: fromRowKey(row.rowKey ?? ''),
      type,
      state,
      ...(detail === undefined ? {} : { detail }),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(finishedAt === undefined ? {} : { finishedAt }),
      ...(failure === undefined ? {} : { failure: JSON.parse(failure) as Failure }),
      ...(output === undefined ? {} : { output: JSON.parse(output) as Record<string, string> }),
    };
  });
}
