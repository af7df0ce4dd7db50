import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, startStack } from '../../local/start/stack.ts';
import { readConfig } from '../../shared/config.ts';
import { createDeps, type Deps, prepare } from '../../shared/deps.ts';
import { sweepHealing } from '../../shared/healing/sweep.ts';
import { specBody, specFor } from '../../shared/spec.ts';
import { putJumpServer } from '../../shared/store/jumpServers.ts';
import { putNode } from '../../shared/store/nodes.ts';
import { putReport } from '../../shared/store/reports.ts';
import { print, type Row } from './figures.ts';

const counts = [1, 100, 1000];
const nodesEach = 2;
const spec = { location: 'westeurope', network: { allowedSources: ['127.0.0.0/24'] } };
const nameOf = (index: number) => `js-${String(index).padStart(4, '0')}`;

/** A sweep over 1, 100 and 1,000 jump servers of two nodes: as ARM state and table rows, without processes. */
export async function benchSweep(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  const stack = await startStack({ dir, factor: 0.01, quiet: true });
  try {
    const deps = await depsOf(dir);
    await prepare(deps);
    // Its own timers would be counted with ours.
    await stack.killHost();
    const rows: Row[] = [];
    let made = 0;
    for (const count of counts) {
      await seed(stack, deps, made, count);
      made = count;
      const well = await sweep(deps, dir);
      const limit = Math.ceil((count * nodesEach) / 200) + 2;
      rows.push([`${count} jump servers, all well: ARM reads`, String(well.reads), `at most ${limit}`]);
      rows.push([
        `${count} jump servers, all well: seconds, operations`,
        well.seconds.toFixed(2),
        `${well.operations} operations, so no durable event`,
      ]);
    }
    await switchOff(stack, made, 20);
    const sick = await sweep(deps, dir);
    rows.push([
      `${made} jump servers, 5 % with a stopped machine: ARM reads`,
      String(sick.reads),
      'budget 250 at once, 1,500 a minute',
    ]);
    rows.push([
      `${made} jump servers, 5 % with a stopped machine: seconds, operations`,
      sick.seconds.toFixed(2),
      `${sick.operations} operations`,
    ]);
    print('Healing sweep', rows);
  } finally {
    await stack.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The product's own clients, with the settings of this copy. */
async function depsOf(dir: string): Promise<Deps> {
  const { Values } = JSON.parse(readFileSync(join(dir, 'local.settings.json'), 'utf8')) as {
    Values: Record<string, string>;
  };
  // The managed identity credential reads these itself.
  Object.assign(process.env, { IDENTITY_ENDPOINT: Values.IDENTITY_ENDPOINT, IDENTITY_HEADER: Values.IDENTITY_HEADER });
  return createDeps(readConfig(Values));
}

/** Jump servers from the one with this index up to a number: rows of the store, and their machines as ARM would show them. */
async function seed(stack: Stack, deps: Deps, from: number, to: number): Promise<void> {
  const names = Array.from({ length: to - from }, (_, index) => nameOf(from + index));
  for (let at = 0; at < names.length; at += 20)
    await Promise.all(names.slice(at, at + 20).map((name) => seedRows(deps, name)));
  await putMachines(
    stack,
    names.flatMap((name) => [1, 2].map((number) => machine(stack, name, number, 'running'))),
  );
}

async function seedRows(deps: Deps, name: string): Promise<void> {
  const now = new Date();
  await putJumpServer(deps.tables, {
    name,
    spec: specFor(name, specBody.parse(spec)),
    state: 'Ready',
    createdAt: now,
    lastOperation: 'seeded',
  });
  for (const number of [1, 2]) {
    await putNode(deps.tables, name, { number, state: 'running', since: now });
    // Ahead of the clock: the sweeps of this bench take longer than a node may be silent.
    const receivedAt = new Date(now.getTime() + 3_600_000);
    await putReport(deps.tables, name, { node: `${name}-${number}`, report, receivedAt });
  }
}

const healthy = { healthy: true };
const report = {
  bootId: 'seeded',
  agentVersion: '1',
  applied: null,
  haproxy: healthy,
  web: healthy,
  guacd: healthy,
  database: healthy,
  sessions: { served: 0, relayed: 0 },
  secrets: {},
  draining: false,
};

function machine({ endpoints }: Stack, name: string, number: number, power: 'running' | 'stopped') {
  const group = `/subscriptions/${endpoints.subscriptionId}/resourceGroups/molcajete-${name}`;
  return {
    id: `${group}/providers/Microsoft.Compute/virtualMachines/${name}-${number}`,
    name: `${name}-${number}`,
    type: 'Microsoft.Compute/virtualMachines',
    location: endpoints.location,
    tags: { 'local-no-guest': 'true' },
    properties: { provisioningState: 'Succeeded', vmId: `${name}-${number}` },
    internal: { power },
  };
}

/** Five in a hundred. */
async function switchOff(stack: Stack, count: number, every: number): Promise<void> {
  const names = Array.from({ length: count / every }, (_, index) => nameOf(index * every));
  await putMachines(
    stack,
    names.map((name) => machine(stack, name, 1, 'stopped')),
  );
}

async function putMachines({ endpoints }: Stack, value: object[]): Promise<void> {
  const answer = await fetch(`${endpoints.control}/resources`, { method: 'PUT', body: JSON.stringify({ value }) });
  if (!answer.ok) throw new Error(`The machines were not stored: ${answer.status} ${await answer.text()}`);
}

async function sweep(deps: Deps, dir: string): Promise<{ seconds: number; reads: number; operations: number }> {
  const before = armReads(dir);
  let operations = 0;
  const started = performance.now();
  await sweepHealing(deps, async () => {
    operations++;
  });
  return { seconds: (performance.now() - started) / 1000, reads: armReads(dir) - before, operations };
}

const armReads = (dir: string): number =>
  readFileSync(join(dir, 'arm-requests.jsonl'), 'utf8').split('\n').filter(Boolean).length;
