import { RestError } from '@azure/core-rest-pipeline';
import { beforeEach, describe, expect, test } from 'vitest';
import { healingRoutes } from '../../functions/healing.ts';
import { portalRoutes } from '../../functions/portal.ts';
import { rotationRoutes } from '../../functions/rotation.ts';
import { keyHolder } from '../../shared/auth.ts';
import { ApiError } from '../../shared/errors.ts';
import type { Route, RouteAnswer } from '../../shared/http.ts';
import { requestOperation } from '../../shared/operations.ts';
import { alertBody } from '../../shared/portal/alert.ts';
import { obeyTag } from '../../shared/portal/obeyTag.ts';
import { eventsBody } from '../../shared/portal/tagEvent.ts';
import { findHealing, putHeartbeat, rememberNode, rememberServer } from '../../shared/store/healing.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { findJumpServer, type JumpServerState, putJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, findLease } from '../../shared/store/leases.ts';
import { forgetRepeatablesBefore } from '../../shared/store/repeatability.ts';
import { listAllRows } from '../../shared/store/tables.ts';
import { secondsAfter } from '../../shared/time.ts';
import { ago, broken, noon, openHealingWorld } from './healingWorld.ts';
import { specWith, subscriptionId } from './sample.ts';

const group = `/subscriptions/${subscriptionId}/resourceGroups/molcajete-demo`;
const machineOf = (number: number) => `${group}/providers/Microsoft.Compute/virtualMachines/demo-${number}`;

let made: Awaited<ReturnType<typeof openHealingWorld>>;
let tags: Record<string, string>;
let patches: number;
let patchFailure: Error | undefined;
let lists: number;
let listFailure: Error | undefined;
let lookFailure: Error | undefined;
let started: string[];
let api: Route[];

beforeEach(async () => {
  tags = {};
  patches = 0;
  patchFailure = undefined;
  lists = 0;
  listFailure = undefined;
  lookFailure = undefined;
  started = [];
  const azure = {
    compute: {
      virtualMachines: {
        async *listAll() {
          lists++;
          if (listFailure !== undefined) throw listFailure;
          for (const number of [1, 2])
            yield {
              id: machineOf(number),
              provisioningState: 'Succeeded',
              instanceView: { statuses: [{ code: 'PowerState/running' }] },
            };
        },
        get: async () => {
          if (lookFailure !== undefined) throw lookFailure;
          return {
            id: machineOf(1),
            provisioningState: 'Succeeded',
            instanceView: { statuses: [{ code: 'PowerState/running' }] },
          };
        },
      },
    },
    resources: {
      resources: { getById: async () => ({ properties: { availabilityState: 'Available' } }) },
      resourceGroups: {
        get: async () => ({ tags }),
        update: async (_: string, change: { tags: Record<string, string> }) => {
          patches++;
          if (patchFailure !== undefined) throw patchFailure;
          tags = change.tags;
        },
      },
    },
  };
  made = await openHealingWorld({ azure });
  api = [...healingRoutes(made.deps), ...rotationRoutes(made.deps)];
  for (const number of [1, 2]) await made.heard(number);
  const item = { key: 'node-1/virtualMachine', type: '', dependsOn: [], output: {} };
  await putInventory(made.deps.tables, 'demo', { ...item, id: machineOf(1) });
  await putHeartbeat(made.deps.tables, { at: ago(30), quietUntil: new Date(0) });
});

const entranceOf = (operationId: string) => ({
  caller: keyHolder(operationId),
  headers: new Headers(),
  url: new URL('https://molcajete.test/api/portal/x'),
  startOperation: async ({ operationId: id }: { operationId: string }) => void started.push(id),
});

/** What an entrance of the portal answers to a body. */
const enter = (operationId: string, body: unknown): Promise<RouteAnswer> => openPortal(operationId)(body);

/** An entrance of the portal, which stays open. */
function openPortal(operationId: string): (body: unknown) => Promise<RouteAnswer> {
  const routes = ['JumpServers_CreateOrUpdate', 'JumpServers_Scale', 'JumpServers_Delete'].map(
    (id): Route => ({ definition: { ...healingDefinition(), operationId: id }, handle: async () => ({}) }),
  );
  const found = portalRoutes(made.deps, [...api, ...routes]).find(
    ({ definition }) => definition.operationId === operationId,
  );
  if (found === undefined) throw new Error(`There is no ${operationId}.`);
  const rest = { params: {}, query: {}, auditId: 'x', stream: null };
  return async (body) =>
    found.handle({ ...rest, ...entranceOf(operationId), body: found.definition.body?.parse(body) });
}

