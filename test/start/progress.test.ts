import { afterEach, expect, test, vi } from 'vitest';
import { openProgress, type ResourceLine } from '../../local/start/progress.ts';

const rounds: ResourceLine[][] = [
  [
    { key: 'virtualNetwork', state: 'working', startedAt: new Date().toISOString() },
    { key: 'node-1', state: 'waiting', detail: 'virtualNetwork' },
  ],
  [
    { key: 'virtualNetwork', state: 'ready', seconds: 2.04 },
    { key: 'node-1', state: 'working' },
  ],
  [
    { key: 'virtualNetwork', state: 'ready', seconds: 2.04 },
    { key: 'node-1', state: 'failed', seconds: 31 },
  ],
];

test('without a terminal each resource gets one line, when it has ended', () => {
  let text = '';
  const progress = openProgress({ write: (part) => (text += part) });
  for (const round of rounds) progress.show(round, 50);
  expect(text).toBe('  ready      2.0 s  virtualNetwork\n  failed    31.0 s  node-1\n');
});

afterEach(() => vi.useRealTimers());

test('without a terminal a long silence is broken by what is being worked on', () => {
  vi.useFakeTimers();
  let text = '';
  const progress = openProgress({ write: (part) => (text += part) });
  const lines: ResourceLine[] = [{ key: 'mysqlServer', state: 'working', detail: 'Creating' }];
  for (let second = 0; second <= 20; second++) {
    progress.show(lines, 0);
    vi.advanceTimersByTime(1000);
  }
  expect(text).toBe('  working           mysqlServer  (Creating)\n');
});

test('on a terminal the table is drawn over itself and fits the screen', () => {
  const writes: string[] = [];
  const progress = openProgress({ isTTY: true, rows: 10, columns: 40, write: (part) => writes.push(part) });
  for (const round of rounds) progress.show(round, 50);
  expect(writes[1]).toMatch(new RegExp(`^${String.fromCharCode(27)}\\[3A`));
  progress.show(
    Array.from({ length: 50 }, (_, index) => ({ key: `long-${'x'.repeat(50)}${index}`, state: 'working' })),
    1,
  );
  const rows = (writes.at(-1) ?? '').trimEnd().split('\n');
  expect(rows.length).toBeLessThan(10);
  expect(rows.slice(1).every((row) => row.length < 40)).toBe(true);
});
