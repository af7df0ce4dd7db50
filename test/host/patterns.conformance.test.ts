import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviationOf } from './deviations.ts';
import { type AppDirectory, HostProcess, until } from './hostProcess.ts';
import { haveRecordings, type Measured, patterns, patternTitle, recordedApp, whyNot } from './recordings.ts';

/** What the recorded numbers of a graph walked with Task.any may differ by: they depend on which results arrive together. */
const tolerance = 0.15;
const chosen = patterns().filter(
  (each) => process.env.HOST_HEAVY || !deviationOf('patterns', patternTitle(each))?.isHeavy,
);
/** These keep the whole host busy, and the others measure. */
const isFan = ({ orchestration }: Measured): boolean => orchestration.startsWith('fan');
const titled = (some: readonly Measured[]) => some.map((each) => [patternTitle(each), each] as const);

describe.skipIf(!haveRecordings)(`The local host shows what was measured on the real one${whyNot}`, () => {
  let directory: AppDirectory;
  let host: HostProcess;
  beforeAll(async () => {
    directory = recordedApp('patterns.js');
    host = await HostProcess.start(directory);
  });
  afterAll(async () => {
    await host?.end('SIGKILL');
    directory?.remove();
  });

  const run = async (name: string, expected: Measured): Promise<void> => {
    const id = name.replace(' ', '-');
    await host.startInstance(expected.orchestration, id, { ...expected.input, run: id });
    await moments[expected.orchestration]?.(host, id);
    const status = await host.finished(id, 110_000);
    expect(status.runtimeStatus).toBe(expected.status ?? 'Completed');
    if (expected.output) expect(status.output).toEqual(expected.output);
    const counts = Object.values((await host.json(`/api/counts?run=${id}`)) as Record<string, number>);
    const all = counts.reduce((sum, each) => sum + each, 0);
    if (expected.activities) expect(all).toBe(expected.activities);
    if (expected.maxRunsOfOneActivity) expect(Math.max(...counts)).toBe(expected.maxRunsOfOneActivity);
    const { episodes = 0 } = (status.output ?? {}) as { episodes?: number };
    if (expected.episodes) expect(Math.abs(episodes / expected.episodes - 1)).toBeLessThanOrEqual(tolerance);
    if (expected.foldedHistory) {
      const events = await eventsOf(host, id);
      expect(Math.abs(events.length / expected.foldedHistory - 1)).toBeLessThanOrEqual(tolerance);
    }
  };
  const timeout = 120_000;
  it.concurrent.each(titled(chosen.filter((each) => !isFan(each))))('in %s', { timeout }, run);
  it.each(titled(chosen.filter(isFan)))('in %s', { timeout }, run);
});

/** When the event is raised, for what waits for one: the recorded driver counted seconds. */
const moments: Record<string, (host: HostProcess, id: string) => Promise<void>> = {
  loopReuse: async (host, id) => {
    await happened(host, id, 'TimerCreated', 4);
    await raise(host, id);
  },
  loopNew: raiseBetweenWaits,
  loopCan: raiseBetweenWaits,
};

/** What a suspended instance has received is handled at its resume, in order: first the timer that ends the wait, then the event. */
async function raiseBetweenWaits(host: HostProcess, id: string): Promise<void> {
  await happened(host, id, 'TimerCreated', 1);
  await command(host, id, 'suspend');
  await happened(host, id, 'TimerFired', 1);
  await raise(host, id);
  await command(host, id, 'resume');
}

async function raise(host: HostProcess, id: string): Promise<void> {
  const answer = await fetch(`${host.origin}/api/raise/${id}`, { method: 'POST' });
  expect(answer.status).toBe(202);
}

async function command(host: HostProcess, id: string, verb: 'suspend' | 'resume'): Promise<void> {
  const answer = await fetch(`${host.origin}/runtime/webhooks/durabletask/instances/${id}/${verb}`, { method: 'POST' });
  expect(answer.status).toBe(202);
}

async function eventsOf(host: HostProcess, id: string): Promise<Record<string, unknown>[]> {
  return (await host.status(id, '?showHistory=true')).historyEvents ?? [];
}

async function happened(host: HostProcess, id: string, type: string, times: number): Promise<void> {
  await until(`${times} ${type} of ${id}`, 20_000, async () => {
    const events = await eventsOf(host, id);
    return events.filter(({ EventType }) => EventType === type).length >= times ? true : null;
  });
}
