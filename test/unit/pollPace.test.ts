import { createHttpHeaders, createPipelineRequest, type PipelineResponse } from '@azure/core-rest-pipeline';
import { expect, test } from 'vitest';
import { pollPacePolicy, pollSeconds } from '../../shared/azure/pollPace.ts';

/** An operation of Azure: when it begins and how long it takes, in seconds. */
interface Operation {
  from: number;
  takes: number;
}

/** Polls the operations to their ends, beside other reads; the lowest level of a bucket from which each read takes one. */
function lowest(operations: Operation[], reads: number[], size: number, refillASecond: number): number {
  const ends = new Map(operations.map((one) => [one, one.from + one.takes]));
  const due: { at: number; operation?: Operation }[] = [
    ...operations.map((operation) => ({ at: operation.from, operation })),
    ...reads.map((at) => ({ at })),
  ];
  let [level, least, before] = [size, size, 0];
  while (due.length > 0) {
    due.sort((a, b) => b.at - a.at);
    const next = due.pop();
    if (next === undefined) break;
    const { at, operation } = next;
    level = Math.min(size, level + (at - before) * refillASecond) - 1;
    least = Math.min(least, level);
    before = at;
    if (operation === undefined || at >= (ends.get(operation) ?? 0)) continue;
    const polled = operations.filter((one) => one.from <= at && at < (ends.get(one) ?? 0)).length;
    due.push({ at: at + pollSeconds(at - operation.from, size === 250 ? level : 250, polled), operation });
  }
  return least;
}

test.each([60, 120, 1200])('a machine that takes %i s stays within its own bucket of operation reads', (takes) => {
  expect(lowest([{ from: 0, takes }], [], 45, 15 / 60)).toBeGreaterThan(0);
});

test('twenty jump servers that are made at once stay within what Azure lets one identity read in a region', () => {
  // The network's parts, two machines of 75 s, a server of 5 min and then its endpoints; a look before and after each.
  const one: Operation[] = [
    ...[2, 2, 3, 3, 4, 12, 14, 20].map((from) => ({ from, takes: 8 })),
    ...[28, 29].map((from) => ({ from, takes: 75 })),
    { from: 2, takes: 300 },
    ...[304, 304, 330, 330].map((from) => ({ from, takes: 20 })),
  ];
  const looks = one.flatMap(({ from, takes }) => [from - 0.5, from - 0.4, from + takes + 1]);
  const servers = Array.from({ length: 20 }, (_, server) => server);
  const operations = servers.flatMap((server) => one.map(({ from, takes }) => ({ from: from + server / 2, takes })));
  const reads = servers.flatMap((server) => looks.map((at) => at + server / 2));
  expect(lowest(operations, reads, 250, 25)).toBeGreaterThan(0);
});

test('the time that is not noticed is a few percent', () => {
  for (const takes of [30, 75, 300, 900]) {
    let at = 0;
    while (at < takes) at += pollSeconds(at, 250, 1);
    expect(at - takes).toBeLessThanOrEqual(Math.max(2, takes / 15));
  }
});

test('however many operations are polled, all polls together leave more than half of the refill to other reads', () => {
  for (const polled of [1, 20, 60, 150]) expect(polled / pollSeconds(0, 250, polled)).toBeLessThanOrEqual(10);
  expect(pollSeconds(0, 250, 20)).toBe(2);
});

async function answered(
  path: string,
  headers: Record<string, string>,
  elapsed: number[],
): Promise<(string | undefined)[]> {
  let now = 0;
  const policy = pollPacePolicy(
    () => now,
    () => 1,
  );
  const request = createPipelineRequest({ url: `https://management.azure.com${path}` });
  const answers: (string | undefined)[] = [];
  for (const seconds of elapsed) {
    now = seconds * 1000;
    const response: PipelineResponse = { request, status: 200, headers: createHttpHeaders(headers) };
    answers.push((await policy.sendRequest(request, async () => response)).headers.get('retry-after'));
  }
  return answers;
}

const operation =
  '/subscriptions/s/providers/Microsoft.Compute/locations/westeurope/operations/1?api-version=2026-04-01';

test('a poll without Retry-After gets one that grows; what Azure says, and what is no poll, stays', async () => {
  expect(await answered(operation, {}, [0, 30, 60])).toEqual(['2', '2', '4']);
  expect(await answered(operation, { 'retry-after': '7' }, [60])).toEqual(['7']);
  const scarce = { 'x-ms-ratelimit-remaining-subscription-reads': '100' };
  expect(await answered(operation, scarce, [0])).toEqual(['15']);
  const machine = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m';
  expect(await answered(machine, {}, [0, 60])).toEqual([undefined, undefined]);
});

test('reads that come when almost none are left are spread over the seconds in which they refill', async () => {
  const slept: number[] = [];
  const draws = [0.5, 0.25, 0.75];
  const policy = pollPacePolicy(
    () => 0,
    () => draws.shift() ?? 0,
    async (milliseconds) => slept.push(milliseconds),
  );
  const request = createPipelineRequest({ url: 'https://management.azure.com/subscriptions/s/resourceGroups/g' });
  for (const left of ['250', '40', '39', '120', '119']) {
    const headers = createHttpHeaders({ 'x-ms-ratelimit-remaining-subscription-reads': left });
    await policy.sendRequest(request, async () => ({ request, status: 200, headers }));
  }
  expect(slept).toEqual([2000, 1000]);
});
