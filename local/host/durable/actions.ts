import { type Action, actionType, type RetryOptions } from './answer.ts';
import { milliseconds, timestampOf } from './clock.ts';
import type { ExternalEvents } from './externalEvents.ts';
import { allOf, anyOf, ReplayTask } from './replayTask.ts';
import { ReplayError, type ScheduledWork } from './scheduledWork.ts';

/** What a replay knows of its orchestration and of the app. Names of functions are in lower case. */
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

/** A warning of something that a user would call a fault of the host. */
export function asOnRealHost(text: string): string {
  return `${text}; so does the real host.`;
}

/** Starts what the entries of an action list ask for. */
export class Actions {
  /** The time of the episode that is being replayed, in milliseconds since 1970. */
  now = 0;
  /** JSON text once continueAsNew has been asked for. */
  newInput: string | null = null;
  readonly #work: ScheduledWork;
  readonly #events: ExternalEvents;
  readonly #context: ReplayContext;
  readonly #leftBehind = new Map<string, ReplayTask>();
  readonly #repeated = new Map<number, string>();
  readonly #unknowns: string[] = [];

  constructor(work: ScheduledWork, events: ExternalEvents, context: ReplayContext) {
    this.#work = work;
    this.#events = events;
    this.#context = context;
  }

  /** What a user would want to know of the work that is new. */
  get warnings(): string[] {
    const repeated = [...this.#repeated]
      .filter(([id]) => this.#work.isNew(id))
      .map(([, name]) => `'${name}' is still pending from an earlier Task.any, and is started again`);
    return [...repeated, ...this.#unknowns].map(asOnRealHost);
  }

  /**
   * Starts an entry of the list.
   * @throws ReplayError for what the local host does not run.
   */
  start(entry: Action): ReplayTask {
    switch (entry.actionType) {
      case actionType.callActivity:
        return this.#activity(entry);
      case actionType.callActivityWithRetry:
        return this.#withRetry(entry, () => this.#activity(entry));
      case actionType.callSubOrchestrator:
        return this.#orchestration(entry);
      case actionType.callSubOrchestratorWithRetry:
        return this.#withRetry(entry, () => this.#orchestration(entry));
      case actionType.continueAsNew:
        this.newInput = jsonText(entry.input);
        return ReplayTask.settled(false);
      case actionType.timer:
        return this.#timer(milliseconds(entry.fireAt), entry.fireAt, entry.isCanceled);
      case actionType.externalEvent:
        return this.#events.wait(entry.externalEventName);
      case actionType.any:
        return this.#any(entry.compoundActions);
      case actionType.all:
        return allOf(entry.compoundActions.map((each) => this.start(each)));
      default:
        throw new ReplayError(
          `Orchestrator function '${this.#context.name}' failed: the local host does not run actions of type ${entry.actionType} (entities, locks, callHttp). See docs/local-host.md.`,
        );
    }
  }

  /** A member that is still pending from an earlier Task.any is started again: the action list cannot say that it is the same. */
  #any(members: readonly Action[]): ReplayTask {
    const tasks = members.map((member) => {
      const key = JSON.stringify([member.actionType, member.functionName, member.input, member.instanceId]);
      const before = member.functionName ? this.#leftBehind.get(key) : undefined;
      const id = this.#work.nextId;
      const task = this.start(member);
      if (before?.isAbandoned && !before.isSettled) this.#repeated.set(id, member.functionName);
      if (member.functionName) this.#leftBehind.set(key, task);
      return task;
    });
    return anyOf(tasks);
  }

  #activity({ functionName: name, input }: Action): ReplayTask {
    if (!this.#context.activities.has(name.toLowerCase())) return this.#unknown('activity', name);
    // A string input is JSON text already (the library has seen to it); null and undefined both reach the activity as nothing.
    const text =
      typeof input === 'string' ? input : input === null || input === undefined ? null : JSON.stringify(input);
    return this.#work.add({ kind: 'activity', name, input: text });
  }

  #orchestration({ functionName: name, instanceId, input }: Action): ReplayTask {
    if (!this.#context.orchestrators.has(name.toLowerCase())) return this.#unknown('orchestrator', name);
    // In decimal, whatever is said of DurableTask.Core: recording 71 has children up to `:68`.
    const id = instanceId || `${this.#context.executionId}:${this.#work.nextId}`;
    return this.#work.add({ kind: 'orchestration', name, instanceId: id, input: JSON.stringify(input ?? null) });
  }

  /** The real host swallows this error and the worker waits on: the instance stays Running for ever. */
  #unknown(what: string, name: string): ReplayTask {
    this.#unknowns.push(`no ${what} function '${name}' is registered, and the instance waits for it for ever`);
    return ReplayTask.settled(true);
  }

  #timer(fireAt: number, text: string, canceled: boolean): ReplayTask {
    const step = fireAt - this.now > longestTimer ? this.now + longTimerStep : null;
    const id = this.#work.nextId;
    const first = this.#work.add({ kind: 'timer', fireAt: step === null ? text : timestampOf(step) });
    if (canceled) this.#work.settle(id, true);
    if (step === null || canceled) return first;
    const whole = new ReplayTask();
    first.whenSettled(() => this.#timer(fireAt, text, canceled).whenSettled(() => whole.settle(false)));
    return whole;
  }

  #withRetry({ retryOptions: options }: Action, attempt: () => ReplayTask): ReplayTask {
    const whole = new ReplayTask();
    const unknownBefore = this.#unknowns.length;
    const firstTry = this.now;
    const tryOnce = (number: number): void => {
      const task = attempt();
      task.whenSettled(() => {
        if (!task.hasFailed || !options || this.#unknowns.length > unknownBefore) return whole.settle(task.hasFailed);
        // A timer also follows the last attempt, with no delay: the worker counts it too.
        const last = number >= options.maxNumberOfAttempts;
        const fireAt = this.now + (last ? 0 : delayBefore(number, options, this.now - firstTry));
        const wait = this.#work.add({ kind: 'timer', fireAt: timestampOf(fireAt) });
        wait.whenSettled(() => (last ? whole.settle(true) : tryOnce(number + 1)));
      });
    };
    tryOnce(1);
    return whole;
  }
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
