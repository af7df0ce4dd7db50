/** Two nodes made by Molcajete's own cloud-init, with real HAProxy, agent and database; only the control plane is played here. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { type ClientRequest, createServer, type IncomingMessage, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { Kysely, MysqlDialect, sql } from 'kysely';
import { createPool } from 'mysql2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ArmResource } from '../../local/azure/contract.ts';
import { realPort } from '../../local/azure/fabric/sockets.ts';
import { ensureAccount, ensureDatabase } from '../../shared/guacamole/accounts.ts';
import { ensureAdministrator } from '../../shared/guacamole/administrator.ts';
import { migrate } from '../../shared/guacamole/migrate.ts';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';
import { cloudInit } from '../../shared/node/cloudInit.ts';
import { desiredNodeState, isHealthy, type NodeReport } from '../../shared/node/report.ts';
import { poolId, putBalancer, putNetwork, putNic, types } from './scene.ts';
import { openWorld, until, type World } from './world.ts';

const host = 'mj-office.mysql.database.azure.com';
const names = ['office-1', 'office-2'];
const addresses = ['10.20.1.4', '10.20.1.5'];
const password = `Aa1-${randomBytes(12).toString('hex')}`;
const userPassword = 'open sesame';

let world: World;
let control: Server;
let database: Kysely<GuacamoleDatabase>;
let bootstrapped = false;
let certificate: string;
const reports = new Map<string, NodeReport>();

const controlUrl = () => `http://127.0.0.1:${(control.address() as AddressInfo).port}`;

function desired(name: string) {
  const at = names.indexOf(name);
  const node = (one: number) => ({ name: names[one] ?? '', address: addresses[one] ?? '', draining: false });
  const state = desiredNodeState({
    ...{ node: node(at), peers: [node(1 - at)], peerName: 'nodes.test', guacamoleVersion: '1.6.0' },
    database: bootstrapped ? { host, port: 3306, name: 'guacamole' } : null,
    vault: { url: controlUrl(), identityClientId: 'nodes' },
    secrets: { database: bootstrapped ? 'v1' : null, certificate: 'v1' },
  });
  return { ...state, reportEverySeconds: 1 };
}

/** Takes reports and gives out secrets, as API and vault do; any token will do here. */
function playControlPlane(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const url = request.url ?? '';
    if (url.startsWith('/secrets/node-database'))
      return response.end(JSON.stringify({ value: JSON.stringify({ username: 'node', password }) }));
    if (url.startsWith('/secrets/certificate')) return response.end(JSON.stringify({ value: certificate }));
    const node = /nodes\/([^/]+)\/report$/.exec(url)?.[1] ?? '';
    let body = '';
    for await (const chunk of request) body += chunk;
    reports.set(node, JSON.parse(body));
    return response.end(JSON.stringify(desired(node)));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** Server, private endpoint in the network, zone with its record, link: as ARM would have them. */
async function putDatabase(network: string): Promise<ArmResource> {
  const server = await world.put(
    types.mysql,
    'mj-office',
    { administratorLogin: 'keeper' },
    { writeOnly: { administratorLoginPassword: password } },
  );
  const nic = await putNic(world, 'endpoint-nic', network, '10.20.1.100');
  await world.put(types.endpoint, 'endpoint', {
    networkInterfaces: [{ id: nic.id }],
    privateLinkServiceConnections: [
      { name: 'c', properties: { privateLinkServiceId: server.id, groupIds: ['mysqlServer'] } },
    ],
  });
  const zone = 'privatelink.mysql.database.azure.com';
  await world.put(types.zone, zone, {});
  await world.put(types.record, `${zone}/mj-office`, { aRecords: [{ ipv4Address: '10.20.1.100' }] });
  await world.put(types.link, `${zone}/hub`, { virtualNetwork: { id: network } });
  return nic;
}

async function bootstrap(wire: string): Promise<void> {
  const login = (name?: string) => ({
    ...{ host, port: 3306, user: 'keeper', password, database: name, dateStrings: true, timezone: 'Z' },
    ssl: { ca: readFileSync(world.context.certificates.caFile, 'utf8'), verifyIdentity: true },
    stream: () => connect(3306, wire),
  });
  const open = (name?: string) =>
    new Kysely<GuacamoleDatabase>({ dialect: new MysqlDialect({ pool: createPool(login(name)) }) });
  const administrator = open();
  await ensureDatabase(administrator, 'guacamole');
  await ensureAccount(administrator, { username: 'node', password, database: 'guacamole', privileges: 'node' });
  await administrator.destroy();
  database = open('guacamole');
  await migrate(database);
  await ensureAdministrator(database, { username: 'guacadmin', password: userPassword });
  await sql`INSERT INTO guacamole_connection (connection_id, connection_name, protocol) VALUES (1, 'desk', 'rdp'), (2, 'secret', 'ssh')`.execute(
    database,
  );
  bootstrapped = true;
}

beforeAll(async () => {
  control = await playControlPlane();
  const token = JSON.stringify({ access_token: 'token', expires_on: '99999999999' });
  world = await openWorld({ imds: () => (_request, response) => response.end(token) });
  const issued = await world.context.certificates.issue(['nodes.test']);
  certificate = [issued.keyPem, issued.certPem, readFileSync(world.context.certificates.caFile, 'utf8')].join('\n');
  const network = await putNetwork(world, 'hub', '10.20.0.0/16', [
    { name: 'users', priority: 100, source: '127.0.0.8/29', port: '8443' },
  ]);
  await putBalancer(world, 'lb');
  for (const [at, name] of names.entries()) {
    const nic = await putNic(world, `${name}-nic`, network, addresses[at] ?? '', {
      loadBalancerBackendAddressPools: [{ id: poolId(world, 'lb') }],
    });
    const customData = Buffer.from(
      cloudInit({ apiUrl: controlUrl(), audience: 'api://molcajete', jumpServer: 'office', node: name }),
    ).toString('base64');
    await world.put(types.vm, name, {
      networkProfile: { networkInterfaces: [{ id: nic.id }] },
      osProfile: { customData },
    });
  }
  const endpoint = await putDatabase(network);
  await bootstrap(world.addresses.nic(endpoint.id).wire);
  await until(allHealthy, 30_000);
  await until(async () => (await health())?.up === 2);
  // The balancer looks at its own intervals: it may not have seen yet what the nodes know.
  await until(() => ask('/').then(Boolean, () => false), 10_000);
});
afterAll(async () => {
  await database?.destroy();
  await world?.close();
  control?.close();
});

const health = () => world.act(world.id(types.balancer, 'lb'), 'loadBalancingRules/https/health');
const allHealthy = () => names.every((name) => isHealthy(reports.get(name) ?? ({} as NodeReport), desired(name)));

interface Answer {
  status: number;
  body: string;
  cookie: string;
}

function start(
  path: string,
  options: { method?: string; cookie?: string; body?: string; token?: string; headers?: Record<string, string> } = {},
): ClientRequest {
  const publicIp = String(world.state.get(world.id(types.publicIp, 'lb-ip'))?.properties.ipAddress);
  const request = httpsRequest({
    ...{
      host: publicIp,
      port: realPort(443),
      path: `/guacamole${path}`,
      method: options.method ?? 'GET',
      localAddress: '127.0.0.9',
    },
    ...{ servername: 'nodes.test', ca: readFileSync(world.context.certificates.caFile, 'utf8'), agent: false },
    headers: {
      ...options.headers,
      ...(options.cookie ? { cookie: options.cookie } : {}),
      ...(options.token ? { 'guacamole-token': options.token } : {}),
      ...(options.body ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    },
  });
  request.end(options.body);
  return request;
}

async function ask(path: string, options: Parameters<typeof start>[1] = {}): Promise<Answer> {
  const request = start(path, options);
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    request.once('response', resolve).once('error', reject),
  );
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode ?? 0, body, cookie: response.headers['set-cookie']?.[0]?.split(';')[0] ?? '' };
}

