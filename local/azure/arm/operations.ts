import { randomUUID } from 'node:crypto';
import { AzureFailure } from '../contract.ts';
import type { StateStore } from '../state.ts';
import { type Clock, Stopped } from './clock.ts';
import { errorBody } from './failure.ts';
import { key } from './ids.ts';
import type { StyleName } from './kind.ts';

export interface Operation {
  id: string;
  kind: 'put' | 'delete' | 'action' | 'deleteGroup';
  resourceId: string;
  /** Lower-case ids that no other operation may write meanwhile. */
  locks: string[];
  type: string;
  method: string;
  action?: string;
  body?: Record<string, unknown>;
  apiVersion: string;
  style: StyleName | 'group';
  location: string;
  /** Machine's times, ms. */
  start: number;
  due: number;
  end?: number;
  status: 'InProgress' | 'Succeeded' | 'Failed' | 'Canceled';
  error?: { code: string; message: string };
  result?: Record<string, unknown>;
  /** The resource was there before. */
  existed: boolean;
  /** A fault wants it to end so. */
  failWith?: { code: string; message: string };
  /** The data plane has been given secrets, which are kept nowhere: it cannot be asked again. */
  unrepeatable?: boolean;
}

export type NewOperation = Omit<Operation, 'id' | 'start' | 'due' | 'status' | 'location'> & { location?: string };

export interface Executor {
  /** The real work; what it returns is given to `succeeded`. Runs again after a restart. */
  work(operation: Operation, secrets: Record<string, unknown>): Promise<unknown>;
  /** Instead of the work of an operation that a fault wants to fail: what the failure does to the real thing. */
  failing?(operation: Operation, error: AzureFailure): Promise<void>;
  succeeded(operation: Operation, result: unknown): Record<string, unknown> | undefined;
  failed(operation: Operation, error: AzureFailure): void;
}

const internalError = new AzureFailure(
  'InternalServerError',
  'An unexpected error occured while processing the request.',
  500,
);
const keepMs = 24 * 3600 * 1000;

/** Long-running operations: on disk from their acceptance, carried on after a restart. */
export class Operations {
  readonly #state: StateStore;
  readonly #clock: Clock;
  readonly #all = new Map<string, Operation>();
  readonly #locks = new Map<string, Operation>();
  /** Data-plane calls for one resource, one after the other. */
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #log: (message: string) => void;
  executors: Record<Operation['kind'], Executor> | undefined;

  constructor(state: StateStore, clock: Clock, log: (message: string) => void) {
    this.#state = state;
    this.#clock = clock;
    this.#log = log;
    for (const row of state.db.prepare('select json from operations').all()) {
      const operation = JSON.parse(String(row.json)) as Operation;
      if (operation.end !== undefined && operation.end < clock.wall() - keepMs) this.#forget(operation.id);
      else this.#all.set(operation.id, operation);
    }
  }

  /** Carries on what was under way when the process ended. */
  resume(): void {
    for (const operation of this.#all.values()) {
      if (operation.status !== 'InProgress') continue;
      if (operation.unrepeatable) operation.failWith = { code: internalError.code, message: internalError.message };
      this.#launch(operation, {});
    }
  }

  get(id: string): Operation | undefined {
    return this.#all.get(id);
  }

