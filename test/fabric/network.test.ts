import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ArmResource } from '../../local/azure/contract.ts';
import { realPort } from '../../local/azure/fabric/sockets.ts';
import { poolId, putBalancer, putNetwork, putNic, putVm, types, wireOf } from './scene.ts';
import { openWorld, until, type World } from './world.ts';

/** Listens on the guest's own address: says its name and its client's address, then echoes; `/health` answers as told by a file. */
const server = (name: string, address: string) => `write_files:
  - path: /opt/test/server.py
    content: |
      import http.server, socketserver, sys, threading, pathlib
      class Health(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              self.send_response(503 if (pathlib.Path(__file__).parent / "sick").exists() else 200)
              self.end_headers()
          def log_message(self, *a): pass
      class Echo(socketserver.BaseRequestHandler):
          def handle(self):
              self.request.sendall(f"${name} {self.client_address[0]}\\n".encode())
              while data := self.request.recv(1000): self.request.sendall(data)
      class Server(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
      class Tcp(socketserver.ThreadingTCPServer): daemon_threads = True; allow_reuse_address = True
      threading.Thread(target=Server((sys.argv[1], 8081), Health).serve_forever).start()
      threading.Thread(target=Tcp((sys.argv[1], 2222), Echo).serve_forever).start()
      Tcp((sys.argv[1], 8443), Echo).serve_forever()
  - path: /etc/systemd/system/test.service
    content: |
      [Service]
      ExecStart=/usr/bin/python3 -S -E /opt/test/server.py ${address}
      Restart=always
runcmd:
  - [systemctl, start, test]
`;

let world: World;
let nics: ArmResource[];
let vms: ArmResource[];
let publicIp: string;
let outsider: ArmResource;

beforeAll(async () => {
  world = await openWorld();
  const rules = [
    { name: 'users', priority: 100, source: '127.0.0.8/29', port: '8443' },
    { name: 'probe', priority: 110, source: 'AzureLoadBalancer', port: '8081' },
    { name: 'no-ssh', priority: 120, source: 'VirtualNetwork', port: '2222', access: 'Deny' as const },
  ];
  const network = await putNetwork(world, 'hub', '10.20.0.0/16', rules, ['spoke']);
  const spoke = await putNetwork(world, 'spoke', '10.30.0.0/16', [], ['hub']);
  const island = await putNetwork(world, 'island', '10.20.0.0/16', []);
  const balancer = await putBalancer(world, 'lb');
  const member = { loadBalancerBackendAddressPools: [{ id: poolId(world, 'lb') }] };
  nics = [
    await putNic(world, 'a-nic', network, '10.20.1.4', member),
    await putNic(world, 'b-nic', network, '10.20.1.5', member),
  ];
  await putNic(world, 'spoke-nic', spoke, '10.30.1.4');
  outsider = await putNic(world, 'island-nic', island, '10.20.1.4');
  vms = [];
  for (const [at, nic] of nics.entries()) {
    const inner = world.addresses.nic(nic.id).inner;
    vms.push(await putVm(world, `vm-${'ab'[at]}`, nic, server('ab'[at] ?? '', inner)));
  }
  publicIp = String(world.state.get(world.id(types.publicIp, 'lb-ip'))?.properties.ipAddress);
  await until(async () => (await world.act(balancer.id, 'loadBalancingRules/https/health'))?.up === 2);
});
afterAll(() => world.close());

interface Talk {
  socket: Socket;
  hello: string;
}

/** The first line that the server says; rejects when the flow is refused, dropped or cut. */
function talk(from: string, to: string, port: number): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: to, port, localAddress: from });
    socket.once('data', (data) => resolve({ socket, hello: data.toString().trim() }));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without a word')));
  });
}
async function hello(from: string, to: string, port: number): Promise<string> {
  const { socket, hello } = await talk(from, to, port);
  socket.destroy();
  return hello;
}
const throughBalancer = (from: string) => hello(from, publicIp, realPort(443));
const health = () =>
  world.act(world.id(types.balancer, 'lb'), 'loadBalancingRules/https/health') as Promise<{
    up: number;
    loadBalancerBackendAddresses: { ipAddress: string; state: string; reason: string }[];
  }>;

test.concurrent('clients reach the members through the balancer with their own address', async () => {
  expect(await throughBalancer('127.0.0.9')).toMatch(/^[ab] 127\.0\.0\.9$/);
});

test.concurrent('the balancer spreads the connections of one client', async () => {
  const names = new Set<string>();
  await until(async () => names.add((await throughBalancer('127.0.0.9')).slice(0, 1)).size === 2);
});

test.concurrent('a client that no rule names is dropped without an answer', async () => {
  await expect(throughBalancer('127.0.0.17')).rejects.toThrow('closed without a word');
  expect(world.fabric.connectivity('127.0.0.17', world.id(types.publicIp, 'lb-ip'), 443)).toMatchObject({
    result: 'denied',
    detail: 'rule DenyAllInBound of hub-nsg (inbound)',
  });
});

test.concurrent('members and peered networks reach a node, but not the port that a rule denies', async () => {
  const spoke = world.state.get(world.id(types.nic, 'spoke-nic')) as ArmResource;
  for (const from of [nics[1] as ArmResource, spoke]) {
    const wire = wireOf(world, nics[0] as ArmResource);
    expect(await hello(wireOf(world, from), wire, 8443)).toBe(`a ${wireOf(world, from)}`);
    expect(world.fabric.connectivity(from.id, vms[0]?.id ?? '', 8443).result).toBe('open');
    expect(world.fabric.connectivity(from.id, vms[0]?.id ?? '', 2222)).toMatchObject({
      result: 'denied',
      detail: 'rule no-ssh of hub-nsg (inbound)',
    });
  }
  await expect(hello(wireOf(world, spoke), wireOf(world, nics[0] as ArmResource), 2222)).rejects.toThrow(
    'closed without a word',
  );
});

