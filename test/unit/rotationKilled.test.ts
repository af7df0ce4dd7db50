import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { rotateCredentials } from '../../orchestrations/activities/rotate.ts';
import { createWrites } from '../../shared/azure/armStep.ts';
import type { Outcome } from '../../shared/azure/engine.ts';
import { nodeName } from '../../shared/azure/names.ts';
import type { Deps } from '../../shared/deps.ts';
import { requestOperation } from '../../shared/operations.ts';
import { type Credential, credentials } from '../../shared/rotation/credentials.ts';
import { controlSecrets, type Login, nodeSecrets, type Secret, type Vault } from '../../shared/secrets/vaults.ts';
import { findJumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, findLease, type Holder } from '../../shared/store/leases.ts';
import { listNodes, putNode } from '../../shared/store/nodes.ts';
import { findOperation } from '../../shared/store/operations.ts';
import { listRotations } from '../../shared/store/rotations.ts';
import type { Tables } from '../../shared/store/tables.ts';
import { carryThrough, createProcess, inFakeTime, type Kill, type Process, tablesOf } from './mortal.ts';
import { specWith } from './sample.ts';
import { jumpServer, reportAll, type SimulatedNode, seedInventory } from './simulatedNodes.ts';
import { createTablesStub } from './tablesStub.ts';

/** What lies outside of the control plane; writes go through the process that makes them. */
const world = vi.hoisted(() => ({
  process: undefined as unknown as Process,
  /** MySQL accounts and their passwords. */
  accounts: new Map<string, string>(),
  guacadmin: '',
  /** What the ingress's nodes show. */
  shown: (): string => '',
  newest: (_name: string): string => '',
  /** What looking at the ingress comes to. */
  proof: { state: 'ready', output: {} } as Outcome,
}));

const refusal = vi.hoisted(
  () => () => Object.assign(new Error('denied'), { errno: 1045, code: 'ER_ACCESS_DENIED_ERROR' }),
);

vi.mock('../../shared/mysqlSession.ts', () => ({
  acceptsLogin: async (_host: string, { username, password }: Login) => world.accounts.get(username) === password,
  withDatabase: async (_host: string, { username, password }: Login, _: unknown, work: (db: object) => unknown) => {
    if (world.accounts.get(username) !== password) throw refusal();
    return work({});
  },
}));
vi.mock('../../shared/guacamole/accounts.ts', () => ({
  ensureAccount: (_db: object, { username, password }: Login) =>
    world.process.write(async () => void world.accounts.set(username, password)),
  dropAccount: (_db: object, username: string) => world.process.write(async () => void world.accounts.delete(username)),
}));
vi.mock('../../shared/guacamole/administrator.ts', () => ({
  ensureAdministrator: (_db: object, { password }: Login) =>
    world.process.write(async () => {
      world.guacadmin = password;
    }),
}));
vi.mock('../../shared/steps/administratorPassword.ts', () => ({
  setAdministratorPassword: (_deps: Deps, _name: string, password: string) =>
    world.process.write(async () => void world.accounts.set('molcajete', password)),
}));
vi.mock('../../shared/steps/ingress.ts', () => ({
  logIn: async () => (world.guacadmin === JSON.parse(world.newest('demo-guacadmin')).password ? 200 : 403),
  ingressStep: () => ({ ensure: async () => world.proof }),
}));
vi.mock('../../shared/steps/certificate.ts', () => ({
  certificateChain: () => [],
  certificateOutput: (_name: string, { version }: Secret) => ({ version, peerName: 'peer' }),
  serverName: () => '',
  nextVersion: async (
    _deps: Deps,
    { vault }: { vault: Vault },
    _present: unknown,
    _attempt: unknown,
    tags: Record<string, string>,
  ) => {
    const version = await vault.put('certificate', `certificate ${Math.random()}`, { contentType: 'pem', tags });
    return vault.findVersion('certificate', version);
  },
}));
vi.mock('../../shared/certificates.ts', async (original) => ({
  ...(await original<object>()),
  describeCertificate: (pem: string) => ({ serialNumber: pem }),
}));
vi.mock('node:tls', async (original) => ({
  ...(await original<object>()),
  connect: (_place: object, connected: () => void) => {
    setTimeout(connected, 1);
    const getPeerCertificate = () => ({ serialNumber: world.shown() });
    return { getPeerCertificate, destroy: () => {}, setTimeout: () => {}, on: () => {} };
  },
}));

