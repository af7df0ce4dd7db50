import { beforeEach, expect, test, vi } from 'vitest';
import { carryOutSteps } from '../../orchestrations/activities/carryOutSteps.ts';
import { finishOperation } from '../../orchestrations/activities/operation.ts';
import { armStep, createWrites } from '../../shared/azure/armStep.ts';
import type { Step } from '../../shared/azure/engine.ts';
import type { Look, Resource } from '../../shared/azure/resource.ts';
import type { Deps } from '../../shared/deps.ts';
import { requestOperation } from '../../shared/operations.ts';
import type { Vault } from '../../shared/secrets/vaults.ts';
import { databaseStep } from '../../shared/steps/database.ts';
import { removalSteps } from '../../shared/steps/removal.ts';
import { listInventory, putInventory } from '../../shared/store/inventory.ts';
import { changeLease, findLease, type Holder, leaseMilliseconds } from '../../shared/store/leases.ts';
import { specOf } from './sample.ts';
import { sqlStub } from './sqlStub.ts';
import { createTablesStub } from './tablesStub.ts';

/** What is asked of MySQL; tests make it sleep. */
const sql = vi.hoisted(() => ({ tell: async (_statement: string): Promise<void> => {} }));
vi.mock('../../shared/mysqlSession.ts', () => ({
  withDatabase: (
    _host: string,
    _login: object,
    _database: string | undefined,
    work: (db: object) => Promise<unknown>,
  ) => work(sqlStub((statement) => sql.tell(statement))),
}));

/** A control plane that counts what is written to Azure and to its tables. */
function createWorld() {
  const world = { now: new Date('2026-11-23T12:00:00Z'), azureWrites: 0, tableWrites: 0, deleting: Promise.resolve() };
  const tables = createTablesStub();
  for (const name of ['leases', 'operations', 'steps', 'inventory', 'jumpServers', 'nodes', 'reports'] as const)
    for (const method of ['createEntity', 'updateEntity', 'upsertEntity', 'deleteEntity'] as const) {
      const table = tables[name] as unknown as Record<string, (...given: unknown[]) => unknown>;
      const original = table[method] as (...given: unknown[]) => unknown;
      table[method] = (...given) => {
        world.tableWrites++;
        return original(...given);
      };
    }
  const resources = {
    getById: async () => ({ tags: { 'molcajete-jump-server': 'demo' } }),
    beginDeleteByIdAndWait: () => {
      world.azureWrites++;
      return world.deleting;
    },
  };
  const deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api' },
    now: () => world.now,
    tables,
    azure: { resources: { resources } },
  } as unknown as Deps;
  return { world, deps };
}

let made: ReturnType<typeof createWorld>;
beforeEach(() => {
  made = createWorld();
});

const caller = { objectId: 'anna', name: 'anna', roles: [] };

async function begin(kind: 'provision' | 'teardown'): Promise<Holder> {
  const { jumpServer, operationId, fence } = await requestOperation(made.deps, async () => {}, {
    jumpServer: 'demo',
    ...(kind === 'provision' ? { kind, spec: specOf() } : { kind }),
    reason: 'test',
    caller,
  });
  return { jumpServer, operationId, fence };
}

/** Another operation gets the lease, because nothing was heard of the first one for too long. */
async function takeOver(kind: 'provision' | 'teardown'): Promise<void> {
  made.world.now = new Date(made.world.now.getTime() + leaseMilliseconds + 1000);
  await begin(kind);
}

/** A promise, and what makes it go on. */
function sleep(): { over: Promise<void>; wake: () => void } {
  let wake = () => {};
  const over = new Promise<void>((resolve) => {
    wake = resolve;
  });
  return { over, wake };
}

