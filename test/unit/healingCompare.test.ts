import { RestError } from '@azure/core-rest-pipeline';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Attempt } from '../../shared/azure/engine.ts';
import { databaseDnsZone, namesOf } from '../../shared/azure/names.ts';
import { ApiError } from '../../shared/errors.ts';
import { compareResources, databaseTrouble, findDrift } from '../../shared/healing/compare.ts';
import { missingRecords, recordSteps } from '../../shared/healing/dnsRecords.ts';
import { parseHealOrder } from '../../shared/healing/order.ts';
import { requestOperation } from '../../shared/operations.ts';
import { findHealing, rememberNode, rememberServer } from '../../shared/store/healing.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { findJumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, findLease, type Lease } from '../../shared/store/leases.ts';
import { putNode } from '../../shared/store/nodes.ts';
import { topologyOf } from '../../shared/topology.ts';
import { ago, broken, openHealingWorld } from './healingWorld.ts';
import { environment, specOf, subscriptionId } from './sample.ts';

const spec = specOf();
const names = namesOf('demo', { subscriptionId, resourceGroup: spec.resourceGroup });
const group = `/subscriptions/${subscriptionId}/resourceGroups/${spec.resourceGroup}`;
const control = `/subscriptions/${subscriptionId}/resourceGroups/${environment.controlResourceGroup}`;
const attempt: Attempt = { permit: async () => {}, within: async (work) => ({ value: await work }) };

let made: Awaited<ReturnType<typeof openHealingWorld>>;
/** What a query of the control plane's comes to. */
let query: () => Promise<unknown>;

beforeEach(async () => {
  query = async () => [];
  const db = { selectFrom: () => ({ select: () => ({ limit: () => ({ execute: () => query() }) }) }) };
  made = await openHealingWorld({ guacamole: async () => db });
});

async function build(): Promise<void> {
  await made.build();
  for (const endpoint of endpoints) {
    setAddress(endpoint, '10.20.1.4');
    setRecord(endpoint, '10.20.1.4');
  }
}

const endpoints = [
  {
    key: 'dataEndpointDns',
    id: `${group}/providers/Microsoft.Network/privateEndpoints/${names.dataEndpoint}`,
    at: group,
  },
  {
    key: 'controlEndpointDns',
    id: `${control}/providers/Microsoft.Network/privateEndpoints/${names.controlEndpoint}`,
    at: control,
  },
] as const;
type Endpoint = (typeof endpoints)[number];

const recordId = ({ at }: Endpoint) =>
  `${at}/providers/Microsoft.Network/privateDnsZones/${databaseDnsZone}/A/${names.mysqlServer}`.toLowerCase();

function setRecord(endpoint: Endpoint, ipv4Address: string): void {
  const id = recordId(endpoint);
  made.stub.stored.set(id, { id, properties: { aRecords: [{ ipv4Address }] } });
}

function setAddress({ id }: Endpoint, address: string): void {
  const found = made.stub.find(id) as { properties: object };
  made.stub.stored.set(id.toLowerCase(), {
    ...found,
    properties: { ...found.properties, customDnsConfigs: [{ fqdn: 'x', ipAddresses: [address] }] },
  });
}

const drift = async () => (await findDrift(made.deps, made.server)).drift;
const lose = (id: string) => expect(made.stub.stored.delete(id.toLowerCase())).toBe(true);
const outputOf = (key: string, output: Record<string, string>) =>
  putInventory(made.deps.tables, 'demo', { key, type: '', id: '', dependsOn: [], output });