test.concurrent('a network without peering is out of reach', async () => {
  await expect(hello(wireOf(world, outsider), wireOf(world, nics[0] as ArmResource), 8443)).rejects.toThrow(
    'closed without a word',
  );
  expect(world.fabric.connectivity(outsider.id, nics[0]?.id ?? '', 8443).result).toBe('unreachable');
});

test('a member that fails its probe gets no new flow, and its established ones go on', async () => {
  const established = await until(async () => {
    const one = await talk('127.0.0.9', publicIp, realPort(443));
    return one.hello.startsWith('a') ? one : one.socket.destroy() && undefined;
  });
  await world.act(vms[0]?.id ?? '', 'runCommand', { commandId: 'RunShellScript', script: ['touch /opt/test/sick'] });
  await until(async () => (await health()).up === 1);
  expect(
    (await health()).loadBalancerBackendAddresses.find(({ ipAddress }) => ipAddress === '10.20.1.4'),
  ).toMatchObject({
    state: 'Down',
    reason: 'Down_Probe_HttpStatusCodeError',
  });
  for (let at = 0; at < 5; at += 1) expect(await throughBalancer('127.0.0.9')).toMatch(/^b /);
  established.socket.write('still there');
  expect(await new Promise((resolve) => established.socket.once('data', (data) => resolve(data.toString())))).toBe(
    'still there',
  );
  established.socket.destroy();
});

test('with no healthy member clients are refused, until one is healthy again', async () => {
  await world.act(vms[1]?.id ?? '', 'powerOff');
  await until(async () => (await health()).up === 0);
  await until(() =>
    throughBalancer('127.0.0.9').then(
      () => false,
      (error) => /ECONNREFUSED/.test(error.message),
    ),
  );
  await world.act(vms[0]?.id ?? '', 'runCommand', { script: ['rm /opt/test/sick'] });
  await until(() => throughBalancer('127.0.0.9'));
  await world.act(vms[1]?.id ?? '', 'start');
  await world.act(vms[1]?.id ?? '', 'runCommand', { script: ['systemctl start test'] });
  await until(async () => (await health()).up === 2);
});

test('a frozen guest answers nobody, and a restart helps', async () => {
  await world.act(vms[0]?.id ?? '', 'fault:freeze');
  await until(async () => (await health()).up === 1);
  await expect(
    hello(wireOf(world, nics[1] as ArmResource), wireOf(world, nics[0] as ArmResource), 8443),
  ).rejects.toThrow();
  await expect(world.act(vms[0]?.id ?? '', 'runCommand', { script: ['true'] })).rejects.toThrow(/not reported status/);
  await world.act(vms[0]?.id ?? '', 'restart');
  await world.act(vms[0]?.id ?? '', 'runCommand', { script: ['systemctl start test'] });
  await until(async () => (await health()).up === 2);
});

test('a member that is set down by hand gets no new flow although its probe succeeds', async () => {
  const balancer = world.state.get(world.id(types.balancer, 'lb')) as ArmResource;
  const properties = structuredClone(balancer.properties);
  const [pool] = properties.backendAddressPools as { properties: Record<string, unknown> }[];
  Object.assign(pool?.properties ?? {}, {
    loadBalancerBackendAddresses: [{ name: 'rg_a-nicmain', properties: { adminState: 'Down' } }],
  });
  await world.put(types.balancer, 'lb', properties);
  expect((await health()).loadBalancerBackendAddresses.map(({ reason }) => reason)).toEqual([
    'Down_Admin',
    'Up_Probe_Success',
  ]);
  for (let at = 0; at < 5; at += 1) expect(await throughBalancer('127.0.0.9')).toMatch(/^b /);
  await world.put(types.balancer, 'lb', balancer.properties);
});

test('a network has the names of the private zones linked to it, and loses them with the link', async () => {
  const zone = 'privatelink.mysql.database.azure.com';
  await world.put(types.zone, zone, {});
  await world.put(types.record, `${zone}/mj-office`, { aRecords: [{ ipv4Address: '10.20.1.5' }] });
  const network = world.id(types.network, 'hub');
  await world.put(types.link, `${zone}/hub`, { virtualNetwork: { id: network } });
  const names = async () => JSON.parse(await readFile(world.fabric.hostsFile(network), 'utf8'));
  const expected = wireOf(world, nics[1] as ArmResource);
  await until(async () => Object.keys(await names()).length > 0);
  expect(await names()).toEqual({
    'mj-office.mysql.database.azure.com': expected,
    'mj-office.privatelink.mysql.database.azure.com': expected,
  });
  await world.remove(world.id(types.link, `${zone}/hub`));
  await until(async () => Object.keys(await names()).length === 0);
});

test('addresses stay the same over a restart', async () => {
  const before = [publicIp, ...nics.map((nic) => wireOf(world, nic))];
  await world.restart();
  expect([
    String(world.state.get(world.id(types.publicIp, 'lb-ip'))?.properties.ipAddress),
    ...nics.map((nic) => wireOf(world, nic)),
  ]).toEqual(before);
});
