import { expect, test } from 'vitest';
import { topology } from '../../shared/topology.ts';
import type { Json } from './azureAnswers.ts';
import { azureStub } from './azureStub.ts';
import { ensureAll, environment, resourceNamed, seedControlNetwork, specWith, subscriptionId } from './sample.ts';

const hub = `/subscriptions/${subscriptionId}/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub`;
const own = `/subscriptions/${subscriptionId}/resourceGroups/molcajete-demo/providers/Microsoft.Network/virtualNetworks/demo-vnet`;

const specOf = (more: object = {}) => specWith({ network: { peerings: [{ virtualNetworkId: hub, ...more }] } });

function idsOf(spec = specOf()): { near: string; far: string; farKey: string } {
  const sides = topology('demo', spec, environment).filter(({ key }) => key.startsWith('peering-'));
  const far = sides.find(({ key }) => key.endsWith('/farSide'));
  const near = sides.find((one) => one !== far);
  if (near === undefined || far === undefined) throw new Error('There are no two sides.');
  return { near: near.id, far: far.id, farKey: far.key };
}

async function provisioned(spec = specOf()) {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  await ensureAll(stub, spec);
  const disconnect = (id: string) => Object.assign(stub.find(id).properties as Json, { peeringState: 'Disconnected' });
  const later = async () => {
    const before = stub.writes.length;
    await ensureAll(stub, spec);
    return stub.writes.slice(before).map(({ method, id }) => `${method} ${id.split('/').at(-1)}`);
  };
  return { stub, disconnect, later, ids: idsOf(spec) };
}

const last = (id: string) => id.split('/').at(-1);

test('two control planes with a jump server of one name do not meet in the network that both are peered with', () => {
  const others = { ...environment, subscriptionId: '33333333-3333-4333-8333-333333333333' };
  const farOf = (where: typeof environment) =>
    topology('demo', specOf(), where).find(({ key }) => key.endsWith('/farSide'))?.id;
  expect(farOf(environment)).toMatch(/molcajete-demo-[0-9a-f]{8}$/);
  expect(farOf(environment)).not.toBe(farOf(others));
});

test('a far side with the name of before stays where it is, and tells where that is', async () => {
  const { stub, later, ids } = await provisioned();
  const former = `${hub}/virtualNetworkPeerings/molcajete-demo`;
  const found = stub.find(ids.far);
  stub.stored.delete(ids.far.toLowerCase());
  stub.stored.set(former.toLowerCase(), { ...found, id: former, name: 'molcajete-demo' });
  expect(await later()).toEqual([]);
  const look = () => resourceNamed(specOf(), ids.farKey).look(stub.azure, {});
  expect((await look()).output).toEqual({ foundAt: former });
  Object.assign(stub.find(former).properties as Json, { allowVirtualNetworkAccess: false });
  expect(await later()).toEqual(['PUT molcajete-demo']);
});

test("a namesake's far side is left alone", async () => {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  const id = `${hub}/virtualNetworkPeerings/molcajete-demo`;
  const theirs = {
    id,
    name: 'molcajete-demo',
    properties: { remoteVirtualNetwork: { id: own.replace('demo-vnet', 'other') } },
  };
  stub.stored.set(id.toLowerCase(), structuredClone(theirs));
  await ensureAll(stub, specOf());
  expect(stub.find(id)).toEqual(theirs);
  expect(stub.find(idsOf().far)).toBeDefined();
});

test('a side that is disconnected is made anew', async () => {
  const { disconnect, later, ids } = await provisioned();
  disconnect(ids.near);
  expect(await later()).toEqual([`DELETE ${last(ids.near)}`, `PUT ${last(ids.near)}`]);
  disconnect(ids.far);
  expect(await later()).toEqual([`DELETE ${last(ids.far)}`, `PUT ${last(ids.far)}`]);
  expect(await later()).toEqual([]);
});

const refusal = { error: { code: 'RemotePeeringIsDisconnected', message: 'Update or re-create the remote peering.' } };

test.each([
  ['far', 'near', {}],
  ['near', 'far', { useRemoteGateways: true }],
] as const)(
  'where Azure refuses one side because the %s one is disconnected, both are made anew',
  async (other, first, more) => {
    const { stub, disconnect, later, ids } = await provisioned(specOf(more));
    stub.stored.delete(ids[first].toLowerCase());
    disconnect(ids[other]);
    stub.refuseOnce(ids[first], 400, refusal);
    expect(await later()).toEqual([
      `PUT ${last(ids[first])}`,
      `DELETE ${last(ids[other])}`,
      `PUT ${last(ids[first])}`,
      `PUT ${last(ids[other])}`,
    ]);
  },
);
