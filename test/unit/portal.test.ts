import { expect, test } from 'vitest';
import { z } from 'zod';
import { ApiError } from '../../shared/errors.ts';
import { route } from '../../shared/http.ts';
import {
  alertBody,
  candidates,
  describeAlert,
  type Essentials,
  heedBrakes,
  isAbout,
  refuseStale,
} from '../../shared/portal/alert.ts';
import { groupOf } from '../../shared/portal/armIds.ts';
import { starterBody } from '../../shared/portal/starters.ts';
import {
  describeOutcome,
  eventsBody,
  groupsWritten,
  readAction,
  serverOf,
  settledTags,
  tagOf,
  validationCode,
} from '../../shared/portal/tagEvent.ts';
import type { JumpServer } from '../../shared/store/jumpServers.ts';
import { specWith, subscriptionId } from './sample.ts';

const now = new Date('2026-11-23T12:00:00Z');
const group = (name: string) => `/subscriptions/${subscriptionId}/resourceGroups/${name}`;
const machine = (node: string, inGroup = 'molcajete-demo') =>
  `${group(inGroup)}/providers/Microsoft.Compute/virtualMachines/${node}`;

const serverNamed = (name: string, resourceGroup = `molcajete-${name}`, healing: object = {}): JumpServer => ({
  name,
  spec: { ...specWith({ healing }), resourceGroup },
  state: 'Ready',
  createdAt: now,
  lastOperation: 'first',
  etag: '"1"',
});

/** What an action group sends, in the form that Azure's documentation shows. */
const alertOf = (essentials: object = {}) => ({
  schemaId: 'azureMonitorCommonAlertSchema',
  data: {
    essentials: {
      alertId: `/subscriptions/${subscriptionId}/providers/Microsoft.AlertsManagement/alerts/b9569717`,
      alertRule: 'node down',
      severity: 'Sev1',
      signalType: 'Metric',
      monitorCondition: 'Fired',
      monitoringService: 'Platform',
      alertTargetIDs: [machine('demo-1').toLowerCase()],
      configurationItems: ['demo-1'],
      firedDateTime: '2026-11-23T11:58:24.3713213Z',
      description: '',
      essentialsVersion: '1.0',
      ...essentials,
    },
    alertContext: { properties: null },
    customProperties: null,
  },
});
const essentialsOf = (change: object = {}): Essentials => alertBody.parse(alertOf(change)).data.essentials;

/** The code of the ApiError that is thrown, or 'fine'. */
function codeOf(work: () => unknown): string {
  try {
    work();
    return 'fine';
  } catch (error) {
    if (error instanceof ApiError) return error.code;
    throw error;
  }
}

test.each<[string, object, string]>([
  ['another schema', { ...alertOf(), schemaId: 'AzureMonitorMetricAlert' }, 'schemaId'],
  ['no schema, as without the common alert schema', { data: {} }, 'schemaId'],
  ['no essentials', { ...alertOf(), data: {} }, 'data.essentials'],
  ['an unknown condition', alertOf({ monitorCondition: 'Maybe' }), 'data.essentials.monitorCondition'],
  ['no target', alertOf({ alertTargetIDs: [] }), 'data.essentials.alertTargetIDs'],
  ['a target that is no text', alertOf({ alertTargetIDs: [7] }), 'data.essentials.alertTargetIDs.0'],
  ['no time', alertOf({ firedDateTime: 'lately' }), 'data.essentials.firedDateTime'],
  ['no id', alertOf({ alertId: '' }), 'data.essentials.alertId'],
])('refuses an alert with %s and names the field', (_, body, field) => {
  const parsed = alertBody.safeParse(body);
  expect(parsed.error?.issues.map(({ path }) => path.join('.'))).toContain(field);
});