describe('what a comparison finds', () => {
  beforeEach(build);

  test.each<[string, () => unknown, RegExp[]]>([
    ['nothing where all is as the spec says', () => undefined, []],
    [
      'a balancer that is gone',
      () => lose(`${group}/providers/Microsoft.Network/loadBalancers/${names.loadBalancer}`),
      [/^loadBalancer is gone$/],
    ],
    [
      'a machine that is gone',
      () => lose(`${group}/providers/Microsoft.Compute/virtualMachines/demo-2`),
      [/^node-2\/virtualMachine is gone$/],
    ],
    [
      'no machine that a deallocated node has lost: made again it would run',
      async () => {
        await made.nodes('running', 'deallocated');
        lose(`${group}/providers/Microsoft.Compute/virtualMachines/demo-2`);
      },
      [],
    ],
    [
      'no node that scaling brings up: that is scaling’s business for half an hour',
      async () => {
        await putNode(made.deps.tables, 'demo', { number: 2, state: 'starting', since: ago(1700) });
        lose(`${group}/providers/Microsoft.Compute/virtualMachines/demo-2`);
      },
      [],
    ],
    [
      'one that does not come up in that time',
      async () => {
        await putNode(made.deps.tables, 'demo', { number: 2, state: 'starting', since: ago(1900) });
        lose(`${group}/providers/Microsoft.Compute/virtualMachines/demo-2`);
      },
      [/^node-2\/virtualMachine is gone$/],
    ],
    [
      'an interface out of its pool',
      () => {
        const id = `${group}/providers/Microsoft.Network/networkInterfaces/demo-1-nic`;
        const nic = made.stub.find(id) as { properties: { ipConfigurations: { properties: object }[] } };
        const ipConfigurations = nic.properties.ipConfigurations.map((one) => ({
          ...one,
          properties: { ...one.properties, loadBalancerBackendAddressPools: [] },
        }));
        made.stub.stored.set(id.toLowerCase(), { ...nic, properties: { ...nic.properties, ipConfigurations } });
      },
      [/^node-1\/networkInterface differs/],
    ],
    [
      'a MySQL server that is stopped',
      () => {
        const id = `${group}/providers/Microsoft.DBforMySQL/flexibleServers/${names.mysqlServer}`;
        const found = made.stub.find(id) as { properties: object };
        made.stub.stored.set(id.toLowerCase(), { ...found, properties: { ...found.properties, state: 'Stopped' } });
      },
      [/^The MySQL server is stopped$/],
    ],
    [
      'the record of the database, gone from its own zone',
      () => lose(recordId(endpoints[0])),
      [/^The DNS record .* of dataEndpointDns is gone/],
    ],
    [
      "and one in the control plane's zone that names another address",
      () => setRecord(endpoints[1], '10.9.9.9'),
      [/^The DNS record .* of controlEndpointDns .* names another address$/],
    ],
    [
      'a database without its schema',
      () => {
        query = () => Promise.reject(Object.assign(new Error('no table'), { code: 'ER_NO_SUCH_TABLE', errno: 1146 }));
      },
      [/^The control plane cannot use the database \(ER_NO_SUCH_TABLE\)$/],
    ],
    [
      'a certificate near its end',
      () => outputOf('certificate', { notAfter: '2026-12-01T00:00:00Z' }),
      [/^The certificate ends on 2026-12-01/],
    ],
    ['none with more than 30 days left', () => outputOf('certificate', { notAfter: '2026-12-31T00:00:00Z' }), []],
  ])('%s', async (_, strike, wanted) => {
    await strike();
    const found = await drift();
    expect(found).toEqual(wanted.map((one) => expect.stringMatching(one)));
  });

  test.each<[string, 'network' | 'privateDns', string, string[]]>([
    ['a resource', 'network', 'loadBalancers', ['loadBalancer']],
    ['a DNS record', 'privateDns', 'recordSets', endpoints.map(({ key }) => `The DNS record of ${key}`)],
  ])('nothing where %s cannot be read just now, and a right that is missing', async (_, client, collection, what) => {
    const { azure } = made.deps;
    const failing = (statusCode: number, code: string) => ({
      ...azure,
      [client]: new Proxy(azure[client], {
        get: (target, name) =>
          name === collection
            ? { get: () => Promise.reject(Object.assign(new Error(code), { statusCode, code })) }
            : Reflect.get(target, name),
      }),
    });
    const found = async (statusCode: number, code: string) =>
      (await findDrift({ ...made.deps, azure: failing(statusCode, code) }, made.server)).drift;
    expect(await found(503, 'ServiceUnavailable')).toEqual([]);
    expect(await found(403, 'AuthorizationFailed')).toEqual(
      what.map((one) => `${one} cannot be read: AuthorizationFailed`),
    );
  });
});

