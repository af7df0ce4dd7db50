import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { mend } from '../../orchestrations/activities/heal.ts';
import { createWrites } from '../../shared/azure/armStep.ts';
import type { AzureClients } from '../../shared/azure/clients.ts';
import type { Step } from '../../shared/azure/engine.ts';
import { nodeName } from '../../shared/azure/names.ts';
import type { Deps } from '../../shared/deps.ts';
import type { NodeOrder } from '../../shared/healing/order.ts';
import { requestOperation } from '../../shared/operations.ts';
import { findHealing } from '../../shared/store/healing.ts';
import { putJumpServer } from '../../shared/store/jumpServers.ts';
import type { Holder } from '../../shared/store/leases.ts';
import { putNode } from '../../shared/store/nodes.ts';
import { findOperation } from '../../shared/store/operations.ts';
import type { Tables } from '../../shared/store/tables.ts';
import { carryThrough, createProcess, inFakeTime, type Kill, type Process, tablesOf } from './mortal.ts';
import { specWith } from './sample.ts';
import { addressOf, jumpServer, machineParts, reportAll, type SimulatedNode, seedInventory } from './simulatedNodes.ts';
import { createTablesStub } from './tablesStub.ts';

const sound = vi.hoisted(() => (key: string, output: Record<string, string> = {}): Step => {
  const ensure: Step['ensure'] = async () => ({ state: 'ready', output });
  return { key, type: '', id: '', dependsOn: [], ensure };
});

vi.mock('../../shared/topology.ts', () => ({
  topology: (_name: string, _spec: object, _environment: object, numbers: readonly number[]) => machineParts(numbers),
}));
vi.mock('../../shared/healing/dnsRecords.ts', () => ({ recordSteps: () => [], recordKey: (key: string) => key }));
vi.mock('../../shared/steps/certificate.ts', () => ({
  certificateStep: () => sound('certificate', { version: 'c1', peerName: 'peer' }),
}));
vi.mock('../../shared/steps/databasePower.ts', () => ({ databasePowerStep: () => sound('mysqlServer/power') }));
vi.mock('../../shared/healing/databaseSteps.ts', () => ({
  keptKey: 'mysqlServer/kept',
  databaseAgainStep: () => sound('database', { nodeAccountVersion: 'a1' }),
}));
vi.mock('../../shared/steps/ingress.ts', () => ({
  ingressStep: (_deps: Deps, _name: string, _spec: object, numbers: readonly number[]): Step => ({
    ...sound('ingress'),
    dependsOn: numbers.map((number) => `node-${number}/health`),
  }),
}));

const start = new Date('2026-11-23T12:00:00Z');
const spec = specWith({});
const sick = nodeName(jumpServer, 1);

let tables: Tables;
let nodes: Map<string, SimulatedNode>;
/** The machine that has the sick node's name. */
let vmId: number;
/** What was done to machines. */
let calls: string[];
/** So many requests Azure does not take up. */
let refusals = 0;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: start });
});
afterEach(() => {
  refusals = 0;
  vi.useRealTimers();
});

const fresh = (): SimulatedNode => ({ running: true, account: 'a1', certificate: 'c1', sessions: 0 });

async function seed(breakIt: () => void): Promise<void> {
  tables = createTablesStub();
  nodes = new Map();
  calls = [];
  vmId = 1;
  vi.setSystemTime(start);
  await putJumpServer(tables, { name: jumpServer, spec, state: 'Ready', createdAt: start, lastOperation: 'first' });
  await seedInventory(tables, [1, 2]);
  for (const number of [1, 2]) {
    await putNode(tables, jumpServer, { number, state: 'running', since: start });
    nodes.set(nodeName(jumpServer, number), fresh());
  }
  await reportAll(tables, spec, nodes, () => true);
  vi.setSystemTime(new Date(start.getTime() + 3_600_000));
  breakIt();
}

function azureOf({ read, write }: Process): AzureClients {
  const missing = () => Object.assign(new Error('gone'), { statusCode: 404, code: 'ResourceNotFound' });
  const act = (name: string, work: (node: string) => void) => (_group: string, node: string) =>
    write(async () => {
      if (refusals > 0) {
        refusals--;
        throw Object.assign(new Error('busy'), { statusCode: 503, code: 'ServiceUnavailable' });
      }
      calls.push(`${name} ${node} ${vmId}`);
      work(node);
    });
  const up = (node: string) => nodes.set(node, fresh());
  const azure = {
    exists: (node: string) => nodes.has(node),
    create: (node: string) =>
      act('create', () => {
        vmId++;
        up(node);
      })('', node),
    network: {
      loadBalancerLoadBalancingRules: {
        health: () =>
          read(async () => ({
            loadBalancerBackendAddresses: [{ ipAddress: addressOf(2).privateIPAddress, state: 'Up' }],
          })),
      },
    },
    compute: {
      virtualMachines: {
        get: (_group: string, node: string) =>
          read(async () => {
            if (!nodes.has(node)) throw missing();
            return { vmId: String(vmId), provisioningState: 'Succeeded' };
          }),
        start: act('start', up),
        restart: act('restart', up),
        redeploy: act('redeploy', up),
        delete: act('delete', (node) => nodes.delete(node)),
      },
    },
  };
  return azure as unknown as AzureClients;
}

