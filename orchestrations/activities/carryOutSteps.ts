import { type Step, Stopped, type WalkResult, walk } from '../../shared/azure/engine.ts';
import type { Outputs } from '../../shared/azure/resource.ts';
import type { Deps } from '../../shared/deps.ts';
import { type InventoryItem, listInventory, putInventory } from '../../shared/store/inventory.ts';
import { changeLease, findHeldLease, type Holder, leaseMilliseconds } from '../../shared/store/leases.ts';
import { listSteps, putStep, type StepProgress } from '../../shared/store/operations.ts';
import { secondsAfter } from '../../shared/time.ts';
import type { Progress } from '../contracts.ts';

/** One call works for this long, in milliseconds: well under the function time-out, and a restart loses no more than that. */
const budget = 45_000;
/** A wait shorter than this is spent inside the next call: a durable timer may come up to 30 s late. */
const shortWaitSeconds = 20;

/** Azure may say "in an hour"; by then the lease, which each call renews, would have run out. */
const longestWaitSeconds = leaseMilliseconds / 2000;

/** A MySQL server with zone redundancy takes up to 15 minutes, a hung operation of Azure longer: then a person should look. */
export const longestOperationSeconds = 2 * 3600;

/** What is known of others than these steps: what they say themselves is newer. */
export function beside(known: Outputs, steps: readonly Step[]): Outputs {
  const keys = new Set(steps.map(({ key }) => key));
  return Object.fromEntries(Object.entries(known).filter(([key]) => !keys.has(key)));
}

/** A stop between walks, as a value. */
export async function unlessStopped<T>(work: Promise<T>): Promise<T | Stopped> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Stopped) return error;
    throw error;
  }
}

/** How a walk differs from a whole provision. */
interface CarryOut {
  /** Outputs of steps that are depended on and not in this graph. */
  known?: Outputs;
  /** After this long an operation that is still not done has failed. */
  longestSeconds?: number;
}

/** Walks the steps under the holder's lease, keeping progress and inventory in the store as it happens. */
export async function carryOutSteps(
  deps: Deps,
  holder: Holder,
  steps: Step[],
  { known = {}, longestSeconds = longestOperationSeconds }: CarryOut = {},
): Promise<Progress> {
  const { tables } = deps;
  const lease = await findHeldLease(tables, holder);
  const deadline = new Date(deps.now().getTime() + leaseMilliseconds);
  if (lease === undefined || !(await changeLease(tables, holder, { deadline, yields: false })))
    return { state: 'fenced' };
  if (lease.cancelRequested) return { state: 'canceled' };
  const [recorded, inventory] = await Promise.all([
    listSteps(tables, holder.operationId),
    listInventory(tables, holder.jumpServer),
  ]);
  const progress = new Map(recorded.map((step) => [step.key, step]));
  await announce(deps, holder, steps, progress);
  const walked = walk({
    steps: steps.map((step) => asRecorded(step, progress.get(step.key))),
    done: { ...known, ...doneOutputs(steps, progress) },
    budget,
    now: deps.now,
    permit: () => permit(deps, holder),
    record: createRecorder(deps, holder, steps, progress, inventory, deadline),
  });
  const result = await unlessStopped(walked);
  if (result instanceof Stopped) return { state: result.reason };
  return progressOf(deps, result, lease.requestedAt, longestSeconds);
}

/** What stands as failed in this operation stays failed: the next operation tries it again. */
function asRecorded(step: Step, recorded: StepProgress | undefined): Step {
  const failure = recorded?.state === 'failed' ? recorded.failure : undefined;
  return failure === undefined ? step : { ...step, ensure: async () => ({ state: 'failed', failure }) };
}

function doneOutputs(steps: readonly Step[], progress: Map<string, StepProgress>): Outputs {
  const ready = steps.flatMap(({ key }) => {
    const recorded = progress.get(key);
    return recorded?.state === 'ready' || recorded?.state === 'removed' ? [[key, recorded.output ?? {}] as const] : [];
  });
  return Object.fromEntries(ready);
}

/** The lease and the wish to cancel are read before every write: what lost its lease may wake up at any time. */
export async function permit(deps: Deps, holder: Holder): Promise<void> {
  const lease = await findHeldLease(deps.tables, holder);
  if (lease === undefined) throw new Stopped('fenced');
  if (lease.cancelRequested) throw new Stopped('canceled');
}

/** A line per step from the beginning, so that a reader sees what is to come. */
async function announce(deps: Deps, holder: Holder, steps: Step[], progress: Map<string, StepProgress>): Promise<void> {
  const fresh = steps.filter((step) => !progress.has(step.key));
  await Promise.all(
    fresh.map(({ key, type }) => putStep(deps.tables, holder.operationId, { key, type, state: 'waiting' })),
  );
}

function createRecorder(
  deps: Deps,
  holder: Holder,
  steps: readonly Step[],
  progress: Map<string, StepProgress>,
  inventory: readonly InventoryItem[],
  leaseUntil: Date,
): (now: StepProgress) => Promise<void> {
  const byKey = new Map(steps.map((step) => [step.key, step]));
  const owned = new Map(inventory.map((item) => [item.key, item]));
  return async (now) => {
    const step = byKey.get(now.key);
    if (step === undefined) return;
    // Until then the lease is certainly ours. Later, this process may have been asleep while another operation took it over.
    if (deps.now() >= leaseUntil) await permit(deps, holder);
    const startedAt = progress.get(now.key)?.startedAt ?? now.startedAt;
    const known = owned.get(now.key);
    if (step.removes !== true && step.passing !== true && (known === undefined || now.output !== undefined)) {
      // Before the first write, so that nothing is ever made that is not known; again with what it turned out to be.
      const { key, type, id, dependsOn, standsOn = dependsOn, writeQueue } = step;
      const output = now.output ?? known?.output ?? {};
      const queue = writeQueue === undefined ? {} : { writeQueue };
      const item = { key, type, id, dependsOn: [...standsOn], ...queue, output };
      // Whoever took the lease over may have taken this down again: what is owned is only for the holder to say.
      if ((await findHeldLease(deps.tables, holder)) === undefined) throw new Stopped('fenced');
      await putInventory(deps.tables, holder.jumpServer, item);
      owned.set(now.key, item);
    }
    const row: StepProgress = { ...now, ...(startedAt === undefined ? {} : { startedAt }) };
    await putStep(
      deps.tables,
      holder.operationId,
      step.removes === true && now.state === 'ready' ? { ...row, state: 'removed' } : row,
    );
  };
}

function progressOf(deps: Deps, result: WalkResult, begunAt: Date, longestSeconds: number): Progress {
  if (result.stopped !== undefined) return { state: result.stopped };
  if (result.lookAgainSeconds !== undefined) {
    if (secondsAfter(begunAt, longestSeconds) < deps.now()) return timedOut(result.pending, longestSeconds);
    const wait = Math.min(result.lookAgainSeconds, longestWaitSeconds);
    return { state: 'pending', waitSeconds: wait < shortWaitSeconds ? 0 : wait };
  }
  const [failure] = result.failures;
  return failure === undefined ? { state: 'done' } : { state: 'failed', failure };
}

function timedOut(pending: Record<string, string>, longestSeconds: number): Progress {
  const [[target, detail] = ['', '']] = Object.entries(pending);
  const message = `After ${Math.round(longestSeconds / 60)} minutes this was still open: ${target}: ${detail}.`;
  const advice = 'Look at this step, then send the same request again: it carries on from here.';
  return { state: 'failed', failure: { code: 'TimedOut', message, advice, target } };
}