function healingDefinition(): Route['definition'] {
  const [heal] = api;
  if (heal === undefined) throw new Error('There is no route.');
  return heal.definition;
}

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'fine';
  } catch (error) {
    if (error instanceof ApiError) return `${error.status} ${error.code}`;
    throw error;
  }
};

const alertOf = (essentials: object = {}) =>
  alertBody.parse({
    schemaId: 'azureMonitorCommonAlertSchema',
    data: {
      essentials: {
        alertId: '/alerts/one',
        alertRule: 'node down',
        monitorCondition: 'Fired',
        alertTargetIDs: [machineOf(1)],
        firedDateTime: ago(60).toISOString(),
        ...essentials,
      },
    },
  });
const alert = (essentials: object = {}) => enter('Portal_Alert', alertOf(essentials));

const audited = async () =>
  (
    await listAllRows<{ operation: string; outcome: string; code?: string; callerName: string }>(made.deps.tables.audit)
  ).map(({ operation, outcome, code, callerName }) => [operation, outcome, code, callerName]);
const put = async (state: JumpServerState, healing: object = {}) => {
  const { etag: _, ...row } = made.server;
  const etag = (await findJumpServer(made.deps.tables, row.name))?.etag;
  return putJumpServer(made.deps.tables, { ...row, state, spec: specWith({ healing }) }, etag);
};
const putFailed = async () => {
  await put('Ready');
  const stored = await findJumpServer(made.deps.tables, 'demo');
  if (stored === undefined) throw new Error('There is no jump server.');
  const { etag, ...row } = stored;
  return putJumpServer(made.deps.tables, { ...row, setback: { kind: 'provision', type: 'Any', message: '' } }, etag);
};
const askFor = (kind: 'scale' | 'heal') =>
  requestOperation(made.deps, async () => {}, {
    jumpServer: 'demo',
    ...(kind === 'scale'
      ? { kind, order: { count: 1 } }
      : { kind, order: { nodes: [], awaits: [], everything: true, evidence: [] } }),
    reason: 'test',
    caller: keyHolder('someone'),
  });

const finish = async () => {
  const lease = await findLease(made.deps.tables, 'demo');
  if (lease !== undefined) await changeLease(made.deps.tables, lease, { state: 'finished' });
};

