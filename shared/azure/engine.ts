import type { Failure } from '../errors.ts';
import type { StepProgress } from '../store/operations.ts';
import type { Outputs } from './resource.ts';

/** What one attempt at a step came to. */
export type Outcome =
  /** `detail`: what a person should know of it all the same. */
  | { state: 'ready'; output: Record<string, string>; detail?: string }
  | { state: 'pending'; detail: string; lookAgainSeconds: number; failure?: Failure }
  | { state: 'failed'; failure: Failure };

/** One member of the graph: a resource of Azure, or something of ours that depends on some (accounts, proof). */
export interface Step {
  key: string;
  type: string;
  /** ARM id, empty for what is none. */
  id: string;
  dependsOn: readonly string[];
  /** Of a resource: what it stands on, also where this operation does not look at that; a teardown takes it down before. */
  standsOn?: readonly string[];
  /** Of a resource: its writes are sent one at a time with the others of the queue. */
  writeQueue?: string | undefined;
  /** True for a step that takes something away. */
  removes?: true;
  /** True for a step that does something and owns nothing: it leaves nothing behind in the inventory. */
  passing?: true;
  /** Looks first, then does what is missing; safe to call any number of times. Throws `Stopped` when it may not write. */
  ensure(outputs: Outputs, attempt: Attempt): Promise<Outcome>;
}

/** What a step may ask of the walk it is part of. */
export interface Attempt {
  /** To be called before every write; throws `Stopped` when the operation was canceled or has lost its lease. */
  permit(): Promise<void>;
  /** Waits for a promise, but not past the walk's budget or its cancel; undefined when that came first. */
  within<T>(work: Promise<T>): Promise<{ value: T } | undefined>;
}

/** Why a walk must not write any more. */
export class Stopped extends Error {
  readonly reason: 'canceled' | 'fenced';
  constructor(reason: 'canceled' | 'fenced') {
    super(`The operation was ${reason === 'canceled' ? 'canceled' : 'replaced by another'}.`);
    this.name = 'Stopped';
    this.reason = reason;
  }
}

export interface Walk {
  steps: readonly Step[];
  /** Steps that an earlier walk of the same operation finished, with their outputs: not looked at again. */
  done: Outputs;
  /** Milliseconds until the walk returns what is left. */
  budget: number;
  /** Milliseconds between looks whether it may still go on; default 3,000. */
  lookEvery?: number;
  /** Throws `Stopped`. */
  permit(): Promise<void>;
  record(progress: StepProgress): Promise<void>;
  now(): Date;
}

export interface WalkResult {
  /** Seconds after which the nearest pending step wants to be looked at; undefined when none is pending. */
  lookAgainSeconds: number | undefined;
  pending: Record<string, string>;
  failures: Failure[];
  stopped: Stopped['reason'] | undefined;
  outputs: Outputs;
}

/**
 * Walks the graph once, in plain promises: everything whose dependencies are ready is in flight at the same time, so that the
 * walk takes as long as its longest chain. Returns when all is ready, nothing can go on, or the budget is used up. One activity
 * calls it again and again; every call starts by looking, so it may be killed anywhere.
 */
