import { expect, test, vi } from 'vitest';
import type { Deps } from '../../shared/deps.ts';
import type { Vault } from '../../shared/secrets/vaults.ts';
import { databaseStep } from '../../shared/steps/database.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { sqlStub } from './sqlStub.ts';
import { createTablesStub } from './tablesStub.ts';

const database = vi.hoisted(() => ({ onMigrate: (): void => {} }));
vi.mock('../../shared/mysqlSession.ts', () => ({
  withDatabase: (
    _host: string,
    _login: object,
    _database: string | undefined,
    work: (db: object) => Promise<unknown>,
  ) => work(sqlStub(async () => {})),
}));
vi.mock('../../shared/guacamole/migrate.ts', () => ({ migrate: async () => database.onMigrate() }));
vi.mock('../../shared/guacamole/administrator.ts', () => ({ ensureAdministrator: async () => 'unchanged' }));

const loginOf = (username: string, version: string) => ({
  value: JSON.stringify({ username, password: `word of ${version}` }),
  version,
  createdOn: new Date(),
  tags: {},
});

/** Vaults in which the nodes' account has these versions, the newest last; the nodes were told the first. */
async function ensure(usernames: string[], meanwhile?: string) {
  const tables = createTablesStub();
  const versions = usernames.map((username, index) => loginOf(username, `v${index + 1}`));
  const node = {
    find: async () => versions.at(-1),
    findVersion: async (_: string, version: string) => versions.find((one) => one.version === version),
  } as unknown as Vault;
  const control = { find: async (name: string) => loginOf(name, 'c1') } as unknown as Vault;
  const item = { type: 't', id: '', dependsOn: [], output: { nodeAccountVersion: 'v1' } };
  await putInventory(tables, 'demo', { ...item, key: 'database' });
  const deps = {
    tables,
    vaults: { control, at: () => node },
    databases: { forget: async () => {} },
  } as unknown as Deps;
  database.onMigrate = () => {
    if (meanwhile !== undefined) versions.push(loginOf(meanwhile, 'v9'));
  };
  return databaseStep(deps, 'demo').ensure(
    {},
    { permit: async () => {}, within: async (work) => ({ value: await work }) },
  );
}

test('of an account that was made twice the newest password is the one that nodes are told', async () => {
  const outcome = await ensure(['molcajete_node', 'molcajete_node']);
  expect(outcome).toMatchObject({ state: 'ready', output: { nodeAccountVersion: 'v2' } });
});

test('while nodes go over to the other account of the pair, those that were not told otherwise keep the first', async () => {
  const outcome = await ensure(['molcajete_node', 'molcajete_node_b']);
  expect(outcome).toMatchObject({ state: 'ready', output: { nodeAccountVersion: 'v1' } });
});

test('a password that another delivery of the same call has made meanwhile is set before nodes are told', async () => {
  expect(await ensure(['molcajete_node'], 'molcajete_node')).toMatchObject({ state: 'pending', lookAgainSeconds: 0 });
});