const start = new Date('2026-11-23T12:00:00Z');
const spec = specWith({ scaling: { drainTimeout: 'PT4S' } });
const names = [nodeName(jumpServer, 1), nodeName(jumpServer, 2)];
/** How long people stay on a node after it began to drain: longer than `drainTimeout`. Seconds. */
let stay = 6;

let tables: Tables;
let nodes: Map<string, SimulatedNode>;
let secrets: Map<string, (Secret & { enabled: boolean })[]>;
/** What must never be. */
let broken: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: start });
});
afterEach(() => {
  world.proof = { state: 'ready', output: {} };
  vi.useRealTimers();
});

const secretOf: Record<Credential, string> = {
  mysqlAdministrator: controlSecrets.mysqlAdministrator(jumpServer),
  controlAccount: controlSecrets.controlAccount(jumpServer),
  guacadmin: controlSecrets.guacadmin(jumpServer),
  certificate: nodeSecrets.certificate,
  nodeAccount: nodeSecrets.database,
};

const versionsOf = (name: string) => secrets.get(name) ?? [];
const newestOf = (name: string): Secret | undefined =>
  versionsOf(name)
    .filter(({ enabled }) => enabled)
    .at(-1);

async function seed(): Promise<void> {
  vi.setSystemTime(start);
  tables = createTablesStub();
  broken = [];
  secrets = new Map();
  const logins = {
    mysqlAdministrator: 'molcajete',
    controlAccount: 'molcajete_control_a',
    nodeAccount: 'molcajete_node_a',
  };
  world.accounts = new Map(Object.values(logins).map((username) => [username, 'old']));
  world.guacadmin = 'old';
  world.newest = (name) => newestOf(name)?.value ?? '{}';
  const first = (name: string, version: string, value: string) =>
    secrets.set(name, [{ value, version, createdOn: start, tags: {}, enabled: true }]);
  for (const [credential, username] of Object.entries({ ...logins, guacadmin: 'guacadmin' }))
    first(secretOf[credential as Credential], 'a1', JSON.stringify({ username, password: 'old' }));
  first(nodeSecrets.certificate, 'c1', 'certificate 1');
  await putJumpServer(tables, { name: jumpServer, spec, state: 'Ready', createdAt: start, lastOperation: 'first' });
  await seedInventory(tables, [1, 2]);
  for (const number of [1, 2]) await putNode(tables, jumpServer, { number, state: 'running', since: start });
  nodes = new Map(names.map((name) => [name, { running: true, account: 'a1', certificate: 'c1', sessions: 3 }]));
  world.shown = () =>
    [...nodes.values()].map(
      ({ certificate }) =>
        versionsOf(nodeSecrets.certificate).find(({ version }) => version === certificate)?.value ?? '',
    )[0] ?? '';
}

/** Both vaults in one: their names differ. */
function vaultOf({ read, write }: Process): Vault {
  return {
    find: (name) => read(async () => newestOf(name)),
    findVersion: (name, version) =>
      read(async () => versionsOf(name).find((one) => one.enabled && one.version === version)),
    put: (name, value, { tags = {} }) =>
      write(async () => {
        const version = `${name} ${versionsOf(name).length + 1}`;
        secrets.set(name, [...versionsOf(name), { value, version, createdOn: new Date(), tags, enabled: true }]);
        return version;
      }),
    retireOthers: (name, version) =>
      write(async () => {
        for (const one of versionsOf(name)) one.enabled = one.version === version;
      }),
    remove: async () => {},
  };
}

