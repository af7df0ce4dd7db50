import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  arm,
  connectivity,
  controlIdentity,
  makePeer,
  mysqlNames,
  ownedResources,
  peeredSource,
  principalOf,
  vault,
  vaults,
} from './azure.ts';
import { findIn, secretValues } from './secrets.ts';
import { browse, logIn, visibleConnections } from './users.ts';
import { type Answer, openWorld, spec, type World, writesOf } from './world.ts';

const name = 'office';
const base = `/jump-servers/${name}`;
const shared = fileURLToPath(new URL('../../../shared', import.meta.url));

/** The password of the machines behind the connections. */
const planted = 'a word that nobody may see 7';

let world: World;
let ingress: string;
beforeAll(async () => {
  world = await openWorld();
}, 120_000);
afterAll(() => world?.close());

const found = async (path: string): Promise<Answer['body']> => {
  const answer = await world.call('GET', path);
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
};

test('bad specs are refused with the field that is wrong, and leave no row and no ARM call', async () => {
  const bad: [string, object | string, string][] = [
    ['wrong type', spec({ web: { count: 'two' } }), 'web.count'],
    ['unknown field', spec({ colour: 'green' }), 'colour'],
    ['unknown nested field', spec({ web: { colour: 'green' } }), 'web'],
    ['bad CIDR', spec({ network: { allowedSources: ['10.0.0.0/33'] } }), 'network.allowedSources.0'],
    [
      'overlap',
      spec({
        network: {
          addressSpace: ['10.0.0.0/16'],
          subnets: { web: '10.0.0.0/24', data: '10.0.0.128/25' },
          allowedSources: ['1.2.3.4/32'],
        },
      }),
      'network.subnets',
    ],
    ['count 0', spec({ web: { count: 0 } }), 'web.count'],
    ['count 101', spec({ web: { count: 101 } }), 'web.count'],
    ['unknown location', spec({ location: 'atlantis' }), 'location'],
    ['no body', '', 'body'],
    ['broken JSON', '{"location": ', ''],
    ['not an object', '[]', 'body'],
    ['lone surrogate', '{"location":"westeurope","tags":{"a":"\\ud800"}}', 'tags.a'],
  ];
  const before = (await world.armRows()).length;
  for (const [title, body, target] of bad) {
    const answer = await world.call('PUT', base, typeof body === 'string' ? { raw: body } : { body });
    expect(answer.status, `${title}: ${answer.text}`).toBe(400);
    expect(`${answer.body.error.target ?? ''} ${answer.body.error.message}`, title).toContain(target);
  }
  for (const badName of ['ab', 'x'.repeat(25), 'Upper', '-dash', 'a--b', 'windows']) {
    const answer = await world.call('PUT', `/jump-servers/${badName}`, { body: spec() });
    expect([badName, answer.status, answer.body.error.code]).toEqual([badName, 400, 'InvalidName']);
  }
  const large = await world.call('PUT', base, {
    raw: JSON.stringify(spec({ tags: { a: 'x'.repeat(2 * 1024 * 1024) } })),
  });
  expect([large.status, large.body.error.code]).toEqual([413, 'PayloadTooLarge']);
  expect((await found('/jump-servers')).value).toEqual([]);
  expect((await found(`${base}/operations`)).value).toEqual([]);
  expect((await world.armRows()).length).toBe(before);
});

test('ten PUTs at once start one operation; each caller is told which', async () => {
  const network = { allowedSources: ['127.0.0.0/24'], peerings: [{ virtualNetworkId: await makePeer(world) }] };
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      world.call('PUT', base, { body: spec({ network, tags: { caller: String(i) } }) }),
    ),
  );
  const urls = new Set(answers.map((answer) => answer.headers.get('operation-location')));
  expect(answers.map((answer) => answer.status).sort()).toEqual([202, ...Array(9).fill(409)]);
  expect(urls.size).toBe(1);
  const operation = await world.follow([...urls][0] ?? '');
  expect(operation.error).toBeUndefined();
  expect(operation.status).toBe('Succeeded');
  const server = await found(base);
  expect(server.status.state).toBe('Ready');
  expect(server.status.nodes.map((node: { healthy: boolean }) => node.healthy)).toEqual([true, true]);
  ingress = server.status.ingress.url;
});

test('an equal PUT answers 200 and asks Azure nothing', async () => {
  const { spec: stored } = await found(base);
  const before = (await world.armRows()).length;
  const answer = await world.call('PUT', base, { body: stored });
  expect(answer.status, answer.text).toBe(200);
  expect((await world.armRows()).length).toBe(before);
});

test('a plan of an equal spec finds nothing to do, and writes nothing', async () => {
  const { spec: stored } = await found(base);
  const before = (await world.armRows()).length;
  const plan = await world.call('POST', `${base}/plan`, { body: stored });
  expect(plan.body.changes.filter((one: { change: string }) => one.change !== 'none')).toEqual([]);
  expect(writesOf((await world.armRows()).slice(before))).toEqual([]);
});

