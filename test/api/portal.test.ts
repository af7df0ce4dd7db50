import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { arm } from '../e2e/azure.ts';
import { openWorld, spec, type World } from '../e2e/world.ts';
import { keysOf } from './keys.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld({ checkKeys: true });
}, 120_000);
afterAll(() => world?.close());

/** As the portal, an action group or Event Grid calls: with the function's key and nothing else. */
const enter = (name: string, body: unknown) => {
  const path = `/portal/${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const key = keysOf(world).functions[`Portal_${name[0]?.toUpperCase()}${name.slice(1)}`] ?? '';
  return world.call('POST', path, { body, token: null, headers: { 'x-functions-key': key } });
};

const id = (rest: string) => `/subscriptions/${world.stack.endpoints.subscriptionId}${rest}`;
const groupPath = '/resourceGroups/molcajete-office';

const alertOf = (essentials: object = {}) => ({
  schemaId: 'azureMonitorCommonAlertSchema',
  data: {
    essentials: {
      alertId: id(`/providers/Microsoft.AlertsManagement/alerts/${randomUUID()}`),
      alertRule: 'node down',
      severity: 'Sev1',
      monitorCondition: 'Fired',
      alertTargetIDs: [id(`${groupPath}/providers/Microsoft.Compute/virtualMachines/office-1`).toLowerCase()],
      firedDateTime: new Date().toISOString(),
      ...essentials,
    },
    alertContext: null,
  },
});

const tagEvent = (change: object = {}) => ({
  id: randomUUID(),
  topic: id(''),
  subject: id(`${groupPath}/providers/Microsoft.Resources/tags/default`),
  eventType: 'Microsoft.Resources.ResourceWriteSuccess',
  eventTime: new Date().toISOString(),
  data: { operationName: 'Microsoft.Resources/tags/write' },
  dataVersion: '2',
  metadataVersion: '1',
  ...change,
});

const tagsOfGroup = async (): Promise<Record<string, string>> =>
  (await arm(world, 'GET', groupPath, '2025-04-01')).body.tags;

/** As a person does in the portal. */
const setAction = async (value: string) => {
  const tags = { ...(await tagsOfGroup()), 'Molcajete-Action': value };
  await arm(world, 'PATCH', groupPath, '2025-04-01', { tags });
};

const operationsOf = async (name: string): Promise<{ kind: string; requestedBy: string; reason: string }[]> =>
  (await world.call('GET', `/jump-servers/${name}/operations`)).body.value;

test.each<[string, string, object, string, string]>([
  ['heal', 'a jump server that is not there', { jumpServer: 'nobody' }, 'NotFound', 'jump server'],
  ['teardown', 'a jump server that is not there', { jumpServer: 'nobody' }, 'NotFound', 'jump server'],
  ['scale', 'no count', { jumpServer: 'office' }, 'InvalidRequest', 'count'],
  ['scale', 'no name', { count: 2 }, 'InvalidRequest', 'jumpServer'],
  [
    'rotate',
    'what is no credential',
    { jumpServer: 'office', credentials: ['root'] },
    'InvalidRequest',
    'credentials.0',
  ],
  [
    'provision',
    'a wrong spec',
    { jumpServer: 'office', spec: { location: 'atlantis' } },
    'InvalidRequest',
    'spec.location',
  ],
  ['provision', 'a name that is none', { jumpServer: 'Office 1', spec: spec() }, 'InvalidName', 'name'],
  ['heal', 'more than it takes', { jumpServer: 'office', force: true }, 'InvalidRequest', 'body'],
])('%s refuses %s, says where, and starts nothing', async (starter, _, body, code, target) => {
  const answer = await enter(starter, body);
  expect([answer.body.error.code, answer.body.error.target]).toEqual([code, target]);
  expect(await operationsOf('office')).toEqual([]);
});

test('Event Grid gets its code back before it sends events', async () => {
  const question = { eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', data: { validationCode: 'abc' } };
  const { status, body } = await enter('tagEvent', [tagEvent({ subject: '', ...question })]);
  expect([status, body]).toEqual([200, { validationResponse: 'abc' }]);
});

test('a jump server is made, scaled, healed, rotated and taken down from the portal alone', async () => {
  const made = await enter('provision', {
    jumpServer: 'office',
    spec: spec({ web: { count: 1 }, scaling: { max: 2 } }),
  });
  expect([made.status, made.body.started]).toEqual([202, true]);
  expect(made.headers.get('operation-location')).toBe(made.body.operation);
  expect((await world.follow(made.body.operation)).status).toBe('Succeeded');
  expect((await enter('show', { jumpServer: 'office' })).body.status.state).toBe('Ready');

  const same = await enter('scale', { jumpServer: 'office', count: 1 });
  expect([same.status, same.body.started, same.body.operation]).toEqual([200, false, null]);

  // What the tag says is done once, however often the event comes.
  await setAction('scale=2');
  const obeyed = await enter('tagEvent', [tagEvent()]);
  expect([obeyed.status, obeyed.body.value[0].started]).toEqual([200, true]);
  const scaled = obeyed.body.value[0].operation;
  expect(await tagsOfGroup()).not.toHaveProperty('Molcajete-Action');
  expect((await tagsOfGroup())['molcajete-action-result']).toContain(`scale=2: operation ${scaled.split('/').at(-1)}`);
  expect((await enter('tagEvent', [tagEvent()])).body.value).toEqual([]);

  // While it runs, another wish waits in its tag.
  await setAction('heal');
  const early = await enter('tagEvent', [tagEvent()]);
  expect([early.status, early.body.error.code]).toEqual([409, 'OperationInProgress']);
  expect(await tagsOfGroup()).toHaveProperty('Molcajete-Action', 'heal');
  expect((await world.follow(scaled)).status).toBe('Succeeded');

  await setAction('scale=99');
  const refused = await enter('tagEvent', [tagEvent()]);
  expect([refused.status, refused.body.value[0].started]).toEqual([200, false]);
  expect((await tagsOfGroup())['molcajete-action-result']).toContain('refused: count: 99');

  // An alert heals once, and only what is ours.
  const foreign = await enter('alert', alertOf({ alertTargetIDs: [id('/resourceGroups/others/providers/a/b/c')] }));
  expect([foreign.status, foreign.body.error.code]).toEqual([400, 'NotOurs']);
  expect((await enter('alert', alertOf({ monitorCondition: 'Resolved' }))).status).toBe(200);
  const alert = alertOf();
  const healing = await enter('alert', alert);
  expect([healing.status, healing.body.value[0].started]).toEqual([202, true]);
  const replayed = await enter('alert', alert);
  expect([replayed.status, replayed.body.error.code]).toEqual([409, 'Replayed']);
  expect((await world.follow(healing.body.value[0].operation)).status).toBe('Succeeded');
  expect((await enter('alert', alertOf())).body.error.code).toBe('HealedLately');

  const rotated = await enter('rotate', { jumpServer: 'office', credentials: ['guacadmin'] });
  expect([rotated.status, (await world.follow(rotated.body.operation)).status]).toEqual([202, 'Succeeded']);

  const gone = await enter('teardown', { jumpServer: 'office' });
  expect(gone.status).toBe(202);
  expect((await world.follow(gone.body.operation)).status).toBe('Succeeded');

  const operations = await operationsOf('office');
  expect(operations.map(({ kind, requestedBy }) => [kind, requestedBy])).toEqual([
    ['teardown', 'portal:Portal_Teardown'],
    ['rotate', 'portal:Portal_Rotate'],
    ['heal', 'portal:Portal_Alert'],
    ['scale', 'portal:Portal_TagEvent'],
    ['provision', 'portal:Portal_Provision'],
  ]);
  expect(operations[2]?.reason).toContain("alert 'node down' (Sev1) fired");
  expect(operations[3]?.reason).toContain('the tag molcajete-action: scale=2');
  const audit = (await world.call('GET', '/jump-servers/office/audit?caller=portal:Portal_TagEvent')).body.value;
  expect(audit.map((entry: { operation: string; outcome: string }) => [entry.operation, entry.outcome])).toEqual([
    ['JumpServers_Scale', 'refused'],
    ['JumpServers_Heal', 'refused'],
    ['JumpServers_Scale', 'succeeded'],
  ]);
}, 400_000);
