import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { random } from '../faults/random.ts';
import { arm, powersOf } from './azure.ts';
import { type LoadResult, type OpenSession, openSession, startLoad } from './load.ts';
import { logIn } from './users.ts';
import { type Answer, type OperationView, openWorld, spec, type World } from './world.ts';

const name = 'shift';
const base = `/jump-servers/${name}`;
const account = { username: 'ben', password: 'correct horse 2' };
/** Kills come at moments drawn from this seed; `SEED=… npm test` repeats a run. */
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const draw = random(seed);

let world: World;
let ingress: string;
let connection: string;
let load: ReturnType<typeof startLoad> | undefined;
let first: OpenSession;
beforeAll(async () => {
  world = await openWorld();
  const made = await world.provision(name, spec({ scaling: { drainTimeout: 'PT20S' } }));
  expect(made.error).toBeUndefined();
  ingress = (await found(base)).status.ingress.url;
  await makeUser();
  load = startLoad(ingress, account);
  first = await sessionOn(`${name}-1`);
}, 150_000);
afterAll(async () => {
  first?.close();
  await load?.stop();
  await world?.close();
});

const found = async (path: string): Promise<Answer['body']> => {
  const answer = await world.call('GET', path);
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
};

async function makeUser(): Promise<void> {
  expect((await world.call('POST', `${base}/users`, { body: account })).status).toBe(201);
  const body = { name: 'web', protocol: 'ssh', parentIdentifier: 'ROOT', parameters: {}, attributes: {} };
  connection = (await world.call('POST', `${base}/connections`, { body })).body.identifier;
  const granted = await world.call('PATCH', `${base}/users/${account.username}/permissions`, {
    raw: JSON.stringify([{ op: 'add', path: `/connectionPermissions/${connection}`, value: 'READ' }]),
    headers: { 'content-type': 'application/json-patch+json' },
  });
  expect(granted.status, granted.text).toBeLessThan(300);
}

/** A session that this node serves: new flows until the balancer has chosen it. */
async function sessionOn(node: string): Promise<OpenSession> {
  for (let last = 10; last < 200; last++) {
    const session = await openSession({ ingress, from: `127.0.0.${last}` }, account, connection);
    if (session?.home === node) return session;
    session?.close();
  }
  throw new Error(`No flow came to ${node}.`);
}

async function scale(count: number, meanwhile: () => Promise<void> = async () => {}): Promise<OperationView> {
  const answer = await world.call('POST', `${base}/scale`, { body: { count } });
  expect(answer.status, answer.text).toBe(202);
  await meanwhile();
  const operation = await world.follow(answer.headers.get('operation-location') ?? '');
  expect(operation.error).toBeUndefined();
  return operation;
}

/** Kills the Functions host at some moment of the operation and brings it back. */
async function crash(withinSeconds: number): Promise<void> {
  const seconds = draw() * withinSeconds;
  console.log(`the host is killed after ${seconds.toFixed(2)} s (seed ${seed})`);
  await delay(seconds * 1000);
  await world.stack.killHost();
  await world.stack.restartHost();
}

const statesOf = async (): Promise<string[]> =>
  (await found(base)).status.nodes.map((node: { state: string }) => node.state);

test('two become three: the third is healthy behind the balancer, and nobody is disturbed', async () => {
  const operation = await scale(3);
  expect(operation.resources.map(({ key }) => key).sort()).toEqual([
    'ingress',
    'node-3/health',
    'node-3/networkInterface',
    'node-3/virtualMachine',
  ]);
  expect(await statesOf()).toEqual(['running', 'running', 'running']);
  expect(first.endedAt).toBeUndefined();
});

test('three become two: a session on the node that goes stays until the deadline, others stay', async () => {
  const last = await sessionOn(`${name}-3`);
  const answer = await world.call('POST', `${base}/scale`, { body: { count: 2 } });
  const until = await drainDeadline(`${name}-3`);
  while (Date.now() < until.getTime() - 500) {
    expect(last.endedAt).toBeUndefined();
    await delay(100);
  }
  expect(last.received()).toBeGreaterThan(0);
  const operation = await world.follow(answer.headers.get('operation-location') ?? '');
  expect(operation.error).toBeUndefined();
  await expect.poll(() => last.endedAt?.getTime(), { timeout: 5_000 }).toBeGreaterThan(until.getTime());
  expect(await powersOf(world, name)).toEqual({
    [`${name}-1`]: 'running',
    [`${name}-2`]: 'running',
    [`${name}-3`]: 'deallocated',
  });
  first.received();
  await expect.poll(() => first.received()).toBeGreaterThan(0);
});

async function drainDeadline(node: string): Promise<Date> {
  for (;;) {
    const nodes: { name: string; drainUntil: string | null }[] = (await found(base)).status.nodes;
    const drainUntil = nodes.find((one) => one.name === node)?.drainUntil;
    if (drainUntil) return new Date(drainUntil);
    await delay(50);
  }
}

