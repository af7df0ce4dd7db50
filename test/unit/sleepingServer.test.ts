import { expect, test } from 'vitest';
import { jumpServerRoutes } from '../../functions/jumpServers.ts';
import { leftStopped } from '../../shared/azure/resources/mysqlServer.ts';
import type { Deps } from '../../shared/deps.ts';
import { type JumpServerState, putJumpServer } from '../../shared/store/jumpServers.ts';
import type { Lease } from '../../shared/store/leases.ts';
import { type NodeState, putNode } from '../../shared/store/nodes.ts';
import type { Json } from './azureAnswers.ts';
import { azureStub } from './azureStub.ts';
import { ensureAll, minimal, resourceNamed, seedControlNetwork, specOf, specWith, subscriptionId } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const tagged = specWith({ tags: { team: 'platform' } });

async function stoppedServer() {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  await ensureAll(stub, specOf());
  const server = resourceNamed(tagged, 'mysqlServer');
  const properties = stub.find(server.id).properties as Json;
  properties.state = 'Stopped';
  const order: string[] = [];
  Object.assign(stub.azure.mysql.servers, {
    beginStartAndWait: async (group: string, name: string) => {
      order.push(`start ${group} ${name}`);
      properties.state = 'Ready';
    },
  });
  const before = stub.writes.length;
  const sent = () => [...order, ...stub.writes.slice(before).map(({ method }) => method)];
  return { stub, server, sent };
}

test('a stopped MySQL server is started before it is changed', async () => {
  const { stub, server, sent } = await stoppedServer();
  await (await server.look(stub.azure, {})).change?.write();
  expect(sent()).toEqual([expect.stringMatching(/^start molcajete-demo demo-[0-9a-f]{12}$/), 'PATCH']);
});

test('the stopped MySQL server of a jump server that sleeps is left as it is', async () => {
  const { stub, server, sent } = await stoppedServer();
  const look = await leftStopped(server).look(stub.azure, {});
  expect(look).toMatchObject({ observed: 'ready', change: undefined });
  expect(sent()).toEqual([]);
});

/** A PUT to a jump server in that state, with nodes in that one; or a plan of it. */
async function put(state: JumpServerState, nodes: NodeState, body: object, operationId = 'JumpServers_CreateOrUpdate') {
  const deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api', MOLCAJETE_RESOURCE_GROUP: 'control' },
    now: () => new Date(),
    tables: createTablesStub(),
  } as unknown as Deps;
  const server = { name: 'demo', spec: specOf(), state, createdAt: new Date(), lastOperation: 'op' };
  await putJumpServer(deps.tables, server);
  for (const number of [1, 2]) await putNode(deps.tables, 'demo', { number, state: nodes, since: new Date() });
  const route = jumpServerRoutes(deps).find(({ definition }) => definition.operationId === operationId);
  const caller = { objectId: 'anna', name: 'anna', roles: [] };
  const startOperation = async (_: Lease) => {};
  const request = { params: { name: 'demo' }, body, caller, headers: new Headers(), startOperation };
  const parsed = { ...request, body: route?.definition.body?.parse(body) } as unknown as Parameters<
    NonNullable<typeof route>['handle']
  >[0];
  return route?.handle(parsed);
}

const withTag = { ...minimal, tags: { team: 'platform' } };

test.each(['Hibernated', 'Failed'] as const)(
  'tags cannot be put on a jump server that sleeps, also where it is called %s',
  async (state) => {
    await expect(put(state, 'deallocated', withTag)).rejects.toMatchObject({ code: 'JumpServerHibernated' });
    const planned = put(state, 'deallocated', withTag, 'JumpServers_Plan');
    await expect(planned).rejects.toMatchObject({ code: 'JumpServerHibernated' });
    const other = { ...minimal, network: { allowedSources: ['198.51.100.0/24'] } };
    expect(await put(state, 'deallocated', other)).toMatchObject({ status: 202 });
  },
);

test('tags can be put on one whose PUT failed while it was awake', async () => {
  expect(await put('Failed', 'running', withTag)).toMatchObject({ status: 202 });
});