/** A resource that is missing; its look and its write tell that they have begun and wait to be woken. */
function sleepyResource(asleepIn: 'look' | 'write') {
  const begun = sleep();
  const nap = sleep();
  const dream = async (where: string) => {
    if (where !== asleepIn) return;
    begun.wake();
    await nap.over;
  };
  let there = false;
  const resource: Resource = {
    key: 'thing',
    type: 'Test/things',
    id: '/thing',
    dependsOn: [],
    writeQueue: undefined,
    async look(): Promise<Look> {
      await dream('look');
      const write = async () => {
        made.world.azureWrites++;
        await dream('write');
        there = true;
      };
      return {
        observed: there ? 'ready' : 'missing',
        output: {},
        change: there ? undefined : { kind: 'create', write },
      };
    },
  };
  return { step: armStep(resource, made.deps.azure, createWrites()), begun: begun.over, wake: nap.wake };
}

/** Runs an activity of an operation, lets another one take over while it sleeps, wakes it, and counts what it then writes. */
async function wakeLate(
  holder: Holder,
  steps: Step[],
  begun: Promise<void>,
  wake: () => void,
  next: 'provision' | 'teardown',
) {
  const activity = carryOutSteps(made.deps, holder, steps);
  await begun;
  await takeOver(next);
  const { azureWrites, tableWrites } = made.world;
  wake();
  const result = await activity;
  return { result, azure: made.world.azureWrites - azureWrites, tables: made.world.tableWrites - tableWrites };
}

test.each(['look', 'write'] as const)(
  'an old activity that was asleep in a %s writes nothing when it wakes up',
  async (where) => {
    const holder = await begin('provision');
    const { step, begun, wake } = sleepyResource(where);
    expect(await wakeLate(holder, [step], begun, wake, 'teardown')).toEqual({
      result: { state: 'fenced' },
      azure: 0,
      tables: 0,
    });
  },
);

test('an old removal that wakes up late leaves the row of what was made again', async () => {
  const holder = await begin('teardown');
  const item = { key: 'loadBalancer', type: 'Microsoft.Network/loadBalancers', id: '/lb', dependsOn: [], output: {} };
  await putInventory(made.deps.tables, 'demo', item);
  const begun = sleep();
  const nap = sleep();
  made.world.deleting = nap.over;
  const [step] = removalSteps(made.deps, createWrites(), 'demo', [item]);
  if (step === undefined) throw new Error('There is no step.');
  const told = { ...step, ensure: tellFirst(step, begun.wake) };
  const late = await wakeLate(holder, [told], begun.over, nap.wake, 'provision');
  expect(late).toMatchObject({ result: { state: 'fenced' }, tables: 0 });
  expect((await listInventory(made.deps.tables, 'demo')).map(({ key }) => key)).toEqual(['loadBalancer']);
});

/** Tells once the step is in the middle of its work: when what it waits for is all that is left to do. */
const tellFirst =
  (step: Step, tell: () => void): Step['ensure'] =>
  (outputs, attempt) =>
    step.ensure(outputs, {
      ...attempt,
      within: (work) => {
        tell();
        return attempt.within(work);
      },
    });

test('a teardown removes what the write of a canceled provision still makes', async () => {
  const holder = await begin('teardown');
  const item = { key: 'loadBalancer', type: 'Microsoft.Network/loadBalancers', id: '/lb', dependsOn: [], output: {} };
  await putInventory(made.deps.tables, 'demo', item);
  const writes = createWrites();
  const creation = sleep();
  void writes.of('canceled').start(item.id, undefined, () => creation.over);
  const steps = removalSteps(made.deps, writes.of(holder.operationId), 'demo', [item]);
  const told = steps.map((step) => ({ ...step, ensure: tellFirst(step, creation.wake) }));
  expect(await carryOutSteps(made.deps, holder, told)).toEqual({ state: 'done' });
  expect(made.world.azureWrites).toBe(1);
});