test.each([
  [group('Molcajete-Demo'), 'molcajete-demo'],
  [machine('demo-1').toUpperCase(), 'molcajete-demo'],
  [`/subscriptions/${subscriptionId}`, undefined],
  [`/subscriptions/${subscriptionId}/resourceGroups/`, undefined],
  [group('molcajete-demo').replace(subscriptionId, '99999999-9999-4999-8999-999999999999'), undefined],
  ['demo-1', undefined],
  ['', undefined],
])('finds the group of %s', (id, wanted) => expect(groupOf(id, subscriptionId)).toBe(wanted));

const place = { subscriptionId, controlResourceGroup: 'Molcajete-Control' };
const servers = [serverNamed('demo'), serverNamed('office'), serverNamed('lab', 'SHARED')];

test.each<[string, string[], string[]]>([
  ['of the group of one', [machine('demo-1')], ['demo']],
  ['of a group in other letters', [machine('lab-1', 'shared')], ['lab']],
  ['of two', [machine('demo-1'), machine('office-2', 'molcajete-office')], ['demo', 'office']],
  ['of a private endpoint beside the control plane', [machine('demo-control-endpoint', 'molcajete-control')], ['demo']],
  ['of the control plane itself', [machine('storage', 'molcajete-control')], []],
  ['of a group of others', [machine('demo-1', 'others')], []],
  ['of another subscription', [machine('demo-1').replace(subscriptionId, 'another')], []],
])('looks for the target %s in the right inventories', (_, alertTargetIDs, wanted) => {
  expect(candidates(essentialsOf({ alertTargetIDs }), servers, place).map(({ name }) => name)).toEqual(wanted);
});

test.each<[string, string, boolean]>([
  ['a resource in the inventory', machine('demo-1').toLowerCase(), true],
  ['a part of one', `${machine('demo-1')}/extensions/health`, true],
  ['the group', group('molcajete-demo').toUpperCase(), true],
  ['what others keep in the group', machine('guest'), false],
  ['a name that only begins alike', machine('demo-10'), false],
])('an alert about %s', (_, target, wanted) => {
  const item = { type: '', dependsOn: [], output: {} };
  const inventory = [
    { ...item, key: 'resourceGroup', id: group('molcajete-demo') },
    { ...item, key: 'virtualMachine/1', id: machine('demo-1') },
    { ...item, key: 'schema', id: '' },
  ];
  expect(isAbout(essentialsOf({ alertTargetIDs: [target] }), inventory)).toBe(wanted);
});

test.each([
  ['2026-11-23T11:00:00Z', 'fine'],
  ['2026-11-23T10:59:59.999Z', 'AlertNotCurrent'],
  ['2026-11-23T12:05:00Z', 'fine'],
  ['2026-11-23T12:05:01Z', 'AlertNotCurrent'],
  ['2026-11-23T12:58:00.1234567+01:00', 'fine'],
])('an alert that fired at %s, read at noon: %s', (firedDateTime, wanted) => {
  expect(codeOf(() => refuseStale(essentialsOf({ firedDateTime }), now))).toBe(wanted);
});

const repairs = (count: number) => Array.from({ length: count }, () => new Date('2026-11-23T11:30:00Z'));
const healAt = (time: string) => ({ kind: 'heal' as const, requestedAt: new Date(time) });

test.each<[string, object, Parameters<typeof heedBrakes>[1], Parameters<typeof heedBrakes>[2], string]>([
  ['nothing is against it', {}, { repairs: [] }, undefined, 'fine'],
  ['healing is switched off', { enabled: false }, { repairs: [] }, undefined, 'HealingDisabled'],
  ['healing has stopped', {}, { repairs: [], breakerSince: now }, undefined, 'HealingStopped'],
  [
    'as many repairs as an hour may have',
    { maxRepairsPerHour: 2 },
    { repairs: repairs(2) },
    undefined,
    'HealingStopped',
  ],
  ['one repair fewer', { maxRepairsPerHour: 3 }, { repairs: repairs(2) }, undefined, 'fine'],
  ['a heal within the grace period', {}, { repairs: [] }, healAt('2026-11-23T11:58:01Z'), 'HealedLately'],
  ['a heal before it', {}, { repairs: [] }, healAt('2026-11-23T11:58:00Z'), 'fine'],
  ['another operation', {}, { repairs: [] }, { kind: 'scale', requestedAt: now }, 'fine'],
])('an alert heals where %s', (_, healing, memory, lease, wanted) => {
  expect(codeOf(() => heedBrakes(serverNamed('demo', 'g', healing), memory, lease, now))).toBe(wanted);
});

