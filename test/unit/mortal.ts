import { vi } from 'vitest';
import { beginOperation, finishOperation } from '../../orchestrations/activities/operation.ts';
import type { Progress } from '../../orchestrations/contracts.ts';
import type { Deps } from '../../shared/deps.ts';
import type { Holder } from '../../shared/store/leases.ts';
import type { Tables } from '../../shared/store/tables.ts';

/** What whoever still runs in a process that has been killed meets. */
class Killed extends Error {}

/** The number of the write at which a process is killed: before it, or when it is done and nobody has heard of it. */
export interface Kill {
  at: number;
  done: boolean;
}

/** One process of the control plane, as far as it touches the world. */
export interface Process {
  read<T>(work: () => T): T;
  write<T>(work: () => Promise<T>): Promise<T>;
  writes(): number;
}

export function createProcess(kill: Kill | undefined): Process {
  let alive = true;
  let writes = 0;
  return {
    writes: () => writes,
    read(work) {
      if (!alive) throw new Killed();
      return work();
    },
    async write(work) {
      if (!alive) throw new Killed();
      writes++;
      if (writes !== kill?.at) return work();
      alive = false;
      if (kill.done) await work();
      throw new Killed();
    },
  };
}

/** The tables as a process sees them. @param beforeReports called before anything is read from the reports */
export function tablesOf(tables: Tables, process: Process, beforeReports: () => Promise<void>): Tables {
  type Call = (...given: unknown[]) => Promise<unknown>;
  const seen = (name: string) =>
    new Proxy(tables[name as keyof Tables], {
      get(table, method: 'getEntity' | 'listEntities' | 'upsertEntity') {
        const call = table[method].bind(table) as unknown as Call;
        if (method === 'getEntity')
          return async (...given: unknown[]) => {
            if (name === 'reports') await beforeReports();
            return process.read(() => call(...given));
          };
        if (method === 'listEntities')
          return async function* (...given: unknown[]) {
            if (name === 'reports') await beforeReports();
            yield* process.read(() => call(...given)) as unknown as AsyncIterable<unknown>;
          };
        return (...given: unknown[]) => process.write(() => call(...given));
      },
    });
  return new Proxy({} as Tables, { get: (_, name) => seen(String(name)) });
}

type Activity = (holder: Holder) => Promise<Progress>;

/** Runs an operation as its orchestration does: killed once, then in another process. Returns how many writes the first one made. */
export async function carryThrough(
  boot: (process: Process) => { deps: Deps; activity: Activity },
  holder: Holder,
  kill: Kill | undefined,
): Promise<number> {
  const first = createProcess(kill);
  try {
    await orchestrate(boot(first), holder);
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    await orchestrate(boot(createProcess(undefined)), holder);
  }
  return first.writes();
}

async function orchestrate({ deps, activity }: { deps: Deps; activity: Activity }, holder: Holder): Promise<void> {
  if (!(await beginOperation(deps)(holder)).proceed) return;
  for (;;) {
    const progress = await activity(holder);
    if (progress.state !== 'pending') return void (await finishOperation(deps)({ ...holder, ending: progress }));
    await new Promise((wake) => setTimeout(wake, progress.waitSeconds * 1000));
  }
}

/** Waits for it while the fake clock runs as fast as it can. */
export async function inFakeTime<T>(work: Promise<T>): Promise<T> {
  let over = false;
  const end = () => {
    over = true;
  };
  work.then(end, end);
  while (!over) await vi.advanceTimersToNextTimerAsync();
  return work;
}
