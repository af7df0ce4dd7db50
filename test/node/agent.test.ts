import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, test as anyTest, beforeAll, describe, expect } from 'vitest';
import { type Authority, createAuthority, internalName, issueCertificate } from '../../shared/certificates.ts';
import { openDatabase } from '../../shared/guacamole/database.ts';
import { type DesiredNodeInput, type DesiredNodeState, desiredNodeState, isHealthy } from '../../shared/node/report.ts';
import { startMariadb, type TestServer } from '../guacamole/mariadb.ts';
import { audience, type NodeWorld, openNodeWorld } from './nodeWorld.ts';
import { until } from './proxies.ts';

const accounts = {
  one: { username: 'node-a', password: 'first "secret" \\ of a node' },
  two: { username: 'node-b', password: 'second-secret-of-a-node' },
  wrong: { username: 'node-a', password: 'not-its-password' },
};
const directory = mkdtempSync(join(tmpdir(), 'molcajete-agent-'));
const caFile = join(directory, 'ca.pem');

let mariadb: TestServer;
let authority: Authority;
let certificates: string[];

beforeAll(async () => {
  mariadb = await startMariadb();
  writeFileSync(caFile, mariadb.ca);
  const admin = openDatabase(mariadb.login);
  await sql`CREATE DATABASE guacamole`.execute(admin);
  for (const { username, password } of [accounts.one, accounts.two]) {
    await sql`CREATE USER ${username}@'%' IDENTIFIED BY ${password} REQUIRE SSL`.execute(admin);
    await sql`GRANT SELECT ON guacamole.* TO ${username}@'%'`.execute(admin);
  }
  await admin.destroy();
  authority = await createAuthority();
  const issue = () => issueCertificate({ authority, jumpServer: 'contoso', names: ['contoso.example'] });
  certificates = [await issue(), await issue()];
});
afterAll(async () => {
  await mariadb?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Each test has a node of its own, so that they can run side by side. */
const test = anyTest.extend<{ node: NodeWorld }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the fixtures that are used from this parameter
  node: async ({}, use) => {
    const node = await openNodeWorld(caFile);
    node.secrets.set('certificate/c1', certificates[0] ?? '');
    node.secrets.set('certificate/c2', certificates[1] ?? '');
    node.secrets.set('node-database/d1', JSON.stringify(accounts.one));
    node.secrets.set('node-database/d2', JSON.stringify(accounts.two));
    node.secrets.set('node-database/d3', JSON.stringify(accounts.wrong));
    await use(node);
    await node.stop();
  },
});

/** A desired state as the control plane makes it, but reported every second and with a configuration that runs here. */
function desired(node: NodeWorld, change: Partial<DesiredNodeInput> = {}): DesiredNodeState {
  const state = desiredNodeState({
    node: { name: 'contoso-1', address: node.address, draining: false },
    peers: [],
    peerName: internalName('contoso'),
    guacamoleVersion: '1.6.0',
    database: { host: 'localhost', port: mariadb.login.port ?? 0, name: 'guacamole' },
    vault: { url: `${node.url}/vault/`, identityClientId: 'the-nodes' },
    secrets: { database: 'd1', certificate: 'c1' },
    ...change,
  });
  return { ...state, haproxyConfig: node.here(state.haproxyConfig), reportEverySeconds: 0.5 };
}

const orderedIn = (orders: string[], unit: string): string[] => orders.filter((order) => order.endsWith(unit));

/** Starts the agent with everything there, and waits for its word that all is well. */
async function healthyNode(node: NodeWorld): Promise<DesiredNodeState> {
  const state = desired(node);
  node.desired = state;
  node.startAgent();
  await node.nextReport((report) => isHealthy(report, state), 'a healthy report');
  node.orders();
  return state;
}

