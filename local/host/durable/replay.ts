import { type Action, actionType, type OrchestratorAnswer, type RetryOptions } from './answer.ts';
import { milliseconds, timestampOf } from './clock.ts';
import { ExternalEvents } from './externalEvents.ts';
import { eventType, type HistoryEvent } from './history.ts';
import { allOf, anyOf, ReplayTask } from './replayTask.ts';

/** Something numbered that the orchestration asked for. */
export type Scheduled =
  | { readonly kind: 'activity'; readonly name: string; readonly input: string | null }
  | { readonly kind: 'orchestration'; readonly name: string; readonly instanceId: string; readonly input: string }
  | { readonly kind: 'timer'; readonly fireAt: string };

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

export interface ReplayContext {
  readonly name: string;
  readonly executionId: string;
  readonly activities: ReadonlySet<string>;
  readonly orchestrators: ReadonlySet<string>;
}

const day = 86_400_000;
/** A timer longer than this is made of shorter ones; the worker counts them the same way. */
const longestTimer = 6 * day;
const longTimerStep = 3 * day;

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
  readonly #open = new Map<number, ReplayTask>();
  readonly #unconfirmed = new Map<number, Scheduled>();
  readonly #warnings: string[] = [];
  readonly #whileSuspended: HistoryEvent[] = [];
  #nextId = 0;
  #nextEntry = 0;
  #now = 0;
  #suspended: { reason: string } | null = null;
  #newInput: { json: string } | null = null;
  #completion: Completion | null = null;

  constructor(answer: OrchestratorAnswer, context: ReplayContext) {
    this.#answer = answer;
    this.#context = context;
    this.#entries = answer.actions[0] ?? [];
  }

  run(history: readonly HistoryEvent[]): Decision {
    try {
      for (const event of history) this.#process(event);
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      this.#completion = { status: 'Failed', output: error.message, details: error.message };
    }
    return {
      scheduled: [...this.#unconfirmed],
      completion: this.#suspended ? null : this.#completion,
      suspended: this.#suspended,
      unconsumedEvents: this.#events.unconsumed,
      warnings: this.#warnings,
    };
  }

  #process(event: HistoryEvent): void {
    if (this.#suspended && this.#waitsForResume(event)) {
      this.#whileSuspended.push(event);
      return;
    }
    switch (event.EventType) {
      case eventType.orchestratorStarted:
        this.#now = milliseconds(event.Timestamp);
        break;
      case eventType.executionStarted:
        this.#advance();
        break;
      case eventType.taskScheduled:
      case eventType.timerCreated:
      case eventType.subOrchestrationCreated:
        this.#confirm(event);
        break;
      case eventType.taskCompleted:
      case eventType.subOrchestrationCompleted:
        this.#settle(Number(event.TaskScheduledId), false);
        break;
      case eventType.taskFailed:
      case eventType.subOrchestrationFailed:
        this.#settle(Number(event.TaskScheduledId), true);
        break;
      case eventType.timerFired:
        this.#settle(Number(event.TimerId), false);
        break;
      case eventType.eventRaised:
        this.#events.raise(String(event.Name), String(event.Input));
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
    this.#unconfirmed.clear();
    this.#completion = { status: 'Terminated', output: String(event.Input ?? ''), details: null };
  }

  #settle(id: number, failed: boolean): void {
    const task = this.#open.get(id);
    this.#open.delete(id);
    task?.settle(failed);
  }

  #advance(): void {
    while (!this.#completion) {
      const entry = this.#entries[this.#nextEntry];
      if (!entry) {
        this.#finish();
        return;
      }
      this.#nextEntry += 1;
      const task = this.#start(entry);
      if (!task.isSettled) {
        task.whenSettled(() => this.#advance());
        return;
      }
    }
  }

  #finish(): void {
    const { error, isDone, output } = this.#answer;
    if (error) {
      const text = `Orchestrator function '${this.#context.name}' failed: ${error}`;
      this.#completion = { status: 'Failed', output: text, details: error };
    } else if (isDone && this.#newInput) {
      this.#completion = { status: 'ContinuedAsNew', input: this.#newInput.json };
    } else if (isDone) {
      this.#completion = {
        status: 'Completed',
        output: output === undefined ? null : JSON.stringify(output),
        details: null,
      };
    }
  }

  #start(entry: Action): ReplayTask {
    switch (entry.actionType) {
      case actionType.callActivity:
        return this.#activity(entry);
      case actionType.callActivityWithRetry:
        return this.#withRetry(entry.retryOptions, () => this.#activity(entry));
      case actionType.callSubOrchestrator:
        return this.#orchestration(entry);
      case actionType.callSubOrchestratorWithRetry:
        return this.#withRetry(entry.retryOptions, () => this.#orchestration(entry));
      case actionType.continueAsNew:
        this.#newInput = { json: jsonText(entry.input) };
        return ReplayTask.settled(false);
      case actionType.timer:
        return this.#timer(milliseconds(entry.fireAt), entry.fireAt, entry.isCanceled);
      case actionType.externalEvent:
        return this.#events.wait(entry.externalEventName);
      case actionType.any:
        return anyOf(entry.compoundActions.map((each) => this.#start(each)));
      case actionType.all:
        return allOf(entry.compoundActions.map((each) => this.#start(each)));
      default:
        throw new ReplayError(
          `Orchestrator function '${this.#context.name}' failed: the local host does not run actions of type ${entry.actionType} (entities, locks, callHttp). See docs/local-host.md.`,
        );
    }
  }

  #activity({ functionName: name, input }: Action): ReplayTask {
    if (!this.#context.activities.has(name.toLowerCase())) return this.#unknown('activity', name);
    // A string input is JSON text already (the library has seen to it); null and undefined both reach the activity as nothing.
    const text =
      typeof input === 'string' ? input : input === null || input === undefined ? null : JSON.stringify(input);
    return this.#schedule({ kind: 'activity', name, input: text });
  }

  #orchestration({ functionName: name, instanceId, input }: Action): ReplayTask {
    if (!this.#context.orchestrators.has(name.toLowerCase())) return this.#unknown('orchestrator', name);
    const id = instanceId || `${this.#context.executionId}:${this.#nextId}`;
    return this.#schedule({ kind: 'orchestration', name, instanceId: id, input: JSON.stringify(input ?? null) });
  }

  /** The real host swallows this error and the worker waits on: the instance stays Running for ever. */
  #unknown(what: string, name: string): ReplayTask {
    this.#warnings.push(
      `No ${what} function '${name}' is registered: as on the real host the instance waits for it for ever.`,
    );
    return ReplayTask.settled(true);
  }

  #timer(fireAt: number, text: string, canceled: boolean): ReplayTask {
    const step = fireAt - this.#now > longestTimer ? this.#now + longTimerStep : null;
    const id = this.#nextId;
    const first = this.#schedule({ kind: 'timer', fireAt: step === null ? text : timestampOf(step) });
    if (canceled) this.#settle(id, true);
    if (step === null || canceled) return first;
    const whole = new ReplayTask();
    first.whenSettled(() => this.#timer(fireAt, text, canceled).whenSettled(() => whole.settle(false)));
    return whole;
  }

  #withRetry(options: RetryOptions | null | undefined, attempt: () => ReplayTask): ReplayTask {
    const whole = new ReplayTask();
    const firstTry = this.#now;
    const tryOnce = (number: number): void => {
      const task = attempt();
      task.whenSettled(() => {
        if (!task.hasFailed || !options) return whole.settle(task.hasFailed);
        // A timer also follows the last attempt, with no delay: the worker counts it too.
        const last = number >= options.maxNumberOfAttempts;
        const fireAt = this.#now + (last ? 0 : delayBefore(number, options, this.#now - firstTry));
        const wait = this.#schedule({ kind: 'timer', fireAt: timestampOf(fireAt) });
        wait.whenSettled(() => (last ? whole.settle(true) : tryOnce(number + 1)));
      });
    };
    tryOnce(1);
    return whole;
  }

  #schedule(scheduled: Scheduled): ReplayTask {
    const id = this.#nextId;
    this.#nextId += 1;
    const task = new ReplayTask();
    this.#unconfirmed.set(id, scheduled);
    this.#open.set(id, task);
    return task;
  }

  /** Checks what history says was scheduled against what this replay scheduled under that number. */
  #confirm(event: HistoryEvent): void {
    const now = this.#unconfirmed.get(event.EventId);
    const then = scheduledBefore(event);
    const question = 'Was a change made to the orchestrator code after this instance had already started running?';
    if (!now) {
      throw new ReplayError(
        `Non-Deterministic workflow detected: A previous execution of this orchestration scheduled ${describe(then)}, but the current replay execution hasn't (yet?) scheduled this task. ${question}`.replace(
          'task named',
          `task with sequence number ${event.EventId} named`,
        ),
      );
    }
    if (
      now.kind !== then.kind ||
      (now.kind !== 'timer' && then.kind !== 'timer' && now.name.toLowerCase() !== then.name.toLowerCase())
    ) {
      throw new ReplayError(
        `Non-Deterministic workflow detected: A previous execution of this orchestration scheduled ${describe(then).replace('task', `task with sequence number ${event.EventId}`)}, but the current orchestration replay instead scheduled ${describe(now)} with this sequence number.  ${question}`,
      );
    }
    this.#unconfirmed.delete(event.EventId);
  }
}

