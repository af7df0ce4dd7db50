import { RestError } from '@azure/core-rest-pipeline';
import { beforeEach, describe, expect, test } from 'vitest';
import { createWrites } from '../../shared/azure/armStep.ts';
import type { Attempt, Outcome } from '../../shared/azure/engine.ts';
import type { Look, Resource } from '../../shared/azure/resource.ts';
import { databaseAgainStep, databaseKeptStep } from '../../shared/healing/databaseSteps.ts';
import type { Healing } from '../../shared/healing/repairStep.ts';
import { putStep } from '../../shared/store/operations.ts';
import { ago, broken, noon, openHealingWorld } from './healingWorld.ts';

const attempt: Attempt = { permit: async () => {}, within: async (work) => ({ value: await work }) };

let made: Awaited<ReturnType<typeof openHealingWorld>>;
let restarts: number;
/** What Azure answers to a restart, if anything but that it does it. */
let refusal: RestError | undefined;
let platform: object;

beforeEach(async () => {
  restarts = 0;
  refusal = undefined;
  platform = { availabilityState: 'Available' };
  const azure = {
    mysql: {
      servers: {
        beginRestartAndWait: async () => {
          if (refusal !== undefined) throw refusal;
          restarts++;
        },
      },
    },
    resources: { resources: { getById: async () => ({ properties: platform }) } },
  };
  made = await openHealingWorld({ azure });
});

function healing(operationId = 'op-1'): Healing {
  const { deps, server } = made;
  const fleet = [1, 2].map((number) => ({ number, state: 'running' as const, since: ago(7200) }));
  const holder = { jumpServer: 'demo', operationId, fence: 1 };
  return { deps, writes: createWrites(), holder, server, fleet, requestedAt: noon };
}

/** Nothing listens there: the control plane's own connection never comes about. */
const outputs = { mysqlServer: { fullyQualifiedDomainName: '127.255.254.253' }, vault: { vaultUri: 'https://v.test' } };

/** The step after it has waited for so many seconds. */
async function waited(seconds: number, operationId?: string): Promise<Outcome> {
  const step = databaseAgainStep(healing(operationId));
  const { key, type } = step;
  await putStep(made.deps.tables, operationId ?? 'op-1', { key, type, state: 'working', startedAt: ago(seconds) });
  return step.ensure(outputs, attempt);
}

const down = { database: broken };
const turnedAway = new RestError('Another operation is in progress on this server.', {
  code: 'ServerBusy',
  statusCode: 409,
});

describe('a database that the control plane does not reach', () => {
  test('is waited for within the grace period', async () => {
    for (const number of [1, 2]) await made.heard(number, down);
    expect(await waited(60)).toMatchObject({ state: 'pending' });
    expect(restarts).toBe(0);
  });

  test('is restarted, once an operation, when no node logs in either', async () => {
    for (const number of [1, 2]) await made.heard(number, down);
    expect(await waited(121)).toMatchObject({ state: 'pending' });
    expect(await waited(300)).toMatchObject({ state: 'pending' });
    expect(restarts).toBe(1);
    expect(await waited(601)).toMatchObject({ state: 'failed', failure: { code: 'DatabaseUnreachable' } });
    expect(restarts).toBe(1);
    await waited(121, 'op-2');
    expect(restarts).toBe(2);
  });

  test('is restarted later by the same operation where Azure did not take the restart up', async () => {
    for (const number of [1, 2]) await made.heard(number, down);
    refusal = turnedAway;
    expect(await waited(121)).toMatchObject({ state: 'pending' });
    refusal = undefined;
    await waited(130);
    await waited(140);
    expect(restarts).toBe(1);
  });

  test('is given up by an operation when Azure turns the restart away for too long', async () => {
    for (const number of [1, 2]) await made.heard(number, down);
    refusal = turnedAway;
    expect(await waited(599)).toMatchObject({ state: 'pending' });
    expect(await waited(601)).toMatchObject({ state: 'failed', failure: { code: 'DatabaseUnreachable' } });
  });

  test('is not restarted again by the same operation where Azure took it up and it failed', async () => {
    for (const number of [1, 2]) await made.heard(number, down);
    refusal = new RestError('It did not work.', { code: 'RestartFailed', statusCode: 400 });
    await waited(121);
    refusal = undefined;
    await waited(130);
    expect(restarts).toBe(0);
  });

  test.each<[string, () => Promise<unknown>, string | undefined]>([
    ['while a node logs in: our own network is to blame', () => made.heard(1), 'DatabaseOutOfReach'],
    [
      'while a node logs in that only cannot take a new account',
      () => made.heard(1, { database: { ...broken, works: true } }),
      'DatabaseOutOfReach',
    ],
    ['while nobody is heard of', () => made.heard(1, down, 600), undefined],
    [
      'while Azure says that its platform is at fault',
      async () => {
        platform = { availabilityState: 'Unavailable', reasonType: 'Unplanned', occuredTime: ago(60).toISOString() };
      },
      'PlatformAtFault',
    ],
  ])('is not restarted %s', async (_, arrange, code) => {
    await made.heard(2, down, code === undefined ? 600 : 5);
    await arrange();
    const outcome = await waited(121);
    expect(outcome).toMatchObject(code === undefined ? { state: 'pending' } : { state: 'failed', failure: { code } });
    expect(restarts).toBe(0);
  });
});

describe('the MySQL server itself', () => {
  const seen = (look: () => Promise<Partial<Look>>) =>
    databaseKeptStep(healing(), { look } as unknown as Resource).ensure({}, attempt);

  test.each<[string, () => Promise<Partial<Look>>, object]>([
    ['is there', async () => ({ observed: 'ready' }), { state: 'ready' }],
    ['is being changed', async () => ({ observed: 'pending' }), { state: 'ready' }],
    ['is gone', async () => ({ observed: 'missing' }), { state: 'failed', failure: { code: 'DatabaseLost' } }],
    [
      'cannot be looked at just now',
      () => Promise.reject(Object.assign(new Error('busy'), { statusCode: 503, code: 'ServiceUnavailable' })),
      { state: 'pending' },
    ],
  ])('%s', async (_, look, wanted) => {
    expect(await seen(look)).toMatchObject(wanted);
  });
});
