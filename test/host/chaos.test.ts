import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { appDirectory, HostProcess } from './hostProcess.ts';

const durationMs = 20_000;
const upTo = (n: number): number[] => Array.from({ length: n }, (_, k) => k);

/** What is started again and again, with its result. */
const kinds: readonly (readonly [name: string, input: object, output: unknown])[] = [
  ['chain', { steps: 8, ms: 10 }, upTo(8)],
  ['fan', { steps: 12, ms: 20 }, upTo(12)],
  ['family', { children: 3, steps: 3, ms: 10 }, [upTo(3), upTo(3), upTo(3)]],
  ['generations', { left: 15 }, 120],
  ['timer', { seconds: 2 }, 'woke'],
];

// Half a minute of two processors: run with HOST_HEAVY=1.
describe.skipIf(!process.env.HOST_HEAVY)('Two hosts of which one or the other is killed all the time', () => {
  it('finish everything that they have accepted, with the right result', { timeout: 120_000 }, async () => {
    const directory = appDirectory('durable.cjs', {
      'durable.cjs': { copyOf: join(import.meta.dirname, 'app/durable.cjs') },
    });
    const runs = join(directory.app, '../runs');
    writeFileSync(runs, '');
    let started = 0;
    const start = (): Promise<HostProcess> => {
      started += 1;
      return HostProcess.start(directory, { env: { RUNS: runs }, name: `host${started}` });
    };
    const hosts = await Promise.all([start(), start()]);
    const accepted = new Map<string, unknown>();
    const end = Date.now() + durationMs;
    for (let round = 0; Date.now() < end; round += 1) {
      for (const [name, input, output] of kinds) {
        const id = `${name}-${round}`;
        const answer = await hosts[round % 2]?.startInstance(name, id, { run: id, ...input });
        if (answer?.status === 202) accepted.set(id, output);
      }
      await delay(Math.random() * 300);
      const victim = Math.random() < 0.5 ? 0 : 1;
      await hosts[victim]?.end('SIGKILL');
      hosts[victim] = await start();
    }
    for (const [id, output] of accepted) expect([id, (await hosts[0]?.finished(id))?.output]).toEqual([id, output]);
    for (const host of hosts) await host?.end('SIGKILL');
    directory.remove();
  });
});
