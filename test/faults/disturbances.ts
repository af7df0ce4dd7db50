import { setTimeout as delay } from 'node:timers/promises';
import type { World } from '../e2e/world.ts';
import { one } from './random.ts';

/** Something that happens to the whole machine while operations run, and passes. */
export interface Disturbance {
  title: string;
  /** It takes the local Azure down, and with it the faults that are waiting there. */
  losesFaults?: true;
  /** The control plane's own roles must act already: this many of Azure's seconds after the start. */
  notBefore?: number;
  /**
   * @param draw numbers from 0 to 1 that the seed fixes
   * @param seconds that the operations take about when nothing happens: what dies, dies at some moment of them
   */
  happen(world: World, draw: () => number, seconds: number): Promise<void>;
}

/** A call to the local Azure's control server, again until it is up. */
export async function control(world: World, method: string, path: string, body?: object): Promise<unknown> {
  for (;;) {
    try {
      const answer = await fetch(`${world.stack.endpoints.control}${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (answer.ok) return await answer.json();
      throw new TypeError(`${method} ${path} was answered with ${answer.status}: ${await answer.text()}`);
    } catch (error) {
      // It is down just now: `fetch failed` has the reason in its cause.
      if (!(error instanceof Error && error.cause !== undefined)) throw error;
      await delay(100);
    }
  }
}

const seedOf = (draw: () => number): number => 1 + Math.floor(draw() * 1_000_000);

/** This share of all requests to ARM meets the fault. */
const share =
  (probability: number, fault: object, count = 100_000) =>
  async (world: World, draw: () => number): Promise<void> =>
    void (await control(world, 'POST', '/faults', { match: {}, count, probability, seed: seedOf(draw), ...fault }));

async function killHost(world: World, draw: () => number, seconds: number): Promise<void> {
  const kills = 1 + Math.floor(draw() * 3);
  for (let kill = 0; kill < kills; kill++) {
    await delay((draw() * seconds * 1000) / kills);
    await world.stack.killHost();
    await world.stack.restartHost();
  }
}

/** What happens to processes. */
const deaths: Disturbance[] = [
  { title: 'the host is killed', happen: killHost },
  {
    title: 'the local Azure is killed',
    losesFaults: true,
    async happen(world, draw, seconds) {
      await delay(draw() * seconds * 1000);
      await world.stack.killAzure();
      await delay(draw() * 2_000);
      await world.stack.restartAzure();
    },
  },
  {
    title: 'both are killed',
    losesFaults: true,
    async happen(world, draw, seconds) {
      await delay(draw() * seconds * 1000);
      await Promise.all([world.stack.killHost(), world.stack.killAzure()]);
      await world.stack.restartAzure();
      await world.stack.restartHost();
    },
  },
  {
    title: 'two hosts on one store, one of them killed',
    async happen(world, draw, seconds) {
      const second = await world.stack.addHost();
      await delay((draw() * seconds * 1000) / 2);
      if (draw() < 0.5) {
        await world.stack.killHost();
        await delay((draw() * seconds * 1000) / 2);
        await world.stack.restartHost();
      }
      await second.kill();
    },
  },
];

/** What happens to calls. */
export const callFaults: Disturbance[] = [
  {
    title: '30 % of the calls fail: 429, 500, cut',
    async happen(world, draw) {
      // A call meets one fault at the most, the first that strikes: each takes its share of what those before it left.
      await share(0.1, { kind: 'throttle' })(world, draw);
      await share(0.1 / 0.9, { kind: 'status', status: 500 })(world, draw);
      await share(0.05 / 0.8, { kind: 'cut' })(world, draw);
      await share(0.05 / 0.75, { kind: 'cut', when: 'before' })(world, draw);
    },
  },
  { title: '30 % of the calls are slow', happen: share(0.3, { kind: 'slow', seconds: 3 }) },
  { title: 'some calls hang', happen: share(0.1, { kind: 'hang' }, 2) },
  {
    title: 'some asynchronous operations fail',
    happen: share(0.2, { kind: 'failOperation', code: 'InternalServerError' }, 4),
  },
  {
    title: 'role assignments take an hour to act',
    notBefore: 3600,
    happen: async (world) => void (await control(world, 'PATCH', '/options', { rolePropagationSeconds: 3600 })),
  },
];

/** What passes when nothing more is asked of Azure. */
export const passing = callFaults.filter(({ notBefore }) => notBefore === undefined);

/** In a tenth of the cases nothing, in a third of them something to processes and to calls at the same time. */
export function drawDisturbances(draw: () => number, calls: readonly Disturbance[]): Disturbance[] {
  const [kind, death, callFault] = [draw(), one(deaths, draw), one(calls, draw)];
  if (kind < 0.1) return [];
  if (kind < 0.35) return [death];
  return kind < 0.67 ? [callFault] : [death, callFault];
}

/** What nobody's waiting cures, aimed at one jump server. */
export interface Hopeless {
  title: string;
  /** What the operation must fail with. */
  code: string;
  fault: { kind: string; match: object; [more: string]: unknown };
}

const machine = 'Microsoft.Compute/virtualMachines';

const policyOn = (what: string, type: string, method: string): Hopeless => ({
  title: `a policy forbids ${what}`,
  code: 'RequestDisallowedByPolicy',
  fault: {
    kind: 'status',
    status: 403,
    code: 'RequestDisallowedByPolicy',
    message: `Resource was disallowed by policy. Policy identifiers: 'No ${what}'.`,
    match: { type, method },
  },
});

export const hopelessMakings: Hopeless[] = [
  {
    title: 'Azure has no room for the size',
    code: 'AllocationFailed',
    fault: { kind: 'allocationFailure', match: { type: machine } },
  },
  {
    title: 'the core quota is used up',
    code: 'OperationNotAllowed',
    fault: {
      kind: 'status',
      status: 409,
      code: 'OperationNotAllowed',
      message:
        'Operation could not be completed as it results in exceeding approved Total Regional Cores quota. Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 10, Current Usage: 10, Additional Required: 2, (Minimum) New Limit Required: 12.',
      match: { type: machine, method: 'PUT' },
    },
  },
  policyOn('public addresses', 'Microsoft.Network/publicIPAddresses', 'PUT'),
  {
    title: 'the size is not offered',
    code: 'SkuNotAvailable',
    fault: {
      kind: 'status',
      status: 409,
      code: 'SkuNotAvailable',
      message: 'The requested size is currently not available in location westeurope.',
      match: { type: machine, method: 'PUT' },
    },
  },
];

/** Of an update that changes tags: machines are patched, everything else is written as a whole. */
export const hopelessUpdates: Hopeless[] = [
  policyOn('public addresses', 'Microsoft.Network/publicIPAddresses', 'PUT'),
  policyOn('machines with such tags', machine, 'PATCH'),
];

export const hopelessRemovals: Hopeless[] = [
  {
    title: 'a lock protects the network',
    code: 'ScopeLocked',
    fault: {
      kind: 'status',
      status: 409,
      code: 'ScopeLocked',
      message: 'The scope cannot perform delete operation because following scope(s) are locked.',
      match: { type: 'Microsoft.Network/virtualNetworks', method: 'DELETE' },
    },
  },
];