test('an alert is described by its rule, its severity, its time and its targets', () => {
  expect(describeAlert(essentialsOf())).toBe(
    "alert 'node down' (Sev1) fired at 2026-11-23T11:58:24.3713213Z about demo-1",
  );
});

const written = 'Microsoft.Resources.ResourceWriteSuccess';
const eventOf = (change: object = {}) => ({
  id: 'e1',
  topic: `/subscriptions/${subscriptionId}`,
  subject: `${group('Molcajete-Demo')}/providers/Microsoft.Resources/tags/default`,
  eventType: written,
  eventTime: '2026-11-23T11:59:00.1234567Z',
  data: { operationName: 'Microsoft.Resources/tags/write', status: 'Succeeded' },
  dataVersion: '2',
  metadataVersion: '1',
  ...change,
});
const eventsOf = (...changes: object[]) => eventsBody.parse(changes.map(eventOf));

test.each<[string, unknown, string]>([
  ['one event without an array', eventOf(), ''],
  ['an empty array', [], ''],
  ['no subject', [{ ...eventOf(), subject: undefined }], '0.subject'],
  ['no type', [eventOf({ eventType: '' })], '0.eventType'],
  ['an id that is a number', [eventOf(), eventOf({ id: 7 })], '1.id'],
])('refuses %s as events and names the field', (_, body, field) => {
  expect(eventsBody.safeParse(body).error?.issues.map(({ path }) => path.join('.'))).toEqual([field]);
});

test("answers Event Grid's question with its code", () => {
  const question = {
    subject: '',
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    data: { validationCode: '512d38b6', validationUrl: 'https://rp-westeurope.eventgrid.example/validate' },
  };
  expect(validationCode(eventsOf(question))).toBe('512d38b6');
  expect(validationCode(eventsOf({}))).toBeUndefined();
});

test.each<[string, object[], string[]]>([
  ['tags', [{}], ['molcajete-demo']],
  ['the group', [{ subject: group('molcajete-demo') }], ['molcajete-demo']],
  ['the same twice', [{}, { subject: group('molcajete-demo') }], ['molcajete-demo']],
  ['two groups', [{}, { subject: group('others') }], ['molcajete-demo', 'others']],
  ['a machine', [{ subject: machine('demo-1') }], []],
  ['the tags of a machine', [{ subject: `${machine('demo-1')}/providers/Microsoft.Resources/tags/default` }], []],
  ['a policy of the subscription', [{ subject: `/subscriptions/${subscriptionId}/providers/Microsoft.Policy/x` }], []],
  ['a write that failed', [{ eventType: 'Microsoft.Resources.ResourceWriteFailure' }], []],
  ['a deletion', [{ eventType: 'Microsoft.Resources.ResourceDeleteSuccess' }], []],
])('an event about %s', (_, changes, wanted) => {
  expect(groupsWritten(eventsOf(...changes), subscriptionId)).toEqual(wanted);
});

test('refuses events of another subscription, among ours too', () => {
  const foreign = { subject: '/subscriptions/99999999-9999-4999-8999-999999999999/resourceGroups/molcajete-demo' };
  expect(codeOf(() => groupsWritten(eventsOf({}, foreign), subscriptionId))).toBe('NotOurs');
});