async function logIn(username = 'guacadmin', secret = userPassword): Promise<{ cookie: string; token: string }> {
  const answer = await ask('/api/tokens', {
    method: 'POST',
    body: new URLSearchParams({ username, password: secret }).toString(),
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  return { cookie: answer.cookie, token: JSON.parse(answer.body).authToken };
}

const openRows = async () =>
  (await database.selectFrom('guacamole_connection_history').select('username').where('end_date', 'is', null).execute())
    .length;

test('a user logs in through the balancer and comes back to the same node', async () => {
  const login = await logIn();
  for (let at = 0; at < 6; at += 1) {
    const answer = await ask('/api/session/data/mysql/connections', login);
    expect(Object.keys(JSON.parse(answer.body))).toEqual(['1', '2']);
  }
});

test('a wrong password is refused', async () => {
  await expect(logIn('guacadmin', 'wrong')).rejects.toThrow('403');
});

test('the certificate, the packages and the shims serve the agent: both nodes report that all is well', () => {
  for (const name of names) {
    expect(reports.get(name)).toMatchObject({
      web: { healthy: true },
      guacd: { healthy: true },
      database: { healthy: true },
    });
  }
});

test('an open session has a row in the history until it ends, and the agent counts it', async () => {
  const login = await logIn();
  const request = start('/websocket-tunnel?GUAC_ID=1&GUAC_TYPE=c', login);
  const response = await new Promise<IncomingMessage>((resolve) => request.once('response', resolve));
  expect(response.statusCode).toBe(200);
  await until(async () => (await openRows()) === 1);
  await until(() => names.some((name) => (reports.get(name)?.sessions.served ?? 0) > 0));
  request.destroy();
  await until(async () => (await openRows()) === 0);
});

test('a WebSocket carries a session, a full connection takes no further one, and an administrator ends it', async () => {
  await sql`UPDATE guacamole_connection SET max_connections = 1 WHERE connection_id = 1`.execute(database);
  const login = await logIn();
  const path = '/websocket-tunnel?GUAC_ID=1&GUAC_TYPE=c';
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const request = start(path, { ...login, headers: upgrade });
  const [response, socket] = await new Promise<[IncomingMessage, Duplex]>((resolve) =>
    request.once('upgrade', (r, s) => resolve([r, s])),
  );
  // The example of RFC 6455.
  expect(response.headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  const ended = new Promise((resolve) => socket.on('data', () => {}).once('close', resolve));
  expect((await ask(path, login)).status).toBe(429);
  const active = JSON.parse((await ask('/api/session/data/mysql/activeConnections', login)).body) as Record<
    string,
    { connectionIdentifier: string }
  >;
  expect(Object.values(active)).toMatchObject([
    { connectionIdentifier: '1', username: 'guacadmin', remoteHost: '127.0.0.9' },
  ]);
  expect(
    (await ask(`/api/session/data/mysql/activeConnections/${Object.keys(active)[0]}`, { ...login, method: 'DELETE' }))
      .status,
  ).toBe(204);
  await ended;
  await until(async () => (await openRows()) === 0);
});

test('what a user must not read is not there', async () => {
  const salted = await database
    .selectFrom('guacamole_user')
    .select(['password_hash', 'password_salt'])
    .executeTakeFirstOrThrow();
  await sql`INSERT INTO guacamole_entity (entity_id, name, type) VALUES (50, 'ana', 'USER'), (51, 'staff', 'USER_GROUP'), (52, 'all', 'USER_GROUP'), (53, 'others', 'USER_GROUP')`.execute(
    database,
  );
  await sql`INSERT INTO guacamole_user (entity_id, password_hash, password_salt, password_date) VALUES (50, ${salted.password_hash}, ${salted.password_salt}, UTC_TIMESTAMP())`.execute(
    database,
  );
  await sql`INSERT INTO guacamole_user_group (user_group_id, entity_id) VALUES (1, 51), (2, 52)`.execute(database);
  await sql`INSERT INTO guacamole_user_group_member (user_group_id, member_entity_id) VALUES (1, 50), (2, 51)`.execute(
    database,
  );
  await sql`INSERT INTO guacamole_connection_permission (entity_id, connection_id, permission) VALUES (52, 1, 'READ'), (53, 2, 'READ'), (50, 2, 'UPDATE')`.execute(
    database,
  );
  const login = await logIn('ana');
  expect(Object.keys(JSON.parse((await ask('/api/session/data/mysql/connections', login)).body))).toEqual(['1']);
  expect((await ask('/websocket-tunnel?GUAC_ID=2', login)).status).toBe(404);
  await sql`UPDATE guacamole_user SET disabled = 1 WHERE entity_id = 50`.execute(database);
  await expect(logIn('ana')).rejects.toThrow('403');
});

test('the private endpoint is there for its network only', async () => {
  const endpoint = world.id(types.endpoint, 'endpoint');
  const wire = world.addresses.nic(world.id(types.nic, 'endpoint-nic')).wire;
  const greeted = (from: string) =>
    new Promise((resolve) => {
      const socket = connect({ host: wire, port: 3306, localAddress: from });
      socket.once('close', () => resolve(socket.bytesRead > 0)).once('data', () => socket.destroy());
    });
  const node = world.addresses.nic(world.id(types.nic, 'office-1-nic')).wire;
  expect(await Promise.all([greeted(node), greeted('127.0.0.1'), greeted('127.0.0.9')])).toEqual([true, true, false]);
  expect(world.fabric.connectivity('127.0.0.9', endpoint, 3306).result).toBe('unreachable');
  expect(world.fabric.connectivity(world.id(types.vm, 'office-1'), endpoint, 3306).result).toBe('open');
  expect(world.fabric.connectivity('127.0.0.9', world.id(types.mysql, 'mj-office'), 3306).detail).toContain(
    'publicNetworkAccess',
  );
});

test('a restarted Guacamole knows its logins no more', async () => {
  const login = await logIn();
  for (const name of names) {
    await world.act(world.id(types.vm, name), 'runCommand', { script: ['systemctl restart molcajete-guacamole'] });
  }
  await until(async () => (await ask('/api/session/data/mysql/connections', login)).status === 403);
});

test('a crashed node is out of the balancer, and a restart brings it back with another boot id', async () => {
  const vm = world.id(types.vm, 'office-1');
  const before = reports.get('office-1')?.bootId;
  await world.act(vm, 'fault:crash');
  await until(async () => (await health())?.up === 1);
  await until(() => logIn());
  await world.act(vm, 'restart');
  await until(async () => (await health())?.up === 2, 20_000);
  await until(() => reports.get('office-1')?.bootId !== before && allHealthy());
});

test('a database that stops is reported, and nothing else breaks', async () => {
  const server = world.id(types.mysql, 'mj-office');
  await world.act(server, 'fault:stop');
  await until(() => names.every((name) => reports.get(name)?.database.healthy === false));
  expect(names.every((name) => reports.get(name)?.haproxy.healthy)).toBe(true);
  await world.act(server, 'start');
  await until(allHealthy);
});

test('the OS disk outlives a deallocation, and a deleted VM leaves nothing', async () => {
  const vm = world.id(types.vm, 'office-2');
  const file = join(world.dir, 'guests/rg--office-2/root/opt/molcajete/state.json');
  await world.act(vm, 'deallocate');
  expect(existsSync(file)).toBe(true);
  reports.delete('office-2');
  await world.act(vm, 'start');
  await until(allHealthy, 20_000);
  await world.remove(vm);
  expect(existsSync(join(world.dir, 'guests/rg--office-2'))).toBe(false);
});