test('a user made over HTTP sees exactly what was granted, from twenty addresses and whichever node the next flow lands on', async () => {
  await world.call('POST', `${base}/users`, { body: { username: 'ana', password: 'correct horse 1' } });
  for (const connection of ['web-1', 'web-2', 'hidden']) {
    const made = await world.call('POST', `${base}/connections`, {
      body: {
        name: connection,
        protocol: 'ssh',
        parentIdentifier: 'ROOT',
        parameters: { hostname: '10.9.9.9', password: planted },
        attributes: {},
      },
    });
    expect(made.status, made.text).toBe(201);
    if (connection === 'hidden') continue;
    const grant = [{ op: 'add', path: `/connectionPermissions/${made.body.identifier}`, value: 'READ' }];
    const granted = await world.call('PATCH', `${base}/users/ana/permissions`, {
      raw: JSON.stringify(grant),
      headers: { 'content-type': 'application/json-patch+json' },
    });
    expect(granted.status, granted.text).toBeLessThan(300);
  }
  const homes = new Set<string>();
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const session = await logIn({ ingress, from: `127.0.0.${i + 10}` }, 'ana', 'correct horse 1');
      if (session === undefined) throw new Error(`no login from 127.0.0.${i + 10}`);
      homes.add(session.cookies?.join() ?? '');
      // Six more flows of their own source ports: the balancer spreads them over both nodes.
      for (let flow = 0; flow < 6; flow++) expect(await visibleConnections(session)).toEqual(['web-1', 'web-2']);
    }),
  );
  expect(homes.size).toBe(2);
});

const virtualMachine = (node: string) =>
  `/resourceGroups/molcajete-${name}/providers/Microsoft.Compute/virtualMachines/${node}`;

const report = {
  bootId: 'boot',
  agentVersion: '1',
  applied: null,
  ...Object.fromEntries(
    ['haproxy', 'web', 'guacd', 'database'].map((part) => [part, { healthy: false, detail: 'forged' }]),
  ),
  sessions: { served: 0, relayed: 0 },
  secrets: {},
  draining: false,
};

test("a node's identity reports for that very node only", async () => {
  const { body: machine } = await arm(world, 'GET', virtualMachine(`${name}-1`), '2026-04-01');
  const oid: string = machine.identity.principalId;
  const token = await world.stack.mint({ oid });
  const send = (path: string, bearer: string) => world.call('POST', path, { body: report, token: bearer });
  for (const path of [
    `${base}/nodes/${name}-2/report`,
    `/jump-servers/another/nodes/${name}-1/report`,
    `${base}/nodes/nobody/report`,
  ]) {
    expect([path, (await send(path, token)).status]).toEqual([path, 403]);
  }
  const forArm = await world.stack.mint({ oid, audience: 'https://management.azure.com' });
  expect((await send(`${base}/nodes/${name}-1/report`, forArm)).status).toBe(401);
  expect((await send(`${base}/nodes/${name}-1/report`, await world.stack.token('JumpServer.Admin'))).status).toBe(403);
  expect((await send(`${base}/nodes/${name}-1/report`, token)).status).toBe(200);
});

test("the nodes' identity reads the secrets of its own vault and of no other", async () => {
  const oid = await principalOf(
    world,
    `/resourceGroups/molcajete-${name}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}-nodes`,
  );
  const control = await principalOf(world, controlIdentity);
  for (const { name: vaultName, uri } of await vaults(world)) {
    const own = vaultName.startsWith(name);
    const { body } = await vault(world, control, `${uri.replace(/\/$/, '')}/secrets`);
    expect(body.value.length).toBeGreaterThan(0);
    for (const { id } of body.value) expect([id, (await vault(world, oid, id)).status]).toEqual([id, own ? 200 : 403]);
  }
});

test('from a peered network nothing of a node is reached but what users reach', async () => {
  const source = peeredSource(world);
  const { result } = await connectivity(world, source, `${virtualMachine(`${name}-1`)}`, 8443);
  expect(result).toBe('denied');
  for (const port of [22, 4822, 8080, 3306, 8444, 8081]) {
    expect([port, (await connectivity(world, source, virtualMachine(`${name}-1`), port)).result]).toEqual([
      port,
      'denied',
    ]);
  }
  const endpoint = `/resourceGroups/molcajete-${name}/providers/Microsoft.Network/privateEndpoints/${name}-mysql-endpoint`;
  expect((await connectivity(world, source, endpoint, 3306)).result).toBe('denied');
  const node = `/subscriptions/${world.stack.endpoints.subscriptionId}${virtualMachine(`${name}-1`)}`;
  expect((await connectivity(world, node, endpoint, 3306)).result).toBe('open');
});

test('the default administrator of Guacamole is not there', async () => {
  const login = { username: 'guacadmin', password: 'guacadmin' };
  expect((await browse({ ingress, from: '127.0.0.9' }, 'POST', 'api/tokens', login)).status).toBe(403);
});

test('an address that is not allowed does not reach the ingress', async () => {
  expect((await browse({ ingress, from: '127.0.0.9' }, 'GET', '')).status).toBe(200);
  await expect(browse({ ingress, from: '127.0.1.9' }, 'GET', '')).rejects.toThrow();
});