describe('what the control plane meets at the database', () => {
  const failsWith = (error: Error) => () => Promise.reject(error);
  const mysql = (code: string) => Object.assign(new Error(code), { code, errno: 1 });

  test.each<[string, () => Promise<unknown>, boolean, string[], string[]]>([
    ['nothing', async () => [], true, [], []],
    ['a missing table', failsWith(mysql('ER_NO_SUCH_TABLE')), true, ['ER_NO_SUCH_TABLE'], []],
    ['a refused login', failsWith(mysql('ER_ACCESS_DENIED_ERROR')), true, ['ER_ACCESS_DENIED_ERROR'], []],
    ['a server that shuts down', failsWith(mysql('ER_SERVER_SHUTDOWN')), true, [], []],
    ['a server with no connection to spare', failsWith(mysql('ER_CON_COUNT_ERROR')), true, [], []],
    ['a vault that does not answer', failsWith(new RestError('no', { code: 'ENOTFOUND' })), true, [], []],
    ['a vault that refuses', failsWith(new RestError('no', { code: 'Forbidden', statusCode: 403 })), true, [], []],
    ['no database yet', failsWith(new ApiError(409, 'JumpServerNotReady', '')), true, [], []],
    ['no connection, while nodes log in', failsWith(mysql('ECONNREFUSED')), true, [], ['DatabaseOutOfReach']],
    ['no name, while nodes log in', failsWith(mysql('EAI_AGAIN')), true, [], ['DatabaseOutOfReach']],
    ['no connection, and no node logs in: the sweep sees that', failsWith(mysql('ETIMEDOUT')), false, [], []],
  ])('%s', async (_, outcome, nodesLogIn, codes, conditions) => {
    query = outcome;
    for (const number of [1, 2]) await made.heard(number, nodesLogIn ? {} : { database: broken });
    const fleet = [1, 2].map((number) => ({ number, state: 'running' as const, since: made.world.now }));
    const found = await databaseTrouble(made.deps, 'demo', fleet);
    expect(found.drift).toEqual(codes.map((code) => `The control plane cannot use the database (${code})`));
    expect(found.noticed.map(({ type }) => type)).toEqual(conditions);
  });
});

