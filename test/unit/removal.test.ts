import { expect, test } from 'vitest';
import { createWrites } from '../../shared/azure/armStep.ts';
import type { Attempt } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import { removalSteps } from '../../shared/steps/removal.ts';
import type { InventoryItem } from '../../shared/store/inventory.ts';
import { createTablesStub } from './tablesStub.ts';

const attempt: Attempt = { permit: async () => undefined, within: async (work) => ({ value: await work }) };

function createWorld() {
  const world = { now: 0, inGroup: [] as string[], deleted: [] as string[], deleting: 0, most: 0 };
  const resources = {
    getById: async () => ({ tags: { 'molcajete-jump-server': 'demo' } }),
    async *listByResourceGroup() {
      yield* world.inGroup;
    },
    async beginDeleteByIdAndWait(id: string) {
      world.most = Math.max(world.most, ++world.deleting);
      await new Promise((resolve) => setImmediate(resolve));
      world.deleting--;
      world.deleted.push(id);
    },
  };
  const deps = { tables: createTablesStub(), azure: { resources: { resources } } } as unknown as Deps;
  const writes = createWrites(() => world.now);
  /** As a call of the activity begins: with new steps, in the same process. */
  const stepsOf = (...items: InventoryItem[]) => removalSteps(deps, writes.of('op'), 'demo', items);
  const removeOne = (item: InventoryItem) => stepsOf(item)[0]?.ensure({}, attempt);
  return { world, stepsOf, removeOne };
}

const group = { key: 'resourceGroup', type: 'Microsoft.Resources/resourceGroups', id: '/g', dependsOn: [], output: {} };

test('a group that is not empty yet is waited for over minutes and calls, and goes when it is empty', async () => {
  const { world, removeOne } = createWorld();
  world.inGroup = ['/g/interface'];
  expect(await removeOne(group)).toMatchObject({ state: 'pending', detail: 'something is still in the group' });
  world.now = 200_000;
  expect(await removeOne(group)).toMatchObject({ state: 'pending' });
  world.inGroup = [];
  expect(await removeOne(group)).toEqual({ state: 'ready', output: {} });
  expect(world.deleted).toEqual(['/g']);
});

test('a group in which others keep something is left, and the operation says so', async () => {
  const { world, removeOne } = createWorld();
  world.inGroup = ['/g/theirs'];
  await removeOne(group);
  world.now = 301_000;
  expect(await removeOne(group)).toMatchObject({ state: 'ready', detail: expect.stringContaining('was left') });
  expect(world.deleted).toEqual([]);
});

test('what Azure changes one at a time is deleted one at a time', async () => {
  const { world, stepsOf } = createWorld();
  const type = 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings';
  const item = (name: string) => ({
    key: name,
    type,
    id: `/hub/${name}`,
    dependsOn: [],
    writeQueue: '/hub',
    output: {},
  });
  await Promise.all(stepsOf(item('a'), item('b'), item('c')).map((step) => step.ensure({}, attempt)));
  expect(world.deleted.sort()).toEqual(['/hub/a', '/hub/b', '/hub/c']);
  expect(world.most).toBe(1);
});

test('what stands elsewhere than a new one would is removed there', async () => {
  const { world, removeOne } = createWorld();
  const type = 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings';
  const output = { foundAt: '/hub/molcajete-demo' };
  await removeOne({ key: 'peering-hub/farSide', type, id: '/hub/molcajete-demo-1', dependsOn: [], output });
  expect(world.deleted).toEqual(['/hub/molcajete-demo']);
});
