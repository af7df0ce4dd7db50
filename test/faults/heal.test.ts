import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenSession, startLoad } from '../e2e/load.ts';
import { type ArmRow, writesOf } from '../e2e/world.ts';
import { control } from './disturbances.ts';
import { openPatient, type Patient } from './patient.ts';
import { suffer, type Trouble } from './suffering.ts';
import { networkTroubles, nodeTroubles } from './troubles.ts';

let patient: Patient;
/** On the node to which nothing happens. */
let undisturbed: OpenSession;
let load: ReturnType<typeof startLoad> | undefined;
const machines = 'Microsoft.Compute/virtualMachines';
const policy = 'RequestDisallowedByPolicy';
beforeAll(async () => {
  patient = await openPatient();
  undisturbed = await patient.sessionOn(`${patient.name}-2`);
}, 150_000);
afterAll(async () => {
  undisturbed?.close();
  await load?.stop();
  await patient?.close();
});

const named = (troubles: Trouble[], title: string): Trouble => {
  const found = troubles.find((one) => one.title === title);
  if (found === undefined) throw new Error(`There is no trouble '${title}'.`);
  return found;
};

test('all is well: a sweep asks Azure one thing, and nothing is done', async () => {
  const before = (await patient.world.armRows()).length;
  await patient.tick('healing');
  const asked = async (): Promise<ArmRow[]> => (await patient.world.armRows()).slice(before);
  await expect.poll(async () => (await asked()).filter(({ url }) => url.includes('statusOnly=true')).length).toBe(1);
  await delay(500);
  expect(writesOf(await asked())).toEqual([]);
  expect((await patient.operations()).map(({ kind }) => kind)).toEqual(['provision']);
});

test('a crashed node is left alone while a person wants that, then restarted; users log in by way of the other one', async () => {
  const crash = named(nodeTroubles, 'a node crashes');
  await patient.sessionOn(`${patient.name}-1`);
  expect(await patient.openRows()).toBeGreaterThanOrEqual(2);
  const id = patient.id(machines, `${patient.name}-1`);
  const conditions = async () => {
    await patient.tick('healing');
    return (await patient.status()).conditions.map(({ type }: { type: string }) => type);
  };
  const pausedStrike = async () => {
    await patient.change(id, { tags: { 'molcajete-pause': 'firmware test' } });
    await crash.strike(patient);
    const before = (await patient.operations()).length;
    await expect.poll(conditions, { timeout: 60_000, interval: 1_000 }).toContain('HealingPaused');
    expect(await patient.operations()).toHaveLength(before);
    await patient.change(id, { tags: { 'molcajete-pause': 'false' } });
  };
  const { operations, logins } = await suffer(patient, [{ ...crash, strike: pausedStrike }]);
  expect(operations.map(({ kind, status }) => [kind, status])).toEqual([['heal', 'Succeeded']]);
  expect(operations[0]?.reason).toMatch(crash.reason);
  expect(logins.failed).toEqual([]);
  await expect.poll(conditions, { timeout: 30_000, interval: 1_000 }).toEqual([]);
});

test('an interface that somebody took out of the pool goes back into it', async () => {
  const trouble = named(networkTroubles, 'an interface is taken out of the pool');
  const { operations, logins, last } = await suffer(patient, [trouble]);
  expect(operations[0]?.reason).toMatch(trouble.reason);
  expect(last.resources.map(({ key }) => key)).not.toContain('node-1/repair');
  expect(logins.failed).toEqual([]);
});

test('a frozen node is restarted, and users log in by way of the other one', async () => {
  const freeze = named(nodeTroubles, 'a node freezes');
  const frozen = { ...freeze, strike: () => patient.strike(patient.id(machines, `${patient.name}-1`), 'freeze') };
  const { operations, logins } = await suffer(patient, [frozen]);
  expect(operations[0]?.reason).toMatch(/ill-1 does not answer/);
  expect(logins.failed).toEqual([]);
});

test('a host killed in the middle of a heal carries on: one machine is made again, once, and users log in by way of the other one', async () => {
  const trouble = named(nodeTroubles, 'somebody deletes a virtual machine');
  load = startLoad(patient.ingress, patient.account);
  const before = (await patient.world.armRows()).length;
  await trouble.strike(patient);
  await patient.tick('healing');
  await expect
    .poll(async () => (await patient.operations())[0]?.status, { timeout: 10_000, interval: 50 })
    .toBe('Running');
  for (const wait of [200, 1_500]) {
    await delay(wait);
    await patient.world.stack.killHost();
    await patient.world.stack.restartHost();
  }
  const [running] = await patient.operations();
  const operation = await patient.world.follow(`${patient.base}/operations/${running?.id}`);
  expect(operation.error).toBeUndefined();
  const made = (await patient.world.armRows())
    .slice(before)
    .filter(({ method, url, status }) => method === 'PUT' && url.includes('/virtualMachines/') && status === 201);
  expect(made).toHaveLength(1);
  expect((await patient.operations()).filter(({ reason }) => trouble.reason.test(reason))).toHaveLength(1);
  expect((await load.stop()).failed).toEqual([]);
});