describe('a comparison', () => {
  beforeEach(async () => {
    await build();
    await made.addresses();
    for (const number of [1, 2]) await made.heard(number);
  });

  const compare = async (probed?: string[]) => {
    const { azure } = made.deps;
    const health = async () => ({
      loadBalancerBackendAddresses: (probed ?? []).map((ipAddress) => ({ ipAddress, state: 'Up' })),
    });
    const network = new Proxy(azure.network, {
      get: (target, name) => (name === 'loadBalancerLoadBalancingRules' ? { health } : Reflect.get(target, name)),
    });
    await compareResources({ ...made.deps, azure: { ...azure, network } }, async () => {});
    return (await findHealing(made.deps.tables, 'demo')).server;
  };
  const both = ['10.20.0.4', '10.20.0.5'];

  const ordered = async () => {
    const lease = await findLease(made.deps.tables, 'demo');
    return lease && parseHealOrder(lease.spec);
  };

  const isRunning = (number: number) => {
    const id = `${group}/providers/Microsoft.Compute/virtualMachines/demo-${number}`;
    const machine = made.stub.find(id) as { properties: object };
    const vmAgent = { statuses: [{ code: 'ProvisioningState/succeeded' }] };
    const instanceView = { statuses: [{ code: 'PowerState/running' }], vmAgent };
    made.stub.stored.set(id.toLowerCase(), { ...machine, properties: { ...machine.properties, instanceView } });
  };

  test('says what is none of the jump server’s faults, starts nothing for it, and takes it back', async () => {
    query = () => Promise.reject(Object.assign(new Error('no way'), { code: 'ECONNREFUSED' }));
    expect((await compare(both)).noticed).toMatchObject([{ type: 'DatabaseOutOfReach' }]);
    expect(await findLease(made.deps.tables, 'demo')).toBeUndefined();
    query = async () => [];
    expect((await compare(both)).noticed).toEqual([]);
  });

  test('takes back what the last heal failed at when it finds all well, and not before', async () => {
    await rememberServer(made.deps.tables, 'demo', { failure: [{ type: 'NodesStillUnwell', message: '' }] });
    await made.heard(1, { database: broken });
    expect((await compare(both)).failure).toHaveLength(1);
    await made.heard(1);
    expect((await compare(['10.20.0.5'])).failure).toHaveLength(1);
    expect((await compare(both)).failure).toEqual([]);
  });

  test('only says what differs after a PUT that failed, and repairs nodes all the same', async () => {
    lose(`${group}/providers/Microsoft.Network/loadBalancers/${names.loadBalancer}`);
    const { etag: _, ...row } = made.server;
    const setback = { kind: 'provision', type: 'RequestDisallowedByPolicy', message: '' } as const;
    const stored = await findJumpServer(made.deps.tables, 'demo');
    await putJumpServer(made.deps.tables, { ...row, setback }, stored?.etag);
    expect((await compare(both)).noticed).toMatchObject([
      { type: 'DriftLeftAlone', message: expect.stringMatching(/^loadBalancer is gone\. .*equal PUT/) },
    ]);
    expect(await ordered()).toBeUndefined();
    await rememberNode(made.deps.tables, 'demo', { number: 1, probeDownSince: ago(600) });
    isRunning(1);
    await compare(['10.20.0.5']);
    expect(await ordered()).toMatchObject({ nodes: [{ number: 1 }], everything: false });
  });

  test('says at once that healing stops after too many repairs, and repairs nothing more', async () => {
    lose(`${group}/providers/Microsoft.Network/loadBalancers/${names.loadBalancer}`);
    const repairs = Array.from({ length: spec.healing.maxRepairsPerHour }, (_, at) => ago(60 + at));
    await rememberServer(made.deps.tables, 'demo', { repairs });
    expect(await compare(both)).toMatchObject({
      conditions: [{ type: 'HealingStopped' }],
      breakerSince: made.world.now,
    });
    expect(await ordered()).toBeUndefined();
  });

  test('begins no heal of what differs while half of those that may run do, and lets the turn pass to others', async () => {
    const { tables } = made.deps;
    lose(`${group}/providers/Microsoft.Network/loadBalancers/${names.loadBalancer}`);
    const caller = { objectId: 'molcajete', name: 'Molcajete', roles: [] };
    const order = { nodes: [], awaits: [], everything: true, evidence: [], countedAt: ago(60).toISOString() };
    const ask = (jumpServer: string) =>
      requestOperation(made.deps, async () => {}, { jumpServer, kind: 'heal', order, reason: 'test', caller });
    const heals: Lease[] = [];
    for (let number = 0; number < 20; number++) heals.push(await ask(`other${number}`));
    expect(await compare(both)).toMatchObject({ comparedAt: made.world.now, repairs: [] });
    expect(await ordered()).toBeUndefined();
    const [first] = heals;
    if (first !== undefined) await changeLease(tables, first, { state: 'finished' });
    await compare(both);
    expect(await ordered()).toMatchObject({ evidence: ['loadBalancer is gone'] });
  });

  test('goes on while an operation only waits, and takes its place', async () => {
    lose(`${group}/providers/Microsoft.Network/loadBalancers/${names.loadBalancer}`);
    const caller = { objectId: 'anna', name: 'anna', roles: [] };
    const order = { nodes: [], awaits: [], everything: true, evidence: [] };
    const { operationId, fence } = await requestOperation(made.deps, async () => {}, {
      jumpServer: 'demo',
      kind: 'heal',
      order,
      reason: 'test',
      caller,
    });
    await compare(both);
    expect(await findLease(made.deps.tables, 'demo')).toMatchObject({ operationId });
    await changeLease(made.deps.tables, { jumpServer: 'demo', operationId, fence }, { yields: true });
    await compare(both);
    expect(await ordered()).toMatchObject({ evidence: ['loadBalancer is gone'] });
  });

  test('leaves a database that no node reaches to the sweep, which has the brakes for it', async () => {
    for (const number of [1, 2]) {
      await made.heard(number, { database: broken });
      await rememberNode(made.deps.tables, 'demo', { number, unwellSince: ago(600) });
    }
    await compare(both);
    expect(await findLease(made.deps.tables, 'demo')).toBeUndefined();
  });

  test('comes again at once for a probe that fails, but not for ever', async () => {
    expect((await compare(['10.20.0.5'])).comparedAt).toBeUndefined();
    await rememberNode(made.deps.tables, 'demo', { number: 1, probeDownSince: ago(600) });
    await rememberServer(made.deps.tables, 'demo', {
      repairs: [ago(60)],
      failure: [{ type: 'NodeNotHealed', message: '' }],
    });
    expect((await compare(['10.20.0.5'])).comparedAt).toEqual(made.world.now);
  });

  test('restarts the services of one node that the probe does not reach, and of none when it reaches none', async () => {
    for (const number of [1, 2]) await rememberNode(made.deps.tables, 'demo', { number, probeDownSince: ago(600) });
    expect((await compare([])).noticed).toMatchObject([{ type: 'CommonTrouble' }]);
    expect(await findLease(made.deps.tables, 'demo')).toBeUndefined();
    isRunning(1);
    await compare(['10.20.0.5']);
    expect((await ordered())?.nodes).toEqual([{ number: 1, finding: 'probeFails', repair: 'restartServices' }]);
  });
});

