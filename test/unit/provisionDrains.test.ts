import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { advance } from '../../orchestrations/activities/advance.ts';
import { createWrites } from '../../shared/azure/armStep.ts';
import type { Step } from '../../shared/azure/engine.ts';
import { nodeName } from '../../shared/azure/names.ts';
import type { Outputs } from '../../shared/azure/resource.ts';
import type { Deps } from '../../shared/deps.ts';
import { requestOperation } from '../../shared/operations.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { putJumpServer } from '../../shared/store/jumpServers.ts';
import { listNodes, putNode } from '../../shared/store/nodes.ts';
import { findOperation } from '../../shared/store/operations.ts';
import type { Tables } from '../../shared/store/tables.ts';
import { secondsAfter } from '../../shared/time.ts';
import { carryThrough, createProcess, inFakeTime, type Process, tablesOf } from './mortal.ts';
import { specWith } from './sample.ts';
import { jumpServer, reportAll, type SimulatedNode, seedInventory } from './simulatedNodes.ts';
import { createTablesStub } from './tablesStub.ts';

vi.mock('../../shared/topology.ts', () => ({ topologyOf: () => [] }));
/** All that there is is as it should be, but for the parts of the second node. */
vi.mock('../../shared/steps/ownSteps.ts', () => ({
  ownSteps: (_deps: Deps, _writes: object, _name: string, _spec: object, _fleet: object, known: Outputs): Step[] =>
    ['ingress', ...Object.keys(known)]
      .filter((key) => !key.startsWith('node-2/'))
      .map((key) => ({
        ...{ key, type: '', id: '', dependsOn: [], passing: true },
        ensure: async () => ({ state: 'ready', output: known[key] ?? {} }),
      })),
}));

const start = new Date('2026-11-23T12:00:00Z');
const spec = specWith({ web: { count: 1 } });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: start });
});
afterEach(() => {
  vi.useRealTimers();
});

let tables: Tables;
let nodes: Map<string, SimulatedNode>;

/** Machines obey at once; what is deleted takes five minutes to go. */
function azureOf({ read, write }: Process) {
  let there = true;
  const missing = () => Object.assign(new Error('gone'), { statusCode: 404 });
  const running = (name: string): boolean => nodes.get(name)?.running === true;
  return {
    compute: {
      virtualMachines: {
        instanceView: (_group: string, name: string) =>
          read(async () => ({ statuses: [{ code: `PowerState/${running(name) ? 'running' : 'deallocated'}` }] })),
        deallocate: (_group: string, name: string) => write(async () => void nodes.delete(name)),
      },
    },
    resources: {
      resources: {
        getById: () =>
          read(async () => {
            if (!there) throw missing();
            return { tags: { 'molcajete-jump-server': jumpServer } };
          }),
        beginDeleteByIdAndWait: () =>
          write(async () => {
            await new Promise((wake) => setTimeout(wake, 300_000));
            there = false;
          }),
      },
    },
  };
}

function begin(process: Process) {
  const deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api', MOLCAJETE_API_AUDIENCE: ['api'] },
    now: () => new Date(),
    tables: tablesOf(tables, process, () => reportAll(tables, spec, nodes, () => true)),
    azure: azureOf(process),
  } as unknown as Deps;
  return { deps, activity: advance(deps, createWrites()) };
}

test('a PUT that waited for hours for the sessions of a node that goes still removes what it was made of', async () => {
  tables = createTablesStub();
  await putJumpServer(tables, { name: jumpServer, spec, state: 'Ready', createdAt: start, lastOperation: 'first' });
  await seedInventory(tables, [1, 2]);
  const parts = [
    { key: 'node-2/virtualMachine', type: 'Microsoft.Compute/virtualMachines', id: '/demo-2' },
    { key: 'node-2/health', type: '', id: '', dependsOn: ['node-2/virtualMachine'] },
  ];
  for (const part of parts) await putInventory(tables, jumpServer, { dependsOn: [], ...part, output: {} });
  await putNode(tables, jumpServer, { number: 1, state: 'running', since: start });
  const drainUntil = secondsAfter(start, 4 * 3600);
  await putNode(tables, jumpServer, { number: 2, state: 'draining', since: start, drainUntil });
  const node = { running: true, account: 'a1', certificate: 'c1', sessions: 1 };
  nodes = new Map([1, 2].map((number) => [nodeName(jumpServer, number), { ...node }]));
  const caller = { objectId: 'anna', name: 'anna', roles: [] };
  const { deps } = begin(createProcess(undefined));
  const holder = await requestOperation(deps, async () => {}, {
    ...{ jumpServer, kind: 'provision', spec, reason: 'test', caller },
  });
  await inFakeTime(carryThrough(begin, holder, undefined));
  const { status, failure } = (await findOperation(tables, jumpServer, holder.operationId)) ?? {};
  expect({ status, failure }).toEqual({ status: 'Succeeded' });
  expect(new Date() > drainUntil).toBe(true);
  expect((await listNodes(tables, jumpServer)).map(({ number }) => number)).toEqual([1]);
});