test('a changed spec changes only what differs, and says what cannot be changed in place', async () => {
  const { spec: stored } = await found(base);
  const wanted = {
    ...stored,
    network: { ...stored.network, allowedSources: ['127.0.0.0/24', '198.51.100.0/24'] },
    web: { ...stored.web, count: 3 },
  };
  const moved = await world.call('PUT', base, { body: { ...stored, location: 'northeurope' } });
  expect([moved.status, moved.body.error.code, moved.body.error.target]).toEqual([400, 'ChangeNotAllowed', 'location']);
  const before = (await world.armRows()).length;
  const operation = await world.provision(name, wanted);
  expect(operation.error).toBeUndefined();
  const touched = writesOf((await world.armRows()).slice(before)).map(({ url }) =>
    new URL(url, 'https://arm').pathname.split('/providers/').at(-1),
  );
  expect(touched.sort()).toEqual([
    'Microsoft.Compute/virtualMachines/office-3',
    'Microsoft.Network/networkInterfaces/office-3-nic',
    'Microsoft.Network/networkSecurityGroups/office-web-nsg',
  ]);
  expect((await found(base)).status.nodes).toHaveLength(3);
});

test('a tag is put on what carries tags, and a node taken out of the spec is removed', async () => {
  const { spec: stored } = await found(base);
  const operation = await world.provision(name, {
    ...stored,
    tags: { team: 'platform' },
    web: { ...stored.web, count: 2 },
  });
  expect(operation.error).toBeUndefined();
  expect(
    operation.resources
      .filter((one) => one.state === 'removed')
      .map((one) => one.key)
      .sort(),
  ).toEqual(['node-3/health', 'node-3/networkInterface', 'node-3/virtualMachine']);
  expect((await browse({ ingress, from: '127.0.0.5' }, 'GET', '')).status).toBe(200);
});

/** The account of the nodes, as they read it. */
async function nodeLogin(): Promise<{ username: string; password: string }> {
  const oid = await principalOf(
    world,
    `/resourceGroups/molcajete-${name}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}-nodes`,
  );
  const own = (await vaults(world)).find((one) => one.name.startsWith(name));
  const { body } = await vault(world, oid, `${own?.uri.replace(/\/$/, '')}/secrets/node-database`);
  return JSON.parse(body.value);
}

test('MySQL refuses whoever does not speak TLS, and has never been public', async () => {
  const { username, password } = await nodeLogin();
  const ask = (host: string, ...options: string[]) => {
    const words = [...options, '-h', host, '-u', username, '-e', 'SELECT 1'];
    const { status, stderr } = spawnSync('mariadb', words, {
      encoding: 'utf8',
      env: { ...process.env, MYSQL_PWD: password },
    });
    return { status, stderr };
  };
  const withTls = ['--ssl', '--disable-ssl-verify-server-cert'];
  const host = mysqlNames(world).find(({ address }) => ask(address, ...withTls).status === 0)?.address;
  if (host === undefined) throw new Error("The nodes' account does not log in anywhere.");
  // ER_SECURE_TRANSPORT_REQUIRED of the server, or the account's own REQUIRE SSL.
  expect(ask(host, '--skip-ssl')).toMatchObject({ status: 1, stderr: expect.stringMatching(/ERROR (3159|1045|4151)/) });
  const bodies = (await world.armRows()).filter(
    (row) => row.method === 'PUT' && /flexibleServers\/[^/?]+\?/.test(row.url),
  );
  expect(bodies.length).toBeGreaterThan(0);
  for (const { body } of bodies) expect(JSON.stringify(body)).toContain('"publicNetworkAccess":"Disabled"');
});

test('no secret is anywhere but in the vaults and in MySQL, and none was in an answer', async () => {
  const secrets = [...(await secretValues(world)), 'correct horse 1', planted];
  expect(secrets.length).toBeGreaterThan(5);
  expect(findIn(world.stack.dir, secrets)).toEqual([]);
  expect(secrets.filter((secret) => world.answers.some((text) => text.includes(secret)))).toEqual([]);
});

test('deleting it leaves nothing of it', async () => {
  const answer = await world.call('DELETE', base);
  expect(answer.status, answer.text).toBe(202);
  const operation = await world.follow(answer.headers.get('operation-location') ?? '');
  expect(operation.error).toBeUndefined();
  expect(operation.status).toBe('Succeeded');
  expect((await world.call('GET', base)).status).toBe(404);
  expect((await world.call('DELETE', base)).status).toBe(204);
  expect(await ownedResources(world, name)).toEqual([]);
});

test.skipIf(!existsSync(shared))("every body that was sent fits Azure's published types", () => {
  const checker = join(shared, 'tools', 'check-arm-requests.mjs');
  const trace = join(world.stack.dir, 'arm-requests.jsonl');
  const checked = spawnSync(process.execPath, [checker, trace, join(shared, 'tools', 'bicep')], { encoding: 'utf8' });
  expect(checked.stdout).toMatch(/ 0 diagnostics/);
});
