import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AppDirectory, appDirectory, HostProcess, until } from './hostProcess.ts';

/** Far below the five minutes that the real host's queues take, far above what a loaded machine needs. */
const promptMs = 5_000;

describe('A host that is killed', () => {
  let directory: AppDirectory;
  let runs: string;
  const hosts: HostProcess[] = [];
  const start = async (): Promise<HostProcess> => {
    const host = await HostProcess.start(directory, { env: { RUNS: runs }, name: `host${hosts.length}` });
    hosts.push(host);
    return host;
  };
  const lines = (): string[] => readFileSync(runs, 'utf8').split('\n').filter(Boolean);
  const count = (line: string): number => lines().filter((each) => each === line).length;

  beforeEach(() => {
    directory = appDirectory('durable.cjs', {
      'durable.cjs': { copyOf: join(import.meta.dirname, 'app/durable.cjs') },
    });
    runs = join(directory.app, '../runs');
    writeFileSync(runs, '');
  });
  afterEach(async () => {
    for (const host of hosts.splice(0)) await host.end('SIGKILL');
    directory.remove();
  });

  it('runs the activity it was in again, at once, and none that had ended', async () => {
    const first = await start();
    await first.startInstance('chain', 'c', { run: 'c', steps: 3, ms: 400 });
    await until('the second activity', promptMs, () => (count('begin c 1') ? true : null));
    await first.end('SIGKILL');
    const second = await start();
    const status = await second.finished('c', promptMs);
    expect(status.output).toEqual([0, 1, 2]);
    expect([0, 1, 2].map((k) => count(`begin c ${k}`))).toEqual([1, 2, 1]);
  });

  it('fires the timers that were set, and those that became due meanwhile at its start', async () => {
    const first = await start();
    await first.startInstance('timer', 'soon', { seconds: 2 });
    await first.startInstance('timer', 'later', { seconds: 4 });
    await until('both to wait', promptMs, async () => {
      const all = await Promise.all(['soon', 'later'].map((id) => first.status(id, '?showHistory=true')));
      return all.every(({ historyEvents }) => historyEvents?.some(({ EventType }) => EventType === 'TimerCreated'))
        ? true
        : null;
    });
    await first.end('SIGKILL');
    await delay(1_500);
    const second = await start();
    const readyAt = Date.now();
    expect((await second.finished('soon', promptMs)).output).toBe('woke');
    expect(Date.now() - readyAt).toBeLessThan(1_000);
    expect((await second.finished('later', promptMs)).output).toBe('woke');
  });

  it('keeps an event whose raising was answered', async () => {
    const first = await start();
    await first.startInstance('wait', 'w');
    const raised = await fetch(`${first.origin}/runtime/webhooks/durabletask/instances/w/raiseEvent/go`, {
      method: 'POST',
      body: '{"kept":true}',
      headers: { 'content-type': 'application/json' },
    });
    await first.end('SIGKILL');
    expect(raised.status).toBe(202);
    const second = await start();
    expect((await second.finished('w', promptMs)).output).toEqual({ kept: true });
  });

  it('again and again at any moment loses and doubles no result', async () => {
    const ids = { chain: ['c1', 'c2', 'c3', 'c4'], fan: ['f1', 'f2'], family: ['s1', 's2'], generations: ['g1', 'g2'] };
    const all = Object.values(ids).flat();
    let host = await start();
    for (const id of ids.chain) await host.startInstance('chain', id, { run: id, steps: 12, ms: 15 });
    for (const id of ids.fan) await host.startInstance('fan', id, { run: id, steps: 25, ms: 40 });
    for (const id of ids.family) await host.startInstance('family', id, { run: id, children: 4, steps: 4, ms: 15 });
    for (const id of ids.generations) await host.startInstance('generations', id, { run: id, left: 25 });
    for (const afterMs of [0, 40, 90, 10, 150, 60]) {
      await delay(afterMs);
      await host.end('SIGKILL');
      host = await start();
    }
    const done = Object.fromEntries(
      await Promise.all(all.map(async (id) => [id, (await host.finished(id)).output] as const)),
    );
    const upTo = (n: number): number[] => Array.from({ length: n }, (_, k) => k);
    for (const id of ids.chain) expect(done[id]).toEqual(upTo(12));
    for (const id of ids.fan) expect(done[id]).toEqual(upTo(25));
    for (const id of ids.family) expect(done[id]).toEqual(upTo(4).map(() => upTo(4)));
    for (const id of ids.generations) expect(done[id]).toBe(325);
  });
});
