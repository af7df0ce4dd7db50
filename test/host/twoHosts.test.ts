import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AppDirectory, appDirectory, HostProcess, until } from './hostProcess.ts';

describe('Two hosts on one store', () => {
  let directory: AppDirectory;
  let runs: string;
  let hosts: HostProcess[];
  const lines = (): string[] => readFileSync(runs, 'utf8').split('\n').filter(Boolean);

  beforeEach(async () => {
    directory = appDirectory('durable.cjs', {
      'durable.cjs': { copyOf: join(import.meta.dirname, 'app/durable.cjs') },
    });
    runs = join(directory.app, '../runs');
    writeFileSync(runs, '');
    hosts = await Promise.all(['a', 'b'].map((name) => HostProcess.start(directory, { env: { RUNS: runs }, name })));
  });
  afterEach(async () => {
    for (const host of hosts) await host.end('SIGKILL');
    directory.remove();
  });

  it('do every step of every orchestration once, whichever of them was asked', async () => {
    const ids = Array.from({ length: 30 }, (_, index) => `i${index}`);
    await Promise.all(
      ids.map((id, index) =>
        hosts[index % 2]?.startInstance(index % 3 ? 'chain' : 'fan', id, { run: id, steps: 6, ms: 5 }),
      ),
    );
    for (const [index, id] of ids.entries()) {
      // Each is asked about at the host that did not start it.
      expect((await hosts[(index + 1) % 2]?.finished(id))?.output).toEqual([0, 1, 2, 3, 4, 5]);
    }
    const begun = lines().filter((line) => line.startsWith('begin'));
    expect(begun.length).toBe(new Set(begun).size);
    expect(begun.length).toBe(ids.length * 6);
  });

  it.each([
    ['killed', 'SIGKILL'],
    ['stopped', 'SIGTERM'],
  ] as const)('take over from each other when one is %s', async (_how, signal) => {
    const [first, second] = hosts;
    if (!first || !second) throw new Error('Two hosts were started.');
    await first.startInstance('chain', 'c', { run: 'c', steps: 3, ms: 500 });
    await until('the first activity', 5_000, () => (lines().includes('begin c 0') ? true : null));
    await first.end(signal);
    expect((await second.finished('c', 8_000)).output).toEqual([0, 1, 2]);
  });

  it('deliver to an instance what the other one was told about it', async () => {
    const [first, second] = hosts;
    await first?.startInstance('wait', 'w');
    await until('the wait', 5_000, async () => ((await first?.status('w'))?.runtimeStatus === 'Running' ? true : null));
    await fetch(`${second?.origin}/runtime/webhooks/durabletask/instances/w/raiseEvent/go`, {
      method: 'POST',
      body: '"from b"',
      headers: { 'content-type': 'application/json' },
    });
    expect((await first?.finished('w'))?.output).toBe('from b');
  });

  it('run each tick of a timer once', async () => {
    const ticks = await until('five ticks', 10_000, () => {
      const seen = lines().filter((line) => line.startsWith('tick'));
      return seen.length >= 5 ? seen : null;
    });
    expect(new Set(ticks).size).toBe(ticks.length);
  });
});
