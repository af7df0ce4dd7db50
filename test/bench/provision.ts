import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { TableClient } from '@azure/data-tables';
import { durations } from '../../local/azure/arm/durations.ts';
import { type Stack, startStack } from '../../local/start/stack.ts';
import { median, print } from './figures.ts';

interface Step {
  key: string;
  type: string;
  id: string;
  dependsOn: string[];
}

interface ArmOperation {
  resourceId: string;
  /** What it took on this machine; missing while it runs. */
  seconds?: number;
}

const spec = { location: 'westeurope', network: { allowedSources: ['127.0.0.0/24'] } };
const names = ['bench-1', 'bench-2', 'bench-3'];

/** One provision, and what it asked of others. */
interface Run {
  seconds: number;
  /** Of the critical path through the long-running operations that Azure recorded. */
  path: number;
  id: string;
  steps: Step[];
  requests: { method: string; url: string }[];
}

/**
 * Three provisions, one after the other, on an otherwise idle local Azure: how long they took beyond the critical path of the long-running
 * operations that each recorded, what that is at Azure's real durations, and what one asked of ARM and of the durable extension.
 */
export async function benchProvision(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  const stack = await startStack({ dir, factor: 0.02, quiet: true });
  try {
    const runs: Run[] = [];
    for (const name of names) runs.push(await run(stack, name));
    const [{ id, steps, requests }] = runs as [Run];
    const [seconds, path] = [median(runs.map((one) => one.seconds)), median(runs.map((one) => one.path))];
    const overhead = median(runs.map((one) => one.seconds - one.path));
    const real = (step: Step) => durations[step.type]?.create?.[0] ?? 0;
    const realPath = longest(steps, real);
    const oneByOne = steps.reduce((sum, step) => sum + real(step), 0);
    const history = historyOf(dir, id);
    const count = (...methods: string[]) => requests.filter((one) => methods.includes(one.method)).length;
    const polls = requests.filter((one) => /operation/i.test(one.url)).length;
    const unchanged = await unchangedPut(stack, dir);
    print(`Provision (medians of ${runs.length} runs; baseline: the critical path of each one's operations)`, [
      ['seconds at factor 0.02', seconds.toFixed(1), path.toFixed(1), seconds / path],
      ['seconds beyond the critical path', overhead.toFixed(1), '0'],
      [
        'seconds at factor 1 (≤ 1.05)',
        (realPath + overhead).toFixed(0),
        `${realPath} (critical path)`,
        (realPath + overhead) / realPath,
      ],
      [
        'seconds at factor 1',
        (realPath + overhead).toFixed(0),
        `${oneByOne} (one after another)`,
        (realPath + overhead) / oneByOne,
      ],
    ]);
    print('Calls of one provision', [
      [
        'ARM writes',
        String(count('PUT', 'PATCH', 'DELETE', 'POST')),
        `${steps.filter((step) => step.id !== '').length} resources`,
      ],
      ['ARM reads of resources', String(count('GET') - polls), ''],
      ['ARM polls of operations', String(polls), ''],
      ['ARM calls of an unchanged PUT', String(unchanged), '0'],
      ['durable history events', String(history.events), ''],
      ['durable episodes', String(history.episodes), ''],
    ]);
  } finally {
    await stack.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function run(stack: Stack, name: string): Promise<Run> {
  const before = armRequests(stack.dir).length;
  const { seconds, id } = await provision(stack, name);
  const requests = armRequests(stack.dir).slice(before);
  const steps = await graph(stack, name);
  const recorded = await recordedSeconds(stack, steps);
  return { seconds, id, steps, requests, path: longest(steps, (step) => recorded.get(step.key) ?? 0) };
}

const armRequests = (dir: string): { method: string; url: string }[] =>
  readFileSync(join(dir, 'arm-requests.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

async function call(stack: Stack, method: string, path: string, body?: unknown) {
  const url = path.startsWith('http') ? path : `${stack.endpoints.api}${path}`;
  const headers = {
    authorization: `Bearer ${await stack.token('JumpServer.Admin')}`,
    'content-type': 'application/json',
  };
  return fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

async function provision(stack: Stack, name: string): Promise<{ seconds: number; id: string }> {
  const started = performance.now();
  const put = await call(stack, 'PUT', `/jump-servers/${name}`, spec);
  const url = put.headers.get('operation-location') ?? '';
  for (;;) {
    const operation = (await (await call(stack, 'GET', url)).json()) as { id: string; status: string; error?: object };
    if (operation.status === 'Succeeded') return { seconds: (performance.now() - started) / 1000, id: operation.id };
    if (operation.error !== undefined) throw new Error(`The provision failed: ${JSON.stringify(operation.error)}`);
    await delay(100);
  }
}

/** The graph as the product recorded it. */
async function graph(stack: Stack, name: string): Promise<Step[]> {
  const getToken = async () => {
    const token = await stack.mint({ audience: 'https://storage.azure.com' });
    return { token, expiresOnTimestamp: Date.now() + 600_000 };
  };
  const table = new TableClient(stack.endpoints.tables, 'inventory', { getToken });
  const steps: Step[] = [];
  const rows = table.listEntities<{ type: string; id: string; dependsOn: string }>({
    queryOptions: { filter: `PartitionKey eq '${name}'` },
  });
  for await (const row of rows) {
    const key = (row.rowKey ?? '').replaceAll('|', '/');
    steps.push({ key, type: row.type, id: row.id, dependsOn: JSON.parse(row.dependsOn) as string[] });
  }
  return steps;
}

/** Seconds that Azure's long-running operations took, by step. */
async function recordedSeconds(stack: Stack, steps: Step[]): Promise<Map<string, number>> {
  const answer = await fetch(`${stack.endpoints.control}/operations`);
  const { value } = (await answer.json()) as { value: ArmOperation[] };
  const seconds = new Map<string, number>();
  for (const { resourceId, seconds: taken = 0 } of value) {
    const step = steps.find((one) => one.id.toLowerCase() === resourceId.toLowerCase());
    if (step !== undefined) seconds.set(step.key, (seconds.get(step.key) ?? 0) + taken);
  }
  return seconds;
}

/** Length of the longest chain of dependencies, each step weighing what `weigh` says. */
function longest(steps: Step[], weigh: (step: Step) => number): number {
  const known = new Map<string, number>();
  const until = (key: string): number => {
    const step = steps.find((one) => one.key === key);
    if (step === undefined) return 0;
    const end = known.get(key) ?? weigh(step) + Math.max(0, ...step.dependsOn.map(until));
    known.set(key, end);
    return end;
  };
  return Math.max(...steps.map((step) => until(step.key)));
}

/** The whole history, as the host keeps it: the webhook shows it folded, without the episodes. */
export function historyOf(dir: string, id: string): { events: number; episodes: number } {
  const database = new DatabaseSync(join(dir, 'host', 'Molcajete.sqlite'), { readOnly: true });
  const rows = database.prepare('SELECT event FROM history WHERE instance = ?').all(id) as { event: string }[];
  database.close();
  // An episode begins with OrchestratorStarted (functions-host.md, section 2).
  const episodes = rows.filter(({ event }) => (JSON.parse(event) as { EventType: number }).EventType === 12).length;
  return { events: rows.length, episodes };
}

async function unchangedPut(stack: Stack, dir: string): Promise<number> {
  const before = armRequests(dir).length;
  const put = await call(stack, 'PUT', `/jump-servers/${names[0]}`, spec);
  if (put.status !== 200) throw new Error(`An unchanged PUT was answered with ${put.status}.`);
  return armRequests(dir).length - before;
}