const accepts = (name: string, version: string | null): boolean => {
  const value = versionsOf(name).find((one) => one.version === version)?.value;
  if (value === undefined) return false;
  const { username, password } = JSON.parse(value) as Login;
  return world.accounts.get(username) === password;
};

/** People go when they have been asked to for long enough; agents report; what users need is looked at. */
async function live(): Promise<void> {
  const before = new Map([...nodes].map(([name, { account }]) => [name, account]));
  for (const { number, state, since } of await listNodes(tables, jumpServer)) {
    const node = nodes.get(nodeName(jumpServer, number));
    if (node !== undefined && state === 'draining' && Date.now() - since.getTime() > stay * 1000) node.sessions = 0;
  }
  await reportAll(tables, spec, nodes, (version) => accepts(nodeSecrets.database, version));
  for (const [name, { account, sessions, running, mute }] of nodes) {
    if (account !== before.get(name) && sessions > 0) broken.push(`${sessions} sessions on ${name} were dropped`);
    if (running && !mute && !accepts(nodeSecrets.database, account))
      broken.push(`${name} cannot log in with ${account}`);
  }
  const control = newestOf(secretOf.controlAccount);
  if (!accepts(secretOf.controlAccount, control?.version ?? '')) broken.push('the control plane cannot log in');
  if ((await listNodes(tables, jumpServer)).every(({ state }) => state === 'draining'))
    broken.push('nobody takes users');
}

function begin(process: Process) {
  world.process = process;
  const vault = vaultOf(process);
  const deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api' },
    now: () => new Date(),
    tables: tablesOf(tables, process, live),
    vaults: { control: vault, at: () => vault },
    guacamole: async () => ({}),
  } as unknown as Deps;
  return { deps, activity: rotateCredentials(deps, createWrites()) };
}

async function ask(asked: readonly Credential[] = credentials): Promise<Holder> {
  const { deps } = begin(createProcess(undefined));
  const { operationId, fence } = await requestOperation(deps, async () => {}, {
    ...{ jumpServer, kind: 'rotate', order: { credentials: [...asked] }, reason: 'test' },
    caller: { objectId: 'anna', name: 'anna', roles: [] },
  });
  return { jumpServer, operationId, fence };
}

async function rotate(kill?: Kill): Promise<number> {
  await seed();
  const holder = await ask();
  const writes = await inFakeTime(carryThrough(begin, holder, kill));
  const operation = await findOperation(tables, jumpServer, holder.operationId);
  expect(operation?.status, JSON.stringify([kill, operation?.failure])).toBe('Succeeded');
  return writes;
}

/** All is new, nothing was made twice, and whatever is old is refused. */
async function expectRotated(where: string): Promise<void> {
  expect(broken, where).toEqual([]);
  for (const credential of credentials) {
    const versions = versionsOf(secretOf[credential]);
    expect(
      versions.map(({ enabled }) => enabled),
      `${credential}, ${where}`,
    ).toEqual([false, true]);
  }
  expect([...world.accounts.keys()].sort(), where).toEqual(['molcajete', 'molcajete_control_b', 'molcajete_node_b']);
  expect([...world.accounts.values(), world.guacadmin], where).not.toContain('old');
  expect(
    (await listNodes(tables, jumpServer)).map(({ state }) => state),
    where,
  ).toEqual(['running', 'running']);
  expect(
    (await listRotations(tables, jumpServer)).map(({ unfinished }) => unfinished),
    where,
  ).not.toContain(true);
}

test('everything is rotated, whichever write the control plane is killed at: nothing twice, no session dropped, a working login throughout', {
  timeout: 120_000,
}, async () => {
  const writes = await rotate();
  await expectRotated('not killed');
  expect(writes).toBeGreaterThan(50);
  for (let at = 1; at <= writes; at++) {
    for (const done of [false, true]) {
      await rotate({ at, done });
      await expectRotated(`killed at write ${at} of ${writes}, ${done ? 'done' : 'not done'}`);
    }
  }
});