describe('an alert', () => {
  test('is one more thing that the sweep sees: it is counted, and looks at all resources', async () => {
    expect((await alert()).status).toBe(202);
    expect(await audited()).toEqual([['JumpServers_Heal', 'succeeded', undefined, 'portal:Portal_Alert']]);
    const lease = await findLease(made.deps.tables, 'demo');
    expect(lease?.reason).toMatch(/^portal:Portal_Alert asked for it: alert 'node down' fired/);
    expect(JSON.parse(lease?.spec ?? '')).toMatchObject({ nodes: [], everything: true, alert: true });
    expect((await findHealing(made.deps.tables, 'demo')).server.repairs).toEqual([noon]);
    expect(started).toEqual([lease?.operationId]);
  });

  test.each<[string, () => Promise<unknown>, object[]]>([
    ['gives a node its grace period', () => rememberSince(60), []],
    [
      'repairs one that has had it',
      () => rememberSince(300),
      [{ number: 1, finding: 'unwell', repair: 'restartServices' }],
    ],
    [
      'repairs none just after the control plane was away',
      async () => {
        await rememberSince(300);
        await putHeartbeat(made.deps.tables, { at: ago(600), quietUntil: new Date(0) });
      },
      [],
    ],
  ])('%s', async (_, arrange, nodes) => {
    await made.heard(1, { guacd: broken });
    await arrange();
    expect((await alert()).status).toBe(202);
    expect(JSON.parse((await findLease(made.deps.tables, 'demo'))?.spec ?? '{}').nodes).toEqual(nodes);
  });

  const rememberSince = async (seconds: number) => {
    await rememberNode(made.deps.tables, 'demo', { number: 1, unwellSince: ago(seconds) });
  };

  test.each<[string, () => Promise<unknown>, object, string]>([
    ['from another time', async () => undefined, { firedDateTime: ago(7200).toISOString() }, '400 AlertNotCurrent'],
    ['while healing is switched off', () => put('Ready', { enabled: false }), {}, '409 HealingDisabled'],
    [
      'while healing has stopped',
      () => rememberServer(made.deps.tables, 'demo', { breakerSince: ago(60) }),
      {},
      '409 HealingStopped',
    ],
    [
      'after as many repairs as an hour may have',
      () => rememberServer(made.deps.tables, 'demo', { repairs: [1, 2, 3, 4, 5, 6].map((one) => ago(one * 300)) }),
      {},
      '409 HealingStopped',
    ],
    [
      'in the pause after a heal that did not help',
      () =>
        rememberServer(made.deps.tables, 'demo', {
          repairs: [ago(60)],
          failure: [{ type: 'NodeNotHealed', message: '' }],
        }),
      {},
      '409 HealingPaused',
    ],
    ['while an operation runs', () => askFor('scale'), {}, '409 OperationInProgress'],
    ['just after a heal began', () => askFor('heal'), {}, '409 HealedLately'],
    ['after a PUT that failed, while no node needs a repair', putFailed, {}, '409 DriftLeftAlone'],
    ['while it hibernates', () => put('Hibernated'), {}, '409 JumpServerHibernated'],
    ['while it is not ready', () => put('Failed'), {}, '409 JumpServerNotReady'],
  ])('%s is refused, starts nothing, and is in the audit', async (_, arrange, essentials, code) => {
    await arrange();
    const before = await findLease(made.deps.tables, 'demo');
    expect(await codeOf(alert(essentials))).toBe(code);
    expect(await findLease(made.deps.tables, 'demo')).toEqual(before);
    expect(await audited()).toEqual([['JumpServers_Heal', 'refused', code.slice(4), 'portal:Portal_Alert']]);
    expect(started).toEqual([]);
  });

  test('that was refused may come again', async () => {
    await put('Failed');
    expect(await codeOf(alert())).toBe('409 JumpServerNotReady');
    await put('Ready');
    await rememberServer(made.deps.tables, 'demo', { breakerSince: ago(60) });
    expect(await codeOf(alert())).toBe('409 HealingStopped');
    await rememberServer(made.deps.tables, 'demo', { breakerSince: new Date(0) });
    expect(await codeOf(alert())).toBe('fine');
  });

  test('that comes twice at the same moment is acted upon once', async () => {
    const codes = await Promise.all([codeOf(alert()), codeOf(alert())]);
    expect(codes.sort()).toEqual(['409 Replayed', 'fine']);
    expect(started).toHaveLength(1);
  });

  test('shares its look at the machines with those that come within twenty seconds, unless it failed', async () => {
    const enterAlert = openPortal('Portal_Alert');
    const fire = (alertId: string) => codeOf(enterAlert(alertOf({ alertId })));
    listFailure = new RestError('busy', { statusCode: 503, code: 'ServerBusy' });
    expect(await Promise.all([fire('one'), fire('two')])).toEqual(['503 AzureUnavailable', '503 AzureUnavailable']);
    expect(lists).toBe(1);
    listFailure = undefined;
    expect(await Promise.all([fire('one'), fire('two')])).toEqual(['fine', 'fine']);
    expect(lists).toBe(2);
  });

  test('heeds what happened since another one looked at the machines, and looks again after twenty seconds', async () => {
    const enterAlert = openPortal('Portal_Alert');
    const fire = (alertId: string) => codeOf(enterAlert(alertOf({ alertId })));
    await put('Ready', { gracePeriod: 'PT5S' });
    expect(await fire('one')).toBe('fine');
    await finish();
    const failure = [{ type: 'NodeNotHealed', message: '' }];
    await rememberServer(made.deps.tables, 'demo', { failure, failedAt: secondsAfter(noon, 17) });
    made.world.now = secondsAfter(noon, 19);
    expect([await fire('two'), lists]).toEqual(['409 HealingPaused', 1]);
    made.world.now = secondsAfter(noon, 20);
    expect([await fire('three'), lists]).toEqual(['409 HealingPaused', 2]);
  });

  test('waits while forty heals run that nobody asked for by hand', async () => {
    const order = { nodes: [], awaits: [], everything: true, evidence: [], countedAt: ago(60).toISOString() };
    for (let index = 0; index < 40; index++)
      await requestOperation(made.deps, async () => {}, {
        jumpServer: `other${index}`,
        kind: 'heal',
        order,
        reason: 'test',
        caller: keyHolder('someone'),
      });
    const refused = await alert().catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 503, code: 'HealingBusy', headers: { 'Retry-After': '60' } });
    expect([lists, await findLease(made.deps.tables, 'demo')]).toEqual([0, undefined]);
  });

  test('that has resolved, or is about others, leaves nothing', async () => {
    expect((await alert({ monitorCondition: 'Resolved' })).status ?? 200).toBe(200);
    expect(await codeOf(alert({ alertTargetIDs: [`${group}x/providers/a/b/c`] }))).toBe('400 NotOurs');
    expect(await audited()).toEqual([]);
  });
});

