import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HubDatabase } from '../../local/host/durable/database.ts';
import { Leases } from '../../local/host/durable/leases.ts';
import { Timers } from '../../local/host/timers/timers.ts';
import { workerWith } from './fakeApp.ts';

describe('A timer function that runs longer than its interval', () => {
  let dir: string;
  const open: { timers: Timers; database: HubDatabase }[] = [];
  /** Seconds at which a run began, and how many ran at most at once. */
  let begun: number[] = [];
  let running = 0;
  let most = 0;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'molcajete-timers-'));
    begun = [];
    running = 0;
    most = 0;
    vi.useFakeTimers({ now: 500, toFake: ['Date', 'setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    for (const { timers, database } of open.splice(0)) {
      timers.stop();
      database.close();
    }
    rmSync(dir, { recursive: true });
  });
  /** A host with a function for every second, whose runs last as long as is said. */
  const start = (lastsMs: number) => {
    const database = new HubDatabase(dir, 'hub');
    const leases = new Leases(database);
    const trigger = { type: 'timerTrigger', name: 'timer', direction: 'in' as const, schedule: '* * * * * *' };
    const worker = workerWith('everySecond', trigger, async () => {
      begun.push(Math.floor(Date.now() / 100) / 10);
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, lastsMs));
      running -= 1;
    });
    const timers = new Timers(database, leases.hostId, worker, () => []);
    open.push({ timers, database });
    timers.start();
    return leases;
  };

  it('runs again right after the end, once for all that it has outlasted, and never beside itself', async () => {
    start(2_400);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(begun).toEqual([1, 3.4, 5.8, 8.2]);
    expect(most).toBe(1);
  });

  it('keeps to its schedule as soon as its runs are short enough again', async () => {
    start(900);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(begun).toEqual([1, 2, 3]);
  });

  it('runs on one of two hosts at a time, and on the other when its own has died', async () => {
    const first = start(10_000);
    start(10_000);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(begun).toEqual([1]);
    first.leave();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(begun).toEqual([1, 5]);
  });
});