test('while it waits for sessions the lease is free to be taken, whenever somebody looks', async () => {
  await seed();
  stay = 90;
  const holder = await ask();
  const yields: boolean[] = [];
  let over = false;
  const watching = (async () => {
    while (!over) {
      await new Promise((wake) => setTimeout(wake, 1_000));
      const [node] = await listNodes(tables, jumpServer);
      const waits =
        node?.state === 'draining' &&
        Date.now() - node.since.getTime() > 62_000 &&
        (nodes.get('demo-1')?.sessions ?? 0) > 0;
      if (waits) yields.push((await findLease(tables, jumpServer))?.yields === true);
    }
  })();
  await inFakeTime(carryThrough(begin, holder, undefined));
  over = true;
  await inFakeTime(watching);
  expect(yields.length).toBeGreaterThan(20);
  expect(yields.filter((one) => !one).length).toBeLessThan(3);
});

test.each<[string, number]>([
  ['a node that freezes before its certificate is loaded', 0],
  ['a node that freezes while it drains', 100],
])('%s costs the rotation its lease after some minutes, and is left running for healing', async (_, after) => {
  await seed();
  stay = 300;
  const holder = await ask();
  const node = nodes.get('demo-1') as SimulatedNode;
  setTimeout(() => {
    node.mute = true;
  }, after * 1000);
  await inFakeTime(carryThrough(begin, holder, undefined));
  const operation = await findOperation(tables, jumpServer, holder.operationId);
  expect(operation?.status).toBe('Failed');
  expect((Date.now() - start.getTime()) / 1000).toBeLessThan(after + 600);
  expect((await findLease(tables, jumpServer))?.state).toBe('finished');
  expect((await listNodes(tables, jumpServer)).map(({ state }) => state)).toEqual(['running', 'running']);
  expect((await findJumpServer(tables, jumpServer))?.state).toBe('Ready');
  expect((await listRotations(tables, jumpServer)).some(({ unfinished }) => unfinished)).toBe(true);
  expect(broken).toEqual([]);
});

test('a proof that Azure refuses for good fails the rotation, and the node stays in service', async () => {
  await seed();
  stay = 6;
  world.proof = {
    state: 'failed',
    failure: { code: 'AuthorizationFailed', message: 'No.', advice: 'Give it the role.' },
  };
  const holder = await ask();
  await inFakeTime(carryThrough(begin, holder, undefined));
  const operation = await findOperation(tables, jumpServer, holder.operationId);
  expect(operation).toMatchObject({
    status: 'Failed',
    failure: { code: 'AuthorizationFailed', advice: 'Give it the role.' },
  });
  const [first, second] = await listNodes(tables, jumpServer);
  expect([first?.state, second?.state]).toEqual(['running', 'running']);
  expect(second?.account).toBeUndefined();
  expect((await listRotations(tables, jumpServer)).filter(({ unfinished }) => unfinished)).toMatchObject([
    { credential: 'nodeAccount' },
  ]);
  expect(broken).toEqual([]);
});

/** The other node is deallocated. */
async function seedLone(): Promise<void> {
  await seed();
  await putNode(tables, jumpServer, { number: 2, state: 'deallocated', since: start });
  nodes.set('demo-2', { running: false, account: 'a1', certificate: 'c1', sessions: 0 });
}

const hoursSince = (moment: Date): number => (Date.now() - moment.getTime()) / 3_600_000;

test("a lone node's sessions are waited for a day in all, over all operations that carry the rotation on", async () => {
  await seedLone();
  const first = await ask(['nodeAccount']);
  setTimeout(() => void changeLease(tables, first, { cancelRequested: true }), 20 * 3_600_000);
  await inFakeTime(carryThrough(begin, first, undefined));
  expect((await findOperation(tables, jumpServer, first.operationId))?.status).toBe('Canceled');
  const second = await ask(['nodeAccount']);
  await inFakeTime(carryThrough(begin, second, undefined));
  expect((await findOperation(tables, jumpServer, second.operationId))?.status).toBe('Succeeded');
  expect(hoursSince(start)).toBeGreaterThan(24);
  expect(hoursSince(start)).toBeLessThan(24.1);
});