describe('a name', () => {
  test.each(['a/b', '../demo', 'Office 1', '-', "de'mo"])(
    '%s is refused before anything is written of it',
    async (jumpServer) => {
      expect(await codeOf(enter('Portal_Heal', { jumpServer }))).toBe('400 InvalidName');
      expect(await codeOf(enter('Portal_Show', { jumpServer }))).toBe('400 InvalidName');
      expect(await audited()).toEqual([]);
    },
  );
});

describe('a tag', () => {
  const obey = () => obeyTag(made.deps, entranceOf('Portal_TagEvent'), api, 'molcajete-demo');

  test('that cannot be taken off is obeyed once, however often the event comes', async () => {
    tags = { 'molcajete-action': 'heal', owner: 'team' };
    patchFailure = new RestError('busy', { statusCode: 503 });
    await expect(obey()).rejects.toThrow('busy');
    await finish();
    await expect(obey()).rejects.toThrow('busy');
    patchFailure = undefined;
    const outcome = await obey();
    expect([outcome?.started, started.length, patches]).toEqual([true, 1, 3]);
    expect(tags).toMatchObject({
      owner: 'team',
      'molcajete-action-result': expect.stringContaining(`operation ${started[0]}`),
    });
    expect(tags).not.toHaveProperty('molcajete-action');
    expect(await obey()).toBeUndefined();
  });

  test('that a lock keeps on its group is obeyed once, however many days later the event comes again', async () => {
    tags = { 'molcajete-action': 'heal' };
    patchFailure = new RestError('locked', { statusCode: 409, code: 'ScopeLocked' });
    await expect(obey()).rejects.toThrow('locked');
    await finish();
    await forgetRepeatablesBefore(made.deps.tables, secondsAfter(noon, 3 * 86_400));
    await expect(obey()).rejects.toThrow('locked');
    expect(started).toHaveLength(1);
  });

  test('stays while Azure does not show the machines, and is obeyed when the event comes again', async () => {
    tags = { 'molcajete-action': 'heal' };
    lookFailure = new RestError('busy', { statusCode: 503, code: 'ServerBusy' });
    expect(await codeOf(obey())).toBe('503 AzureUnavailable');
    expect([tags['molcajete-action'], started]).toEqual(['heal', []]);
    lookFailure = undefined;
    expect((await obey())?.started).toBe(true);
  });

  test('that is set again is another wish', async () => {
    tags = { 'molcajete-action': 'heal' };
    await obey();
    await finish();
    tags = { 'molcajete-action': 'heal' };
    await obey();
    expect(started).toHaveLength(2);
  });

  test('is another wish too when a person took the first one off, or wrote something else', async () => {
    patchFailure = new RestError('busy', { statusCode: 503 });
    tags = { 'molcajete-action': 'heal' };
    await expect(obey()).rejects.toThrow('busy');
    await finish();
    tags = { 'molcajete-action': 'rotate' };
    await expect(obey()).rejects.toThrow('busy');
    await finish();
    tags = {};
    await obey();
    patchFailure = undefined;
    tags = { 'molcajete-action': 'heal' };
    await obey();
    expect(started).toHaveLength(3);
  });

  test('waits while another operation runs', async () => {
    await askFor('scale');
    tags = { 'molcajete-action': 'heal' };
    expect(await codeOf(obey())).toBe('409 OperationInProgress');
    expect([tags, patches]).toEqual([{ 'molcajete-action': 'heal' }, 0]);
  });

  test('of another subscription is nothing to us', async () => {
    tags = { 'molcajete-action': 'heal' };
    const events = eventsBody.parse([
      {
        id: 'e',
        eventType: 'Microsoft.Resources.ResourceWriteSuccess',
        subject: '/subscriptions/99999999-9999-4999-8999-999999999999/resourceGroups/molcajete-demo',
        data: {},
      },
    ]);
    expect(await codeOf(enter('Portal_TagEvent', events))).toBe('400 NotOurs');
    expect([started, patches, await audited()]).toEqual([[], 0, []]);
  });
});