test.each<[string, unknown]>([
  ['heal', { action: 'heal', body: {} }],
  [' Heal ', { action: 'heal', body: {} }],
  ['rotate', { action: 'rotate', body: {} }],
  ['scale=3', { action: 'scale', body: { count: 3 } }],
  ['scale = 0', { action: 'scale', body: { count: 0 } }],
  ['scale', undefined],
  ['scale=', undefined],
  ['scale=-1', undefined],
  ['scale=1.5', undefined],
  ['scale=99999', undefined],
  ['scale=3; heal', undefined],
  ['teardown', undefined],
  ['', undefined],
])("the tag's value '%s'", (value, wanted) => expect(readAction(value)).toEqual(wanted));

test('a tag is found in any letter case', () => {
  expect(tagOf({ 'Molcajete-Action': 'heal' }, 'molcajete-action')).toBe('heal');
  expect(tagOf(undefined, 'molcajete-action')).toBeUndefined();
});

test.each<[string, string[], Record<string, string> | undefined, string | undefined]>([
  ['the only one in it', ['demo'], {}, 'demo'],
  ['the one it names', ['demo', 'office'], { 'molcajete-jump-server': 'office' }, 'office'],
  ['none where two are in it and none is named', ['demo', 'office'], {}, undefined],
  ['none where none is in it', [], { 'molcajete-jump-server': 'demo' }, undefined],
])('a group belongs to %s', (_, names, tags, wanted) => {
  expect(
    serverOf(
      names.map((name) => serverNamed(name)),
      tags,
    )?.name,
  ).toBe(wanted);
});

test('an action leaves every tag but its own, and the newest result', () => {
  const tags = { Owner: 'team', 'MOLCAJETE-Action': 'heal', 'molcajete-action-result': 'older' };
  expect(settledTags(tags, 'new')).toEqual({ Owner: 'team', 'molcajete-action-result': 'new' });
  expect(settledTags(tags, 'x'.repeat(300))['molcajete-action-result']).toHaveLength(256);
});

test.each([
  [{ jumpServer: 'demo', started: true, operation: 'https://h/operations/42', message: '' }, 'operation 42'],
  [{ jumpServer: 'demo', started: false, operation: null, message: 'As many are up.' }, 'As many are up.'],
  [new ApiError(400, 'InvalidRequest', 'count: too many'), 'refused: count: too many'],
])('says in the tag what came of it', (outcome, words) => {
  expect(describeOutcome('scale=3', outcome, now)).toBe(`2026-11-23T12:00:00.000Z scale=3: ${words}`);
});

const routeWith = (body?: z.ZodType) =>
  route(
    {
      operationId: 'Any',
      summary: '',
      method: 'POST',
      path: '/x/{name}',
      role: 'Reader',
      responses: {},
      ...(body ? { body } : {}),
    },
    async () => ({}),
  );

test("a starter takes the call's own body with the jump server's name in it", () => {
  const schema = starterBody(routeWith(z.strictObject({ count: z.int(), soon: z.boolean().default(true) })));
  expect(schema.parse({ jumpServer: 'demo', count: 3 })).toEqual({
    jumpServer: 'demo',
    body: { count: 3, soon: true },
  });
  const wrong = schema.safeParse({ count: 'three', force: true });
  expect(wrong.error?.issues.map(({ path, code }) => [path.join('.'), code])).toEqual([
    ['count', 'invalid_type'],
    ['jumpServer', 'invalid_type'],
    ['', 'unrecognized_keys'],
  ]);
});

test('a starter takes a spec as a member, and only the name where the call has no body', () => {
  const spec = z.strictObject({ location: z.string() }).transform((given) => ({ ...given, more: 1 }));
  const given = { jumpServer: 'demo', spec: { location: 'x' } };
  expect(starterBody(routeWith(spec)).parse(given)).toEqual({ jumpServer: 'demo', body: { location: 'x', more: 1 } });
  expect(starterBody(routeWith()).parse({ jumpServer: 'demo' })).toEqual({ jumpServer: 'demo', body: undefined });
  expect(starterBody(routeWith()).safeParse({ jumpServer: 'demo', force: true }).success).toBe(false);
});