/** Ends the orchestration as Failed with this text. */
class ReplayError extends Error {}

function scheduledBefore(
  event: HistoryEvent,
): { kind: 'timer' } | { kind: 'activity' | 'orchestration'; name: string } {
  if (event.EventType === eventType.timerCreated) return { kind: 'timer' };
  return { kind: event.EventType === eventType.taskScheduled ? 'activity' : 'orchestration', name: String(event.Name) };
}

function describe(scheduled: { kind: Scheduled['kind']; name?: string }): string {
  if (scheduled.kind === 'timer') return 'a timer task';
  return `${scheduled.kind === 'activity' ? 'an activity' : 'a sub-orchestration'} task named '${scheduled.name}'`;
}

function delayBefore(attempt: number, options: RetryOptions, elapsed: number): number {
  if (options.retryTimeoutInMilliseconds && elapsed >= options.retryTimeoutInMilliseconds) return 0;
  const delay = options.firstRetryIntervalInMilliseconds * (options.backoffCoefficient ?? 1) ** (attempt - 1);
  return Math.min(delay, options.maxRetryIntervalInMilliseconds ?? 6 * day);
}

/** The new input of continueAsNew: a string is JSON text already, as for activities. */
function jsonText(input: unknown): string {
  return typeof input === 'string' ? input : JSON.stringify(input ?? null);
}
