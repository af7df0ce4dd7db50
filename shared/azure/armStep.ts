import { readArmError } from './armError.ts';
import type { AzureClients } from './clients.ts';
import { type Attempt, type Outcome, type Step, Stopped } from './engine.ts';
import type { Look, Resource } from './resource.ts';

/**
 * Seconds to the next look at what Azure is changing for a request that this process did not send: 2, 3, 4 … 10. That is 9 looks in the 45 s of
 * a call, where one machine allows 12 reads a minute (azure-behaviour.md, 1.6).
 */
export const nextLookSeconds = (looks: number): number => Math.min(10, 1 + looks);
/** What is referred to and not there is waited for so long: Azure does not know everywhere at once what was just made. Seconds. */
const missingPatience = 300;
/** Writes of one resource in one walk that did not make it what was asked for: more will not either. */
const convergenceLimit = 5;

/** How many failed writes, and how many waits, are remembered. Past that the oldest go: they belong to operations that have ended. */
const mostKept = 1000;

/** The writes in flight in this process. They outlive the walk that sent them, so that their failure is not lost with its budget. */
export interface Writes {
  start(id: string, queue: string | undefined, write: () => Promise<void>): Promise<void>;
  /** The write in flight, whoever sent it, or the one of this operation that failed and that nobody has seen yet. */
  find(id: string): Promise<void> | undefined;
  /** The failure has been seen. */
  forget(id: string): void;
  /** Has this operation waited for something for so long, by this process's memory? The first call begins the wait. */
  hasWaited(what: string, seconds: number): boolean;
  endWait(what: string): void;
  /** The same writes as another operation sees them: what failed for one that was canceled is no news to the next. */
  of(operationId: string): Writes;
}

interface Sent {
  operationId: string;
  write: Promise<void>;
  failed: boolean;
}

/** Keeps the writes of one queue one behind the other, whatever jump server or walk they belong to. */
export function createWrites(now: () => number = Date.now): Writes {
  const running = new Map<string, Sent>();
  const waits = new Map<string, number>();
  const behind = createQueues();
  const seenBy = (operationId: string): Writes => ({
    find(id) {
      const sent = running.get(id);
      if (sent === undefined || sent.operationId === operationId) return sent?.write;
      return sent.failed ? undefined : sent.write.catch(() => undefined);
    },
    forget: (id) => void running.delete(id),
    start(id, queue, write) {
      const sent: Sent = { operationId, write: queue === undefined ? write() : behind(queue, write), failed: false };
      running.set(id, sent);
      sent.write.then(
        () => running.get(id) === sent && running.delete(id),
        () => {
          sent.failed = true;
          keepNewest(running, ({ failed }) => failed);
        },
      );
      return sent.write;
    },
    hasWaited(what, seconds) {
      const wait = `${operationId} ${what}`;
      const since = waits.get(wait) ?? now();
      waits.set(wait, since);
      keepNewest(waits);
      return now() - since >= seconds * 1000;
    },
    endWait: (what) => void waits.delete(`${operationId} ${what}`),
    of: seenBy,
  });
  return seenBy('');
}

/** Takes the oldest away where there are too many. */
function keepNewest<T>(map: Map<string, T>, mayGo: (value: T) => boolean = () => true): void {
  for (const [key, value] of map) {
    if (map.size <= mostKept) return;
    if (mayGo(value)) map.delete(key);
  }
}

function createQueues(): (queue: string, write: () => Promise<void>) => Promise<void> {
  const queues = new Map<string, Promise<unknown>>();
  return (queue, write) => {
    const turn = (queues.get(queue) ?? Promise.resolve()).then(write);
    const over = turn
      .catch(() => undefined)
      .then(() => {
        if (queues.get(queue) === over) queues.delete(queue);
      });
    queues.set(queue, over);
    return turn;
  };
}

/** A resource as a step: look, and write only what differs; read back what was written. */
export function armStep(resource: Resource, azure: AzureClients, writes: Writes): Step {
  let written = 0;
  let errors = 0;
  let looks = 0;
  const write = async (change: NonNullable<Look['change']>, attempt: Attempt): Promise<Outcome> => {
    if (written === convergenceLimit) return doesNotConverge(resource.type);
    written++;
    await attempt.permit();
    const queued = async () => {
      // The wait for the turn may have been long: ask once more.
      if (resource.writeQueue !== undefined) await attempt.permit();
      await change.write();
    };
    return settle(writes.start(resource.id, resource.writeQueue, queued), attempt);
  };
  return {
    key: resource.key,
    type: resource.type,
    id: resource.id,
    dependsOn: resource.dependsOn,
    standsOn: resource.dependsOn,
    writeQueue: resource.writeQueue,
    async ensure(outputs, attempt) {
      try {
        const sent = writes.find(resource.id);
        if (sent !== undefined) return await settle(sent, attempt);
        const look = await resource.look(azure, outputs);
        if (look.observed === 'pending') return { ...working, lookAgainSeconds: nextLookSeconds(++looks) };
        if (look.change === undefined) {
          writes.endWait(resource.id);
          return { state: 'ready', output: look.output };
        }
        return await write(look.change, attempt);
      } catch (error) {
        writes.forget(resource.id);
        return afterError(error, ++errors, () => writes.hasWaited(resource.id, missingPatience));
      }
    },
  };
}

const working: Outcome = { state: 'pending', detail: 'Azure is working on it', lookAgainSeconds: nextLookSeconds(1) };
const readBack: Outcome = { state: 'pending', detail: 'reading it back', lookAgainSeconds: 0 };

const settle = async (sent: Promise<void>, attempt: Attempt): Promise<Outcome> =>
  (await attempt.within(sent)) === undefined ? working : readBack;

const doesNotConverge = (type: string): Outcome => ({
  state: 'failed',
  failure: {
    code: 'DoesNotConverge',
    message: `Azure accepted ${type} ${convergenceLimit} times and still shows something else than was asked for.`,
    advice: 'Look for an Azure Policy that modifies it.',
  },
});

/**
 * Transient failures are tried again after 2, 4, 8 … 60 seconds, or when Azure says; hopeless ones end the step.
 * @param errors how many transient failures the step has met in this walk, this one included
 * @param hasWaited whether what is not there has been waited for long enough
 */
export function afterError(error: unknown, errors: number, hasWaited = () => false): Outcome {
  if (error instanceof Stopped) throw error;
  const read = readArmError(error);
  const { failure } = read;
  if (read.kind === 'hopeless' || (read.kind === 'missing' && hasWaited())) return { state: 'failed', failure };
  const asked = read.kind === 'transient' ? read.retryAfterSeconds : undefined;
  return {
    state: 'pending',
    detail: `will try again: ${failure.code}`,
    lookAgainSeconds: Math.max(1, asked ?? Math.min(60, 2 ** Math.min(errors, 6))),
    failure,
  };
}