test('an operation that was canceled between two calls of its activity is not looked at again', async () => {
  const holder = await begin('provision');
  await changeLease(made.deps.tables, holder, { cancelRequested: true });
  const looks = vi.fn(async () => ({ state: 'pending' as const, detail: 'not healthy', lookAgainSeconds: 1 }));
  const step = { key: 'node-1/health', type: 'Test/step', id: '', dependsOn: [], ensure: looks };
  expect(await carryOutSteps(made.deps, holder, [step])).toEqual({ state: 'canceled' });
  expect(looks).not.toHaveBeenCalled();
});

test("a wait that Azure asks for ends before the operation's lease does", async () => {
  const holder = await begin('provision');
  const ensure = async () => ({ state: 'pending' as const, detail: 'throttled', lookAgainSeconds: 3600 });
  const step = { key: 'loadBalancer', type: 'Test/step', id: '', dependsOn: [], ensure };
  const progress = await carryOutSteps(made.deps, holder, [step]);
  expect(progress).toMatchObject({ state: 'pending' });
  expect(progress.state === 'pending' && progress.waitSeconds).toBeLessThan(leaseMilliseconds / 1000 - 60);
});

test('an old activity does not write how its operation ended', async () => {
  const holder = await begin('provision');
  await takeOver('provision');
  const { tableWrites } = made.world;
  expect(await finishOperation(made.deps)({ ...holder, ending: { state: 'done' } })).toEqual({ finished: false });
  expect(made.world.tableWrites).toBe(tableWrites);
  expect((await findLease(made.deps.tables, 'demo'))?.fence).toBe(holder.fence + 1);
});

test('however long a pause Azure asks for, the operation renews its lease in time', async () => {
  const holder = await begin('provision');
  const retryAfter: Step['ensure'] = async () => ({ state: 'pending', detail: 'later', lookAgainSeconds: 86_400 });
  const step: Step = { key: 'slow', type: 'Test/slow', id: '', dependsOn: [], ensure: retryAfter };
  const progress = await carryOutSteps(made.deps, holder, [step]);
  expect(progress).toMatchObject({ state: 'pending' });
  const { waitSeconds } = progress as { waitSeconds: number };
  expect(waitSeconds).toBeGreaterThan(60);
  // Beside the wait: one call, and a timer that comes late.
  expect(waitSeconds + 120).toBeLessThan(leaseMilliseconds / 1000);
});

/** A vault in memory. */
function vaultStub(): Vault & { puts: number } {
  const values = new Map<string, string>();
  const find = async (name: string) => {
    const value = values.get(name);
    return value === undefined ? undefined : { value, version: name, createdOn: made.world.now, tags: {} };
  };
  return {
    puts: 0,
    find,
    findVersion: find,
    async put(name, value) {
      this.puts++;
      values.set(name, value);
      return name;
    },
    retireOthers: async () => {},
    remove: async () => {},
  };
}

test.each([
  ['CREATE DATABASE', /^CREATE DATABASE/],
  ['the accounts of the control plane', /^GRANT SELECT, INSERT, UPDATE, DELETE, CREATE/],
  ['the schema', /GET_LOCK/],
])('an old provision that was asleep at %s sets no password back when it wakes up', async (_, asleepAt) => {
  const vault = vaultStub();
  const forget = async () => void made.world.tableWrites++;
  const deps = { ...made.deps, vaults: { control: vault, at: () => vault }, databases: { forget } } as unknown as Deps;
  const holder = await begin('provision');
  const begun = sleep();
  const nap = sleep();
  const late: string[] = [];
  let asleep = false;
  sql.tell = async (statement) => {
    if (asleep) late.push(statement);
    if (!asleepAt.test(statement)) return;
    begun.wake();
    await nap.over;
    asleep = true;
  };
  const step = { ...databaseStep(deps, 'demo'), dependsOn: [] };
  const result = await wakeLate(holder, [step], begun.over, nap.wake, 'teardown');
  expect(result).toMatchObject({ result: { state: 'fenced' }, tables: 0 });
  expect(late.filter((statement) => /USER|guacamole_user/.test(statement))).toEqual([]);
});