describe.concurrent('the agent', () => {
  test('reports as the VM itself, applies the answer, and says so at once', async ({ node }) => {
    node.desired = {
      ...desired(node, { secrets: { database: null, certificate: 'c1' }, database: null }),
      reportEverySeconds: 60,
    };
    node.startAgent();
    const first = await node.nextReport(() => true, 'a first report');
    expect(first).toMatchObject({
      applied: null,
      haproxy: { healthy: false },
      web: { healthy: false },
      secrets: {},
      draining: false,
    });
    const second = await node.nextReport(() => true, 'a second report');
    expect(second).toMatchObject({
      applied: node.desired.version,
      secrets: { certificate: 'c1' },
      bootId: first.bootId,
    });
    const settled = await node.nextReport(({ web }) => web.healthy, 'a report of what has come up');
    expect(settled).toMatchObject({
      haproxy: { healthy: true },
      guacd: { healthy: true },
      database: { healthy: false, detail: 'no account yet' },
      sessions: { served: 0, relayed: 0 },
    });
    expect(settled.haproxy.version).toMatch(/^\d+\.\d+/);
    expect(node.orders()).toEqual(['enable molcajete-guacd', 'enable molcajete-haproxy']);
    const report = node.seen.find(({ path }) => path === '/api/jump-servers/contoso/nodes/contoso-1/report');
    expect(report?.headers.authorization).toBe(`Bearer token-of-the-vm-for-${audience}`);
  });

  test("takes secrets at exactly the versions named, as the jump server's identity, and asks for a token once", async ({
    node,
  }) => {
    await healthyNode(node);
    await node.nextReport(() => true, 'another report');
    const paths = node.seen.map(({ path }) => path).filter((path) => !path.startsWith('/api/'));
    expect(paths).toEqual([
      `/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${encodeURIComponent(audience)}`,
      '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net&client_id=the-nodes',
      '/vault/secrets/certificate/c1?api-version=7.4',
      '/vault/secrets/node-database/d1?api-version=7.4',
    ]);
    expect(
      node.seen.filter(({ path }) => path.startsWith('/metadata')).every(({ headers }) => headers.metadata === 'true'),
    ).toBe(true);
    expect(node.seen.find(({ path }) => path.startsWith('/vault'))?.headers.authorization).toBe(
      'Bearer token-of-the-nodes-for-https://vault.azure.net',
    );
  });

  test('gives Guacamole its account, and lets nobody else on the node read it', async ({ node }) => {
    const state = await healthyNode(node);
    expect(node.file('guacamole.env').split('\n')).toEqual(
      expect.arrayContaining([
        'MYSQL_HOSTNAME=localhost',
        `MYSQL_PORT=${state.database?.port}`,
        'MYSQL_USERNAME=node-a',
        'MYSQL_SSL_MODE=verify-identity',
        'REMOTE_IP_VALVE_ENABLED=true',
      ]),
    );
    expect(node.file('private/secrets/mysql-password')).toBe(accounts.one.password);
    expect(node.file('versions.env')).toBe('GUACAMOLE_VERSION=1.6.0\n');
    const mode = (name: string): string => (statSync(join(node.base, name)).mode & 0o777).toString(8);
    expect(
      [
        '',
        'private/certificate.pem',
        'private/database.cnf',
        'guacamole.env',
        'private/account.json',
        'state.json',
      ].map(mode),
    ).toEqual(['700', '600', '600', '600', '600', '600']);
    for (const secret of [accounts.one.password, 'token-of', 'PRIVATE KEY']) expect(node.log()).not.toContain(secret);
  });

  test('does nothing when it is told the same again', async ({ node }) => {
    await healthyNode(node);
    const before = statSync(join(node.base, 'state.json')).mtimeMs;
    for (let at = 0; at < 2; at += 1) await node.nextReport(() => true, 'another report');
    expect(node.orders()).toEqual([]);
    expect(statSync(join(node.base, 'state.json')).mtimeMs).toBe(before);
  });

  test('takes a new certificate by a reload of HAProxy and trusts the former authority as well', async ({ node }) => {
    await healthyNode(node);
    const stranger = await createAuthority();
    const brought = await issueCertificate({ authority: stranger, jumpServer: 'contoso', names: [] });
    node.secrets.set('certificate/c3', brought);
    const state = desired(node, { secrets: { database: 'd1', certificate: 'c3' } });
    node.desired = state;
    await node.nextReport(
      (report) => isHealthy(report, state) && report.secrets.certificate === 'c3',
      'the new certificate',
    );
    expect(node.orders()).toEqual(['reload molcajete-haproxy']);
    expect(node.file('peers.pem')).toBe(stranger.certificate + authority.certificate);
  });

  test('restarts Guacamole, and nothing else, for another account', async ({ node }) => {
    await healthyNode(node);
    const state = desired(node, { secrets: { database: 'd2', certificate: 'c1' } });
    node.desired = state;
    await node.nextReport((report) => isHealthy(report, state), 'the new account');
    expect(node.orders()).toEqual(['restart molcajete-guacamole']);
    expect(node.file('guacamole.env')).toContain('MYSQL_USERNAME=node-b');
  });

  test('restarts both containers for another version', async ({ node }) => {
    await healthyNode(node);
    const state = desired(node, { guacamoleVersion: '1.6.1' });
    node.desired = state;
    await node.nextReport(
      (report) => isHealthy(report, state) && report.guacamoleVersion === '1.6.1',
      'the new version',
    );
    expect(node.orders()).toEqual(['restart molcajete-guacd', 'restart molcajete-guacamole']);
  });

  test('reports a draining node and reloads HAProxy for it', async ({ node }) => {
    await healthyNode(node);
    const state = desired(node, { node: { name: 'contoso-1', address: node.address, draining: true } });
    node.desired = state;
    await node.nextReport((report) => report.draining && isHealthy(report, state), 'a draining node');
    expect(node.orders()).toEqual(['reload molcajete-haproxy']);
  });

  const refused: { what: string; bad(node: NodeWorld): DesiredNodeState; why: string }[] = [
    {
      what: 'configuration',
      bad: (node) => ({ ...desired(node), version: 'bad', haproxyConfig: 'global\n  nonsense here\n' }),
      why: 'unknown keyword',
    },
    {
      what: 'certificate',
      bad: (node) => desired(node, { secrets: { database: 'd1', certificate: 'broken' } }),
      why: 'refused by haproxy',
    },
  ];
  test.for(refused)(
    'keeps the $what in force when HAProxy refuses the new one, and says why, and that it works all the same',
    async ({ bad, why }, { node }) => {
      const good = await healthyNode(node);
      node.secrets.set('certificate/broken', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
      node.desired = bad(node);
      const report = await node.nextReport(({ haproxy }) => !haproxy.healthy, 'a complaint');
      expect(report.haproxy.detail).toContain(why);
      expect(report.haproxy.works).toBe(true);
      expect(report.applied).toBe(good.version);
      expect([node.file('haproxy.cfg'), node.file('private/certificate.pem')]).toEqual([
        good.haproxyConfig,
        certificates[0],
      ]);
      expect(node.orders()).toEqual([]);
      node.desired = good;
      await node.nextReport((one) => isHealthy(one, good), 'good again');
    },
  );

  test('tells a login that the database refuses from one that works', async ({ node }) => {
    await healthyNode(node);
    node.desired = desired(node, { secrets: { database: 'd3', certificate: 'c1' } });
    const report = await node.nextReport(({ database }) => !database.healthy, 'a refused login');
    expect(report.database.detail).toMatch(/Access denied for user 'node-a'/);
    expect(JSON.stringify(report)).not.toContain(accounts.wrong.password);
  });

  test('accepts no database whose certificate is for another name', async ({ node }) => {
    await healthyNode(node);
    node.desired = desired(node, { database: { host: '127.0.0.1', port: mariadb.login.port ?? 0, name: 'guacamole' } });
    const report = await node.nextReport(({ database }) => !database.healthy, 'a refused certificate');
    expect(report.database.detail).toMatch(/SSL|TLS|certificate/i);
  });

  test('does the rest while the vault refuses one secret, and takes it when it may, with a new token', async ({
    node,
  }) => {
    node.secrets.delete('node-database/d1');
    const state = desired(node);
    node.desired = state;
    node.startAgent();
    const report = await node.nextReport(({ haproxy }) => haproxy.healthy, 'HAProxy is up');
    expect(report).toMatchObject({ applied: null, web: { healthy: true }, database: { healthy: false } });
    expect(report.database.detail).toMatch(/secret node-database: .* answered 403 Forbidden/);
    expect(report.database.works).toBeUndefined();
    const tokens = () => node.seen.filter(({ path }) => path.includes('vault.azure.net')).length;
    await until(() => tokens() > 1, 'a token is asked for anew');
    node.secrets.set('node-database/d1', JSON.stringify(accounts.one));
    await node.nextReport((one) => isHealthy(one, state), 'all is well');
  });

  test('keeps the account in force while the vault does not give a new one, and says that it works all the same', async ({
    node,
  }) => {
    const good = await healthyNode(node);
    node.secrets.delete('node-database/d2');
    node.desired = desired(node, { secrets: { database: 'd2', certificate: 'c1' } });
    const report = await node.nextReport(({ database }) => !database.healthy, 'a complaint');
    expect(report).toMatchObject({ applied: good.version, database: { works: true }, secrets: { database: 'd1' } });
    expect(report.database.detail).toContain('secret node-database');
    expect(node.orders()).toEqual([]);
  });

  test('keeps the node going without a control plane, also over its own restart, and is back at once afterwards', async ({
    node,
  }) => {
    const state = await healthyNode(node);
    node.desired = undefined;
    await until(() => node.log().includes('answered 503 NotReadyYet'), 'the outage is seen');
    node.killUnit('molcajete-guacamole');
    await until(() => orderedIn(node.orders(), 'guacamole').length > 0, 'Guacamole is started again');
    await node.stopAgent();
    node.startAgent();
    node.killUnit('molcajete-guacd');
    await until(() => orderedIn(node.orders(), 'guacd').length > 0, 'guacd is started again');
    node.desired = state;
    const report = await node.nextReport((one) => isHealthy(one, state), 'healthy again');
    expect(report.applied).toBe(state.version);
    expect(node.orders()).toEqual([]);
  });

  test('has another boot id after a boot, and the same one otherwise', async ({ node }) => {
    node.startAgent();
    const { bootId } = await node.nextReport(() => true, 'a report');
    await node.stopAgent();
    node.startAgent();
    expect((await node.nextReport(() => true, 'a report')).bootId).toBe(bootId);
    await node.stopAgent();
    rmSync(join(node.base, '../../run'), { recursive: true });
    node.startAgent();
    expect((await node.nextReport(() => true, 'a report')).bootId).not.toBe(bootId);
  });

  test('ignores an answer that is for another node', async ({ node }) => {
    node.desired = { ...desired(node), node: 'contoso-2' };
    node.startAgent();
    await until(() => node.log().includes('no desired state for this node'), 'it says so');
    expect(existsSync(join(node.base, 'haproxy.cfg'))).toBe(false);
  });
});
