import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDatabases } from '../../shared/databases.ts';
import type { Vaults } from '../../shared/secrets/vaults.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { putJumpServer } from '../../shared/store/jumpServers.ts';
import { specOf } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const opened = vi.hoisted(() => [] as { destroy: () => Promise<void>; destroyed: boolean }[]);
vi.mock('../../shared/guacamole/database.ts', () => ({
  poolGraceMilliseconds: 120_000,
  openDatabase: () => {
    const db = {
      destroyed: false,
      async destroy() {
        db.destroyed = true;
      },
    };
    opened.push(db);
    return db;
  },
}));

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-23T12:00:00Z') });
  opened.length = 0;
});
afterEach(() => void vi.useRealTimers());

async function createWorld(vaultAnswers: Promise<void> = Promise.resolve()) {
  const tables = createTablesStub();
  const server = { name: 'demo', spec: specOf(), state: 'Ready', createdAt: new Date(), lastOperation: 'op' } as const;
  await putJumpServer(tables, server);
  const item = { type: 't', id: '', dependsOn: [] };
  await putInventory(tables, 'demo', {
    ...item,
    key: 'mysqlServer',
    output: { fullyQualifiedDomainName: 'mysql.test' },
  });
  await putInventory(tables, 'demo', { ...item, key: 'database', output: { nodeAccountVersion: 'v1' } });
  const value = JSON.stringify({ username: 'molcajete_control', password: 'x' });
  const control = {
    find: async () => {
      await vaultAnswers;
      return { value, version: 'v1', createdOn: new Date(), tags: {} };
    },
  };
  return createDatabases(tables, { control } as unknown as Vaults);
}

test('a pool that is forgotten serves the requests under way to their end, and no later ones', async () => {
  const databases = await createWorld();
  const used = await databases.forRequests('demo');
  await databases.forget('demo');
  expect(await databases.forRequests('demo')).not.toBe(used);
  // The front end of Azure Functions gives up after 230 s.
  await vi.advanceTimersByTimeAsync(230_000);
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([true, false]);
});

test('a pool whose opening hangs is forgotten at once, and closed when it opens all the same', async () => {
  const vault = Promise.withResolvers<void>();
  const databases = await createWorld(vault.promise);
  const asked = databases.forRequests('demo');
  await vi.advanceTimersByTimeAsync(0);
  await databases.forget('demo');
  vault.resolve();
  await asked;
  await vi.advanceTimersByTimeAsync(250_000);
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([true]);
});

test('what has no pool is forgotten in vain', async () => {
  const databases = await createWorld();
  await databases.forget('another');
  expect(opened).toEqual([]);
});