test("a lone node's sessions on Monday are waited for a day, whenever on Friday the rotation was asked for", async () => {
  await seedLone();
  const friday = await ask(['nodeAccount']);
  setTimeout(() => void changeLease(tables, friday, { cancelRequested: true }), 3 * 3_600_000);
  await inFakeTime(carryThrough(begin, friday, undefined));
  const monday = new Date(start.getTime() + 67 * 3_600_000);
  for (const state of ['draining', 'deallocated', 'starting', 'running'] as const)
    await putNode(tables, jumpServer, { number: 1, state, since: monday });
  vi.setSystemTime(monday);
  await inFakeTime(carryThrough(begin, await ask(['nodeAccount']), undefined));
  expect((await listRotations(tables, jumpServer)).map(({ unfinished }) => unfinished)).toEqual([false]);
  expect(hoursSince(monday)).toBeGreaterThan(24);
  expect(hoursSince(monday)).toBeLessThan(24.1);
});

test('a rotation that was long in doing other things still waits a day for the sessions of a lone node, and leaves no trace of it', async () => {
  await seedLone();
  const holder = await ask(['nodeAccount']);
  vi.setSystemTime(start.getTime() + 20 * 3_600_000);
  const carriedOn = new Date();
  await changeLease(tables, holder, { deadline: new Date(Date.now() + 3_600_000) });
  await inFakeTime(carryThrough(begin, holder, undefined));
  expect((await findOperation(tables, jumpServer, holder.operationId))?.status).toBe('Succeeded');
  expect(hoursSince(carriedOn)).toBeGreaterThan(24);
  expect((await listNodes(tables, jumpServer)).map(({ waitsSince }) => waitsSince)).toEqual([undefined, undefined]);
});

describe('a vault that was recovered with what rotations of a former jump server of that name have left in it', () => {
  const recover = async () => {
    await seed();
    const [left] = versionsOf(nodeSecrets.database);
    if (left !== undefined) left.tags = { 'molcajete-operation': 'long ago' };
  };
  const rotateNodeAccount = async (kill?: Kill) => {
    const holder = await ask(['nodeAccount']);
    const writes = await inFakeTime(carryThrough(begin, holder, kill));
    return { writes, status: (await findOperation(tables, jumpServer, holder.operationId))?.status };
  };
  const expectNew = (where: string) => {
    const versions = versionsOf(nodeSecrets.database).map(({ enabled }) => enabled);
    expect(versions, where).toEqual([false, true]);
    expect([...world.accounts.keys()], where).not.toContain('molcajete_node_a');
  };

  test('is no reason to rotate nothing, whichever write the control plane is killed at', async () => {
    await recover();
    const { writes } = await rotateNodeAccount();
    expectNew('not killed');
    for (let at = 1; at <= writes; at++) {
      for (const done of [false, true]) {
        await recover();
        const where = `killed at write ${at} of ${writes}, ${done ? 'done' : 'not done'}`;
        expect((await rotateNodeAccount({ at, done })).status, where).toBe('Succeeded');
        expectNew(where);
      }
    }
  });

  test('nor when the first rotation has failed before it made a version', async () => {
    await recover();
    world.accounts.set('molcajete', 'somebody else has changed it');
    expect((await rotateNodeAccount()).status).toBe('Failed');
    world.accounts.set('molcajete', 'old');
    expect((await rotateNodeAccount()).status).toBe('Succeeded');
    expectNew('carried on');
  });

  test('and what this one made is taken up by those that carry it on', async () => {
    await recover();
    world.proof = { state: 'failed', failure: { code: 'AuthorizationFailed', message: 'No.' } };
    for (let times = 0; times < 2; times++) await rotateNodeAccount();
    world.proof = { state: 'ready', output: {} };
    expect((await rotateNodeAccount()).status).toBe('Succeeded');
    expectNew('carried on');
  });
});
