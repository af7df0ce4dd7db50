import { Actions, asOnRealHost, type ReplayContext } from './actions.ts';
import type { Action, OrchestratorAnswer } from './answer.ts';
import { milliseconds } from './clock.ts';
import { ExternalEvents } from './externalEvents.ts';
import { eventType, type HistoryEvent } from './history.ts';
import { ReplayError, type Scheduled, ScheduledWork } from './scheduledWork.ts';

export type Completion =
  | {
      readonly status: 'Completed' | 'Failed' | 'Terminated';
      readonly output: string | null;
      readonly details: string | null;
    }
  | { readonly status: 'ContinuedAsNew'; readonly input: string };

/** What an episode comes to. */
export interface Decision {
  /** New work by number, in the order of the numbers. */
  readonly scheduled: readonly (readonly [number, Scheduled])[];
  readonly completion: Completion | null;
  readonly suspended: { readonly reason: string } | null;
  readonly unconsumedEvents: readonly { name: string; input: string }[];
  readonly warnings: readonly string[];
}

/**
 * Replays the action list against the history, entry by entry: the host waits for each entry to be finished before it looks at
 * the next one, at the error or at `isDone`. Where the worker and this replay disagree, this one decides what is committed.
 */
export function replay(history: readonly HistoryEvent[], answer: OrchestratorAnswer, context: ReplayContext): Decision {
  return new Replay(answer, context).run(history);
}

class Replay {
  readonly #answer: OrchestratorAnswer;
  readonly #context: ReplayContext;
  readonly #entries: readonly Action[];
  readonly #events = new ExternalEvents();
  readonly #work = new ScheduledWork();
  readonly #actions: Actions;
  readonly #warnings: string[] = [];
  readonly #whileSuspended: HistoryEvent[] = [];
  #nextEntry = 0;
  #suspended: { reason: string } | null = null;
  #completion: Completion | null = null;

  constructor(answer: OrchestratorAnswer, context: ReplayContext) {
    this.#answer = answer;
    this.#context = context;
    this.#entries = answer.actions[0] ?? [];
    this.#actions = new Actions(this.#work, this.#events, context);
  }

  run(history: readonly HistoryEvent[]): Decision {
    try {
      for (const event of history) this.#process(event);
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      this.#completion = { status: 'Failed', output: error.message, details: error.message };
    }
    if (this.#answer.error && !this.#completion && !this.#suspended) {
      this.#warn(`it has failed, but stays Running until the last member of its Task.all has ended`);
    }
    return {
      scheduled: this.#work.unconfirmed,
      completion: this.#suspended ? null : this.#completion,
      suspended: this.#suspended,
      unconsumedEvents: this.#events.unconsumed,
      warnings: [...this.#warnings, ...this.#actions.warnings],
    };
  }

  #process(event: HistoryEvent): void {
    if (this.#suspended && this.#waitsForResume(event)) {
      this.#whileSuspended.push(event);
      return;
    }
    switch (event.EventType) {
      case eventType.orchestratorStarted:
        this.#actions.now = milliseconds(event.Timestamp);
        break;
      case eventType.executionStarted:
        this.#advance();
        break;
      case eventType.taskScheduled:
      case eventType.timerCreated:
      case eventType.subOrchestrationCreated:
        this.#work.confirm(event);
        break;
      case eventType.taskCompleted:
      case eventType.subOrchestrationCompleted:
        this.#work.settle(Number(event.TaskScheduledId), false);
        break;
      case eventType.taskFailed:
      case eventType.subOrchestrationFailed:
        this.#work.settle(Number(event.TaskScheduledId), true);
        break;
      case eventType.timerFired:
        this.#work.settle(Number(event.TimerId), false);
        break;
      case eventType.eventRaised:
        this.#warn(this.#events.raise(String(event.Name), String(event.Input)));
        break;
      case eventType.executionSuspended:
        this.#suspended = { reason: String(event.Reason ?? '') };
        break;
      case eventType.executionResumed:
        this.#resume();
        break;
      case eventType.executionTerminated:
        this.#terminate(event);
        break;
      default:
        break;
    }
  }

  /** While suspended only these still count; the rest is handled at the resume. */
  #waitsForResume({ EventType: type }: HistoryEvent): boolean {
    return (
      type === eventType.taskCompleted ||
      type === eventType.taskFailed ||
      type === eventType.subOrchestrationCompleted ||
      type === eventType.subOrchestrationFailed ||
      type === eventType.timerFired ||
      type === eventType.eventRaised
    );
  }

  #resume(): void {
    this.#suspended = null;
    for (const event of this.#whileSuspended.splice(0)) this.#process(event);
  }

  /** The answer of this episode is ignored: nothing of it is scheduled. */
  #terminate(event: HistoryEvent): void {
    this.#suspended = null;
    this.#work.forget();
    this.#completion = { status: 'Terminated', output: String(event.Input ?? ''), details: null };
  }

  #advance(): void {
    while (!this.#completion) {
      const entry = this.#entries[this.#nextEntry];
      if (!entry) {
        this.#finish();
        return;
      }
      this.#nextEntry += 1;
      const task = this.#actions.start(entry);
      if (!task.isSettled) {
        task.whenSettled(() => this.#advance());
        return;
      }
    }
  }

  #finish(): void {
    const { error, isDone, output } = this.#answer;
    const { newInput } = this.#actions;
    if (error) {
      const text = `Orchestrator function '${this.#context.name}' failed: ${error}`;
      this.#completion = { status: 'Failed', output: text, details: error };
    } else if (isDone && newInput !== null) {
      this.#completion = { status: 'ContinuedAsNew', input: newInput };
    } else if (isDone) {
      this.#completion = {
        status: 'Completed',
        output: output === undefined ? null : JSON.stringify(output),
        details: null,
      };
    }
  }

  #warn(text: string | null): void {
    if (text) this.#warnings.push(asOnRealHost(text));
  }
}