describe('the records of the database', () => {
  beforeEach(build);

  const step = (key: string) => recordSteps(made.deps, 'demo', spec).find((one) => one.key === `${key}/record`);
  const deleted = () =>
    made.stub.writes.filter(({ method }) => method === 'DELETE').map(({ id }) => id.split('/').at(-1));

  test('are right as they are, and nothing is written', async () => {
    expect(await missingRecords(made.deps, 'demo', spec)).toEqual([]);
    for (const { key } of endpoints) expect(await step(key)?.ensure({}, attempt)).toMatchObject({ state: 'ready' });
    expect(deleted()).toEqual([]);
  });

  test.each(endpoints)('$key: the zone group of a wrong one is deleted, so that it is made again', async (endpoint) => {
    setRecord(endpoint, '10.9.9.9');
    expect(await step(endpoint.key)?.ensure({}, attempt)).toMatchObject({ state: 'pending' });
    expect(deleted()).toHaveLength(1);
    // Without its group it is the topology's turn.
    expect(await step(endpoint.key)?.ensure({}, attempt)).toMatchObject({ state: 'ready' });
    expect(deleted()).toHaveLength(1);
  });

  test('are not missed where the endpoint itself is missing', async () => {
    const [endpoint] = endpoints;
    lose(recordId(endpoint));
    lose(endpoint.id);
    expect(await missingRecords(made.deps, 'demo', spec)).toEqual([]);
  });
});

test('a PUT looks after the machine of a deallocated node, and makes none where it is gone', async () => {
  await build();
  const states = { 1: 'running', 2: 'deallocated' } as const;
  const look = async (number: 1 | 2) => {
    const nodes = [1, 2].map((one) => ({ number: one, state: states[one as 1 | 2] }));
    const resources = topologyOf('demo', spec, environment, nodes);
    return resources.find(({ key }) => key === `node-${number}/virtualMachine`)?.look(made.deps.azure, {});
  };
  expect(await look(2)).toMatchObject({ observed: 'ready' });
  for (const number of [1, 2]) lose(`${group}/providers/Microsoft.Compute/virtualMachines/demo-${number}`);
  expect(await look(1)).toMatchObject({ observed: 'missing', change: { kind: 'create' } });
  expect(await look(2)).toMatchObject({ observed: 'ready', change: undefined });
});
