import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { milliseconds } from './clock.ts';
import type { HubDatabase } from './database.ts';
import type { Engine } from './engine.ts';
import { event, eventType, executionStarted, type HistoryEvent } from './history.ts';
import {
  createInstance,
  deleteInstance,
  findInstance,
  type Instance,
  isFinished,
  sendMessage,
  toInstance,
} from './instances.ts';

/** Between the look whether an id is free and the creation the real host leaves a gap in which another start gets through. */
const startGapMs = 3;

export interface InstanceFilter {
  readonly createdFrom?: number;
  readonly createdTo?: number;
  readonly statuses?: readonly string[];
  readonly prefix?: string;
}

/** What clients may do with instances, as in the extension: commands become messages, only start and purge act at once. */
export class Operations {
  readonly #database: HubDatabase;
  readonly #engine: Engine;

  constructor(database: HubDatabase, engine: Engine) {
    this.#database = database;
    this.#engine = engine;
  }

  find(id: string): Instance | undefined {
    return findInstance(this.#database, id);
  }

  /**
   * Starts an instance. `input` is JSON text.
   * @returns the active instance of that id when there is one; then nothing is started.
   */
  async start(name: string, id: string, input: string): Promise<Instance | null> {
    const existing = this.find(id);
    if (existing && !isFinished(existing.status)) return existing;
    await delay(startGapMs);
    const execution = randomUUID();
    const generation = existing ? existing.generation + 1 : 0;
    const started = executionStarted({ instanceId: id, executionId: execution, name, input, parent: null, generation });
    this.#database.transaction(() =>
      createInstance(this.#database, { id, execution, name, input, parent: null, started }),
    );
    this.#engine.wake(id);
    return null;
  }

  raise(id: string, name: string, input: string): void {
    this.#send(id, event(eventType.eventRaised, { Name: name, Input: input, ParentTraceContext: null }));
  }

  terminate(id: string, reason: string): void {
    this.#send(id, event(eventType.executionTerminated, { Input: reason }));
  }

  suspend(id: string, reason: string): void {
    this.#send(id, event(eventType.executionSuspended, { Reason: reason }));
  }

  resume(id: string, reason: string): void {
    this.#send(id, event(eventType.executionResumed, { Reason: reason }));
  }

  /** Deletes a finished instance with its history. */
  purge(id: string): void {
    this.#database.transaction(() => deleteInstance(this.#database, id));
  }

  /** Deletes the finished ones among those that fit; answers how many. */
  purgeBy(filter: InstanceFilter): number {
    const fitting = this.list(filter, '', Number.MAX_SAFE_INTEGER).filter(({ status }) => isFinished(status));
    for (const { id } of fitting) this.purge(id);
    return fitting.length;
  }

  /** Instances in the order of their ids, after one id, at most so many. */
  list(filter: InstanceFilter, after: string, limit: number): Instance[] {
    const rows = this.#database.all('SELECT * FROM instances WHERE id > ? ORDER BY id', after);
    const fitting: Instance[] = [];
    for (const row of rows) {
      if (fitting.length >= limit) break;
      const instance = toInstance(row);
      if (fits(instance, filter)) fitting.push(instance);
    }
    return fitting;
  }

  #send(id: string, message: HistoryEvent): void {
    sendMessage(this.#database, id, null, message);
    this.#engine.wake(id);
  }
}

function fits(instance: Instance, { createdFrom, createdTo, statuses, prefix }: InstanceFilter): boolean {
  const created = milliseconds(instance.created);
  return (
    (createdFrom === undefined || created >= createdFrom) &&
    (createdTo === undefined || created <= createdTo) &&
    (!statuses?.length || statuses.includes(instance.status)) &&
    (!prefix || instance.id.startsWith(prefix))
  );
}
