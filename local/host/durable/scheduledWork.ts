import { eventType, type HistoryEvent } from './history.ts';
import { ReplayTask } from './replayTask.ts';

/** Something numbered that the orchestration asked for. */
export type Scheduled =
  | { readonly kind: 'activity'; readonly name: string; readonly input: string | null }
  | { readonly kind: 'orchestration'; readonly name: string; readonly instanceId: string; readonly input: string }
  | { readonly kind: 'timer'; readonly fireAt: string };

/** Ends the orchestration as Failed with this text. */
export class ReplayError extends Error {}

/** What a replay has scheduled: numbered from 0 over activities, timers and sub-orchestrations together. */
export class ScheduledWork {
  readonly #open = new Map<number, ReplayTask>();
  readonly #unconfirmed = new Map<number, Scheduled>();
  #nextId = 0;

  /** The number that the next thing will have. */
  get nextId(): number {
    return this.#nextId;
  }

  add(scheduled: Scheduled): ReplayTask {
    const task = new ReplayTask();
    this.#unconfirmed.set(this.#nextId, scheduled);
    this.#open.set(this.#nextId, task);
    this.#nextId += 1;
    return task;
  }

  /** Ends what has that number; a number that is not open is passed over, as for a result that came twice. */
  settle(id: number, failed: boolean): void {
    const task = this.#open.get(id);
    this.#open.delete(id);
    task?.settle(failed);
  }

  /** What history does not have yet, by number. */
  get unconfirmed(): (readonly [number, Scheduled])[] {
    return [...this.#unconfirmed];
  }

  isNew(id: number): boolean {
    return this.#unconfirmed.has(id);
  }

  forget(): void {
    this.#unconfirmed.clear();
  }

  /**
   * Checks what history says was scheduled against what this replay scheduled under that number.
   * @throws ReplayError when they differ; what differs stays new, and runs once.
   */
  confirm(event: HistoryEvent): void {
    const now = this.#unconfirmed.get(event.EventId);
    const then = scheduledBefore(event);
    if (now && sameKind(now, then)) {
      this.#unconfirmed.delete(event.EventId);
      return;
    }
    const numbered = describe(then).replace('task', `task with sequence number ${event.EventId}`);
    const instead = now
      ? `the current orchestration replay instead scheduled ${describe(now)} with this sequence number. `
      : "the current replay execution hasn't (yet?) scheduled this task.";
    throw new ReplayError(
      `Non-Deterministic workflow detected: A previous execution of this orchestration scheduled ${numbered}, but ${instead} Was a change made to the orchestrator code after this instance had already started running?`,
    );
  }
}

type Described = { readonly kind: 'timer' } | { readonly kind: 'activity' | 'orchestration'; readonly name: string };

function scheduledBefore(event: HistoryEvent): Described {
  if (event.EventType === eventType.timerCreated) return { kind: 'timer' };
  return { kind: event.EventType === eventType.taskScheduled ? 'activity' : 'orchestration', name: String(event.Name) };
}

function sameKind(a: Described, b: Described): boolean {
  if (a.kind === 'timer' || b.kind === 'timer') return a.kind === b.kind;
  return a.kind === b.kind && a.name.toLowerCase() === b.name.toLowerCase();
}

function describe(scheduled: Described): string {
  if (scheduled.kind === 'timer') return 'a timer task';
  return `${scheduled.kind === 'activity' ? 'an activity' : 'a sub-orchestration'} task named '${scheduled.name}'`;
}