/** A process of the control plane over this world. */
function boot(process: Process): Deps {
  const config = {
    ...{ AZURE_SUBSCRIPTION_ID: 'sub', MOLCAJETE_API_URL: 'https://api.test/api', MOLCAJETE_API_AUDIENCE: ['api'] },
    MOLCAJETE_REPORT_SECONDS: 30,
  };
  return {
    config,
    now: () => new Date(),
    tables: tablesOf(tables, process, () => reportAll(tables, spec, nodes, () => true)),
    azure: azureOf(process),
  } as unknown as Deps;
}

const begin = (process: Process) => {
  const deps = boot(process);
  return { deps, activity: mend(deps, createWrites()) };
};

/** Asks for a heal of the sick node. */
async function ask(order: NodeOrder): Promise<Holder> {
  const caller = { objectId: 'molcajete', name: 'Molcajete', roles: [] };
  const lease = await requestOperation(boot(createProcess(undefined)), async () => {}, {
    ...{ jumpServer, kind: 'heal', reason: 'test', caller },
    order: { nodes: [order], awaits: [], everything: false, evidence: [] },
  });
  return { jumpServer, operationId: lease.operationId, fence: lease.fence };
}

/** Heals, killed at that write; how many writes there were, and how it ended. */
async function heal(breakIt: () => void, order: NodeOrder, kill?: Kill) {
  await seed(breakIt);
  const holder = await ask(order);
  const writes = await inFakeTime(carryThrough(begin, holder, kill));
  const { status, failure } = (await findOperation(tables, jumpServer, holder.operationId)) ?? {};
  return { writes, ending: failure?.code ?? status };
}

const silence = () => void nodes.set(sick, { ...fresh(), mute: true });

test.each<[NodeOrder['repair'], NodeOrder['finding'], () => void, string[]]>([
  ['create', 'machineMissing', () => void nodes.delete(sick), [`create ${sick} 1`]],
  ['start', 'stopped', () => void nodes.set(sick, { ...fresh(), running: false }), [`start ${sick} 1`]],
  ['restartMachine', 'frozen', silence, [`restart ${sick} 1`]],
  ['redeploy', 'frozen', silence, [`redeploy ${sick} 1`]],
  ['rebuild', 'frozen', silence, [`delete ${sick} 1`, `create ${sick} 1`]],
])(
  '%s, whichever write the control plane is killed at: carried on, nothing twice, and the other node is not touched',
  async (repair, finding, breakIt, wanted) => {
    const order: NodeOrder = { number: 1, finding, repair };
    const whole = await heal(breakIt, order);
    expect([whole.ending, calls]).toEqual(['Succeeded', wanted]);
    expect(whole.writes).toBeGreaterThan(8);
    let unsent = 0;
    for (let at = 1; at <= whole.writes; at++) {
      for (const done of [false, true]) {
        const { ending } = await heal(breakIt, order, { at, done });
        const where = `killed at write ${at} of ${whole.writes}, ${done ? 'done' : 'not done'}: ${ending}, ${calls}`;
        // What is harmless when it is done again may have been.
        const twice = repair === 'start' || repair === 'rebuild' ? [...new Set(calls)] : calls;
        if (ending === 'Succeeded') expect(twice, where).toEqual(wanted);
        else {
          // Noted and, for all that anybody can tell, sent: the next repair is a stronger one.
          expect([ending, twice], where).toEqual(['NodeNotHealed', []]);
          unsent++;
        }
        expect(nodes.get(nodeName(jumpServer, 2))?.running, where).toBe(true);
      }
    }
    // Between the note of the repair and the repair lies one more write: four deaths.
    expect(unsent).toBe(repair === 'restartMachine' || repair === 'redeploy' ? 4 : 0);
  },
);

test.each([1, 100])(
  'a repair that Azure does not take up %i times, whichever write the control plane is killed at: once or never, and never counted where it was not sent',
  async (times) => {
    const order: NodeOrder = { number: 1, finding: 'frozen', repair: 'restartMachine' };
    const tried = async (kill?: Kill) => {
      refusals = times;
      const { writes, ending } = await heal(silence, order, kill);
      const { nodes, server } = await findHealing(tables, jumpServer);
      return { writes, ending, repair: nodes[0]?.repair, losses: server.losses.length };
    };
    const { writes, ...whole } = await tried();
    expect([whole, calls]).toEqual(
      times === 1
        ? [{ ending: 'Succeeded', repair: 'restartMachine', losses: 1 }, [`restart ${sick} 1`]]
        : [{ ending: 'ServiceUnavailable', repair: undefined, losses: 0 }, []],
    );
    for (let at = 1; at <= writes; at++) {
      for (const done of [false, true]) {
        const { ending, repair, losses } = await tried({ at, done });
        const where = `killed at write ${at} of ${writes}, ${done ? 'done' : 'not done'}: ${ending}, ${calls}`;
        expect(calls.length, where).toBe(ending === 'Succeeded' ? 1 : 0);
        // Killed between the note and Azure's answer it may have been sent, for all that anybody can tell.
        if (ending === 'ServiceUnavailable') expect([repair, losses], where).toEqual([undefined, 0]);
        else expect(repair, where).toBe('restartMachine');
      }
    }
  },
);