test('a heal by hand of what is well looks at everything and writes nothing', async () => {
  const before = (await patient.world.armRows()).length;
  const answer = await patient.world.call('POST', `${patient.base}/heal`, { body: { resetBreaker: true } });
  expect(answer.status, answer.text).toBe(202);
  const operation = await patient.world.follow(answer.headers.get('operation-location') ?? '');
  expect(operation).toMatchObject({ kind: 'heal', status: 'Succeeded' });
  expect(operation.resources.map(({ key }) => key)).toEqual(
    expect.arrayContaining(['node-1/virtualMachine', 'node-2/networkInterface', 'loadBalancer', 'database', 'ingress']),
  );
  expect(writesOf((await patient.world.armRows()).slice(before))).toEqual([]);
});

test('a session on the other node has lived through all of it', async () => {
  expect(undisturbed.endedAt).toBeUndefined();
  undisturbed.received();
  await expect.poll(() => undisturbed.received()).toBeGreaterThan(0);
});

test('the history of the session that died with its node is closed', async () => {
  undisturbed.close();
  const open = async () => {
    await patient.tick('healing');
    return patient.openRows();
  };
  await expect.poll(open, { timeout: 60_000, interval: 1_000 }).toBe(0);
  const { value } = (await patient.world.call('GET', `${patient.base}/history/connections`)).body;
  expect(value[0].endDate).toBeGreaterThanOrEqual(value[0].startDate);
});

test('after a PUT that failed a node is repaired all the same, and what the PUT failed at is left alone', async () => {
  const { world, base } = patient;
  const { spec } = (await world.call('GET', base)).body;
  const put = async () => {
    const { headers } = await world.call('PUT', base, { body: { ...spec, tags: { team: 'platform' } } });
    return world.follow(headers.get('operation-location') ?? '');
  };
  const match = { type: 'Microsoft.Network/publicIPAddresses', method: 'PUT' };
  await control(world, 'POST', '/faults', { kind: 'status', status: 403, code: policy, count: 1_000, match });
  expect((await put()).error).toMatchObject({ code: policy });
  await named(nodeTroubles, 'somebody stops a virtual machine').strike(patient);
  const newest = async () => {
    await patient.tick('healing');
    const [operation] = await patient.operations();
    return [operation?.kind, operation?.status];
  };
  await expect.poll(newest, { timeout: 120_000, interval: 1_000 }).toEqual(['heal', 'Succeeded']);
  expect((await patient.status()).conditions.map(({ type }: { type: string }) => type)).toEqual([policy]);

  await control(world, 'DELETE', '/faults');
  expect((await put()).error).toBeUndefined();
  expect((await patient.status()).conditions).toEqual([]);
});

test('after too many repairs healing stops and says so, until a person resets it', async () => {
  const { spec } = (await patient.world.call('GET', patient.base)).body;
  const body = { ...spec, healing: { ...spec.healing, maxRepairsPerHour: 1 } };
  const put = await patient.world.call('PUT', patient.base, { body });
  expect((await patient.world.follow(put.headers.get('operation-location') ?? '')).error).toBeUndefined();
  const before = (await patient.operations()).length;
  // The test before has left a repair that counts.
  await named(networkTroubles, 'an interface is taken out of the pool').strike(patient);
  const conditions = async (timer: string) => {
    await patient.tick(timer);
    return (await patient.status()).conditions;
  };
  // The comparison finds it and says it; the sweep goes on saying it.
  for (const timer of ['comparing', 'healing'])
    await expect
      .poll(() => conditions(timer), { timeout: 30_000, interval: 1_000 })
      .toEqual([{ type: 'HealingStopped', message: expect.stringContaining('{"resetBreaker": true}') }]);
  expect(await patient.operations()).toHaveLength(before);

  const reset = await patient.world.call('POST', `${patient.base}/heal`, { body: { resetBreaker: true } });
  const operation = await patient.world.follow(reset.headers.get('operation-location') ?? '');
  expect(operation.error).toBeUndefined();
  expect(operation.resources.map(({ key }) => key)).toContain('node-1/networkInterface');
  await expect.poll(() => conditions('healing'), { timeout: 30_000, interval: 1_000 }).toEqual([]);
});

test('a MySQL server that somebody deleted is never replaced by an empty one, unless a person sends the spec again', async () => {
  const server = await patient.find('Microsoft.DBforMySQL/flexibleServers', patient.name);
  await patient.vanish(server.id);
  const lost = async () => {
    // A comparison just then sees its own connection cut, and takes that back the next time.
    for (const timer of ['comparing', 'healing']) await patient.tick(timer);
    return (await patient.status()).conditions;
  };
  await expect
    .poll(lost, { timeout: 60_000, interval: 1_000 })
    .toEqual([{ type: 'DatabaseLost', message: expect.stringContaining('PUT') }]);
  await expect(patient.find('Microsoft.DBforMySQL/flexibleServers', patient.name)).rejects.toThrow('There is no');

  const { spec } = (await patient.world.call('GET', patient.base)).body;
  const put = await patient.world.call('PUT', patient.base, { body: spec });
  expect(put.status, put.text).toBe(202);
  expect((await patient.world.follow(put.headers.get('operation-location') ?? '')).error).toBeUndefined();
  expect((await patient.status()).conditions).toEqual([]);
  const { value } = (await patient.world.call('GET', `${patient.base}/users`)).body;
  expect(value.map(({ username }: { username: string }) => username)).toEqual(['guacadmin']);
});

test.each([
  ['an unknown member', { restart: true }, 400],
  ['a word for yes', { resetBreaker: 'yes' }, 400],
])('refuses %s', async (_, body, status) => {
  const answer = await patient.world.call('POST', `${patient.base}/heal`, { body });
  expect(answer.status).toBe(status);
});