test('two become one, even if the host is killed: an idle node does not wait for its deadline', async () => {
  await scale(1, () => crash(8));
  expect(await statesOf()).toEqual(['running', 'deallocated', 'deallocated']);
  expect(first.endedAt).toBeUndefined();
});

test('one becomes two again: the second comes back from its rest', async () => {
  await scale(2);
  expect(await statesOf()).toEqual(['running', 'running', 'deallocated']);
  first.received();
  await expect.poll(() => first.received()).toBeGreaterThan(0);
  expect(first.endedAt).toBeUndefined();
});

test('no login failed that a retry within the time of the probe did not meet', async () => {
  const result: LoadResult | undefined = await load?.stop();
  load = undefined;
  const longest = Math.max(0, ...(result?.retried ?? []).map(({ milliseconds }) => milliseconds));
  console.log(
    `while scaling 2 → 3 → 2 → 1 → 2: ${result?.logins} logins, ${result?.failed.length} failed, ${result?.retried.length} retried (longest ${longest} ms)`,
    JSON.stringify(result?.retried.slice(0, 5)),
  );
  expect(result?.failed).toEqual([]);
  expect(result?.logins).toBeGreaterThan(100);
});

test('two become none: it hibernates, says so to whoever needs the database, and an equal PUT leaves it asleep', async () => {
  first.close();
  await scale(0, () => crash(4));
  const { status, spec: stored } = await found(base);
  expect(status.state).toBe('Hibernated');
  expect(new Set(Object.values(await powersOf(world, name)))).toEqual(new Set(['deallocated']));
  const databases = `/resourceGroups/molcajete-${name}/providers/Microsoft.DBforMySQL/flexibleServers`;
  const { body } = await arm(world, 'GET', databases, '2024-12-30');
  expect(body.value.map((one: { properties: { state: string } }) => one.properties.state)).toEqual(['Stopped']);
  const users = await world.call('GET', `${base}/users`);
  expect([users.status, users.body.error.code]).toEqual([409, 'JumpServerHibernated']);
  expect(users.body.error.message).toContain(`POST ${base}/scale`);
  const rows = (await world.armRows()).length;
  expect((await world.call('PUT', base, { body: stored })).status).toBe(200);
  expect((await world.armRows()).length).toBe(rows);
});

test('none become two when the time that was asked for is over', async () => {
  const until = new Date(Date.now() + 2_000).toISOString();
  const asked = await world.call('POST', `${base}/scale`, { body: { count: 0, until } });
  expect(asked.status, asked.text).toBe(200);
  const { value } = await found(`${base}/schedule`);
  expect(value[0]).toMatchObject({ count: 0, because: 'byHand' });
  expect(value[1]).toMatchObject({ count: 2, because: 'base' });
  const operation = await world.follow((await wokenBySweep(value[1].from)) ?? '');
  expect(operation.error).toBeUndefined();
  expect(operation).toMatchObject({ kind: 'scale', requestedBy: 'Molcajete', reason: 'web.count is 2' });
  expect(await statesOf()).toEqual(['running', 'running', 'deallocated']);
  expect((await found(base)).status.state).toBe('Ready');
  expect(await logIn({ ingress, from: '127.0.0.77' }, account.username, account.password)).toBeDefined();
  expect((await world.call('GET', `${base}/users`)).status).toBe(200);
});

test('one call wakes it', async () => {
  await scale(0);
  expect((await found(base)).status.state).toBe('Hibernated');
  const operation = await scale(1);
  expect(operation.kind).toBe('scale');
  expect((await found(base)).status.state).toBe('Ready');
  expect(await statesOf()).toEqual(['running', 'deallocated', 'deallocated']);
  expect(await logIn({ ingress, from: '127.0.0.78' }, account.username, account.password)).toBeDefined();
});

/** Runs the minute's timer by hand once the time has come; returns the URL of what it asked for. */
async function wokenBySweep(from: string): Promise<string | undefined> {
  const before: string = (await found(base)).status.lastOperation.id;
  await delay(Math.max(0, Date.parse(from) - Date.now()));
  const host = world.stack.endpoints.api.replace(/\/api$/, '');
  const started = await fetch(`${host}/admin/functions/scaling`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(started.status).toBe(202);
  const later = async () => {
    const { id, url } = (await found(base)).status.lastOperation;
    return id === before ? undefined : url;
  };
  await expect.poll(later, { timeout: 5_000 }).toBeDefined();
  return later();
}

test.each([
  ['more nodes than the network has room for', { count: 500 }, 400, 'count'],
  ['half a node', { count: 1.5 }, 400, 'count'],
  ['a time that has passed', { count: 1, until: '2020-01-01T00:00:00Z' }, 400, 'until'],
  ['a time without an offset', { count: 1, until: '2030-01-01T00:00:00' }, 400, 'until'],
  ['no count', {}, 400, 'count'],
])('refuses %s, and starts nothing', async (_, body, status, target) => {
  const before = (await found(`${base}/operations`)).value.length;
  const answer = await world.call('POST', `${base}/scale`, { body });
  expect([answer.status, answer.body.error.target]).toEqual([status, target]);
  expect((await found(`${base}/operations`)).value).toHaveLength(before);
});