export async function walk(plan: Walk): Promise<WalkResult> {
  const deadline = plan.now().getTime() + plan.budget;
  let broken: { error: unknown } | undefined;
  const left = () => (broken === undefined ? deadline - plan.now().getTime() : 0);
  const [halt, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const outputs: Record<string, Record<string, string>> = { ...(plan.done as Record<string, Record<string, string>>) };
  const result: WalkResult = { lookAgainSeconds: undefined, pending: {}, failures: [], stopped: undefined, outputs };
  const running = new Map<string, Promise<boolean>>();
  const steps = new Map(plan.steps.map((step) => [step.key, step]));

  /** True when the step is ready. */
  const finish = (key: string): Promise<boolean> => {
    const known = running.get(key);
    if (known !== undefined) return known;
    const step = steps.get(key);
    if (step === undefined) throw new Error(`Step '${key}' is depended on but not in the graph.`);
    const made = key in plan.done ? Promise.resolve(true) : run(step).catch(breakOff);
    running.set(key, made);
    return made;
  };

  /** What throws ends the walk, but only when nothing of it is on its way any more: the caller is about to begin another one. */
  const breakOff = (error: unknown): false => {
    broken ??= { error };
    return false;
  };

  const run = async (step: Step): Promise<boolean> => {
    const ready = await Promise.all(step.dependsOn.map(finish));
    if (ready.includes(false) || broken !== undefined) return false;
    const startedAt = plan.now();
    const note = (progress: Partial<StepProgress> & Pick<StepProgress, 'state'>) =>
      plan.record({ key: step.key, type: step.type, startedAt, ...progress });
    await note({ state: 'working' });
    for (;;) {
      const outcome = await attempt(step);
      if (outcome.state === 'ready') {
        outputs[step.key] = outcome.output;
        const { output, detail } = outcome;
        const said = detail === undefined ? {} : { detail };
        await note({ state: 'ready', finishedAt: plan.now(), output, ...said });
        return true;
      }
      if (outcome.state === 'failed') {
        const failure = { ...outcome.failure, target: step.key };
        result.failures.push(failure);
        await note({ state: 'failed', finishedAt: plan.now(), failure });
        return false;
      }
      // Whoever took the lease over may have ended this operation: there is nothing more to say in it.
      if (result.stopped === 'fenced') return false;
      const { detail, failure, lookAgainSeconds } = outcome;
      await note({ state: 'working', detail, ...(failure === undefined ? {} : { failure }) });
      if (result.stopped !== undefined || broken !== undefined || left() < lookAgainSeconds * 1000) {
        result.pending[step.key] = detail;
        result.lookAgainSeconds = Math.min(result.lookAgainSeconds ?? lookAgainSeconds, lookAgainSeconds);
        return false;
      }
      if ((await raced(halt.promise, lookAgainSeconds * 1000)) !== undefined) return false;
    }
  };

  const attempt = async (step: Step): Promise<Outcome> => {
    const within = <T>(work: Promise<T>) => raced(work, left(), halt.promise);
    try {
      return await step.ensure(outputs, { permit: plan.permit, within });
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      result.stopped = error.reason;
      return { state: 'pending', detail: 'stopped', lookAgainSeconds: Number.MAX_SAFE_INTEGER };
    }
  };

  /** A walk may do nothing but wait for a long time: who cancels it, or takes its lease, should not. */
  const watch = async (): Promise<void> => {
    while ((await raced(over.promise, plan.lookEvery ?? 3_000)) === undefined) {
      try {
        await plan.permit();
      } catch (error) {
        // A store that does not answer is met by whoever writes next.
        if (!(error instanceof Stopped)) continue;
        result.stopped ??= error.reason;
        return halt.resolve();
      }
    }
  };

  void watch();
  await Promise.all(plan.steps.map((step) => finish(step.key)));
  over.resolve();
  if (broken !== undefined) throw (broken as { error: unknown }).error;
  return result;
}

/** Refuses a graph with a cycle or a dependency that is not there, which `walk` would wait for without end. */
export function checkGraph(steps: readonly Pick<Step, 'key' | 'dependsOn'>[]): void {
  const byKey = new Map(steps.map((step) => [step.key, step]));
  const state = new Map<string, 'entered' | 'left'>();
  const visit = (key: string, path: string[]): void => {
    if (state.get(key) === 'left') return;
    if (state.get(key) === 'entered') throw new Error(`The graph has a cycle: ${[...path, key].join(' → ')}.`);
    const step = byKey.get(key);
    if (step === undefined) throw new Error(`Step '${key}' is depended on but not in the graph (${path.join(' → ')}).`);
    state.set(key, 'entered');
    for (const dependency of step.dependsOn) visit(dependency, [...path, key]);
    state.set(key, 'left');
  };
  for (const { key } of steps) visit(key, []);
}

/** The same steps for taking down: each waits for those that depended on it. */
export function reversed<T extends { key: string; dependsOn: readonly string[] }>(items: readonly T[]): T[] {
  const present = new Set(items.map((item) => item.key));
  const dependants = new Map<string, string[]>();
  for (const item of items) {
    for (const dependency of item.dependsOn) {
      if (present.has(dependency)) dependants.set(dependency, [...(dependants.get(dependency) ?? []), item.key]);
    }
  }
  return items.map((item) => ({ ...item, dependsOn: dependants.get(item.key) ?? [] }));
}

/** Undefined when the time was up, or the wait was halted, first. */
async function raced<T>(
  work: Promise<T>,
  milliseconds: number,
  halted?: Promise<void>,
): Promise<{ value: T } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, milliseconds));
  });
  const stopped = halted?.then(() => undefined);
  try {
    return await Promise.race([work.then((value) => ({ value })), timeUp, ...(stopped === undefined ? [] : [stopped])]);
  } finally {
    clearTimeout(timer);
  }
}