  list(): Operation[] {
    return [...this.#all.values()];
  }

  /** The operation that is writing this resource (or something locked with it). */
  running(lock: string): Operation | undefined {
    return this.#locks.get(key(lock));
  }

  /** Accepts an operation of `ms` (already scaled) at least; `secrets` go to the work and nowhere else. */
  start(draft: NewOperation, ms: number, secrets: Record<string, unknown> = {}): Operation {
    const start = this.#clock.wall();
    const operation: Operation = {
      ...draft,
      location: draft.location ?? 'global',
      id: randomUUID(),
      start,
      due: start + ms,
      status: 'InProgress',
      ...(Object.keys(secrets).length > 0 ? { unrepeatable: true } : {}),
    };
    this.#save(operation);
    this.#launch(operation, secrets);
    return operation;
  }

  /** Its secrets have arrived: a restart may run it again. */
  repeatable(operation: Operation): void {
    if (operation.unrepeatable !== true || operation.status !== 'InProgress') return;
    operation.unrepeatable = false;
    this.#save(operation);
  }

  /** Ends a running operation in favour of a newer one. */
  preempt(operation: Operation, error: { code: string; message: string }): void {
    if (operation.status !== 'InProgress') return;
    this.#executor(operation).failed(operation, new AzureFailure(error.code, error.message));
    this.#end(operation, 'Failed', { error });
  }

  /** One at a time per resource, so that a removal never overtakes what makes the thing. */
  queued<T>(id: string, call: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(key(id)) ?? Promise.resolve();
    const next = before.then(call, call);
    const settled = next.catch(() => undefined);
    this.#queues.set(key(id), settled);
    settled.then(() => this.#queues.get(key(id)) === settled && this.#queues.delete(key(id)));
    return next;
  }

  /** Resolves when this operation has ended. */
  async ended(operation: Operation): Promise<void> {
    await this.#running.get(operation.id);
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  #launch(operation: Operation, secrets: Record<string, unknown>): void {
    for (const lock of operation.locks) this.#locks.set(lock, operation);
    const run = this.#run(operation, secrets).finally(() => this.#running.delete(operation.id));
    this.#running.set(operation.id, run);
  }

  async #run(operation: Operation, secrets: Record<string, unknown>): Promise<void> {
    const executor = this.#executor(operation);
    const work = this.queued(operation.resourceId, () => this.#work(executor, operation, secrets));
    const [outcome] = await Promise.allSettled([work, this.#clock.until(operation.due)]);
    if (operation.status !== 'InProgress') return;
    try {
      // The clock was stopped: the process ends and the next one carries on.
      await this.#clock.until(operation.due);
      if (outcome.status === 'rejected') throw outcome.reason;
      const result = executor.succeeded(operation, outcome.value);
      this.#end(operation, 'Succeeded', { result });
    } catch (error) {
      if (error instanceof Stopped) return;
      this.#fail(executor, operation, error);
    }
  }

  #executor(operation: Operation): Executor {
    const executor = this.executors?.[operation.kind];
    if (executor === undefined) throw new Error(`No executor for ${operation.kind}.`);
    return executor;
  }

  async #work(executor: Executor, operation: Operation, secrets: Record<string, unknown>): Promise<unknown> {
    if (operation.failWith === undefined) return executor.work(operation, secrets);
    const failure = new AzureFailure(operation.failWith.code, operation.failWith.message);
    await executor.failing?.(operation, failure);
    throw failure;
  }

  #fail(executor: Executor, operation: Operation, error: unknown): void {
    const failure = error instanceof AzureFailure ? error : internalError;
    if (failure === internalError)
      this.#log(`${operation.method} ${operation.resourceId}: ${String((error as Error)?.stack ?? error)}`);
    executor.failed(operation, failure);
    this.#end(operation, 'Failed', errorBody(failure));
  }

  #end(operation: Operation, status: Operation['status'], more: Pick<Operation, 'error' | 'result'>): void {
    Object.assign(operation, more, { status, end: this.#clock.wall() });
    for (const lock of operation.locks) if (this.#locks.get(lock) === operation) this.#locks.delete(lock);
    this.#save(operation);
  }

  #save(operation: Operation): void {
    this.#all.set(operation.id, operation);
    this.#state.db
      .prepare('insert or replace into operations (id, running, json) values (?, ?, ?)')
      .run(operation.id, operation.status === 'InProgress' ? 1 : 0, JSON.stringify(operation));
  }

  #forget(id: string): void {
    this.#state.db.prepare('delete from operations where id = ?').run(id);
  }
}
