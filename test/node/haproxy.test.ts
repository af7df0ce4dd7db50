import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority, issueCertificate } from '../../shared/certificates.ts';
import { nodeDirectory } from '../../shared/node/files.ts';
import { haproxyConfiguration, type ProxyNode } from '../../shared/node/haproxy.ts';
import { nodePorts } from '../../shared/node/ports.ts';
import {
  cookieOf,
  fingerprintOf,
  get,
  openStream,
  openTunnel,
  openTunnelOverHttp2,
  probe,
  servedBy,
} from './clients.ts';
import { allRelay, ask, jumpServer, type Proxies, publicName, startProxies, until } from './proxies.ts';

const run = promisify(execFile);

describe('the configuration', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'molcajete-cfg-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));
  const named = (name: string, draining = false): ProxyNode => ({ name, address: `10.20.1.${name.at(-1)}`, draining });

  test.each([
    ['alone', named('a-1'), []],
    ['with peers of which one drains', named('a-1'), [named('a-2', true), named('a-3')]],
    ['draining', named('a-1', true), [named('a-2')]],
  ])('is accepted by HAProxy without a warning for a node %s', async (_title, node, peers) => {
    const authority = await createAuthority();
    mkdirSync(join(directory, 'private'), { recursive: true });
    writeFileSync(
      join(directory, 'private/certificate.pem'),
      await issueCertificate({ authority, jumpServer, names: [] }),
    );
    writeFileSync(join(directory, 'peers.pem'), authority.certificate);
    const text = haproxyConfiguration({ node, peers, peerName: 'node.a.molcajete.internal' });
    writeFileSync(join(directory, 'haproxy.cfg'), text.replaceAll(nodeDirectory, directory));
    const { stderr } = await run('haproxy', ['-c', '-f', join(directory, 'haproxy.cfg')]);
    expect(stderr).not.toMatch(/WARNING|ALERT/);
  });

  test('checks many peers less often than few', () => {
    const intervals = [1, 10, 99].map((count) => {
      const peers = Array.from({ length: count }, (_, at) => ({ ...named('a-2'), name: `b-${at}` }));
      return /cookie b-0 check inter (\S+)/.exec(
        haproxyConfiguration({ node: named('a-1'), peers, peerName: 'x' }),
      )?.[1];
    });
    expect(intervals).toEqual(['2s', '2s', '20s']);
  });

  test('does not depend on the order of the peers', () => {
    const peers = [named('a-2'), named('a-3'), named('a-4')];
    const input = { node: named('a-1'), peerName: 'x' };
    expect(haproxyConfiguration({ ...input, peers })).toBe(
      haproxyConfiguration({ ...input, peers: peers.toReversed() }),
    );
  });

  test('refuses a name that would end a line', () => {
    const node = { ...named('a-1'), name: 'a\n  bind *:22' };
    expect(() => haproxyConfiguration({ node, peers: [], peerName: 'x' })).toThrow('cannot be part');
  });
});

describe('two nodes', () => {
  let proxies: Proxies;
  beforeAll(async () => {
    proxies = await startProxies(2);
  });
  afterAll(() => proxies.stop());
  const node = (at: 0 | 1) => proxies.nodes[at] ?? expect.unreachable();
  /** For a test that reloads: puts everything back afterwards. */
  const restoreAfterwards = (): void =>
    onTestFinished(async () => {
      await Promise.all(
        proxies.nodes.map((one) =>
          one.reload({ certificate: proxies.certificate, trusted: proxies.authority.certificate }),
        ),
      );
      await settled(200, 200);
    });
  const settled = (...statuses: number[]): Promise<unknown> =>
    until(
      async () => (await Promise.all([probe(node(0)), probe(node(1))])).join() === statuses.join() || undefined,
      `probes say ${statuses}`,
    );
  const sessionsOf = (at: 0 | 1): { served: number; relayed: number } =>
    JSON.parse(
      execFileSync('python3', ['-B', '-c', 'import health, json; print(json.dumps(health.sessions()))'], {
        cwd: node(at).directory,
        env: { ...process.env, PYTHONPATH: join(import.meta.dirname, '../../shared/node/agent') },
      }).toString(),
    );

  test('a session stays on its node when the next flow lands on the other one', async () => {
    const first = await get(proxies, node(0));
    expect(servedBy(first)).toBe(node(0).node.name);
    expect(first.headers['set-cookie']?.[0]).toMatch(/^MOLCAJETE_NODE=[^;]+; path=\/; HttpOnly; Secure; SameSite=Lax$/);
    const next = await get(proxies, node(1), { headers: { cookie: cookieOf(first) } });
    expect(servedBy(next)).toBe(node(0).node.name);
    expect(next.headers['set-cookie']).toBeUndefined();
  });

  test('Guacamole learns the client, whatever the client claims and whichever way the request took', async () => {
    const cookie = cookieOf(await get(proxies, node(0)));
    const headers = { cookie, 'x-forwarded-for': '10.9.9.9', 'x-forwarded-proto': 'http' };
    const { body } = await get(proxies, node(1), { headers, localAddress: '127.0.0.77' });
    const seen = (JSON.parse(body) as { headers: Record<string, string> }).headers;
    expect([seen['x-forwarded-for'], seen['x-forwarded-proto']]).toEqual(['127.0.0.77', 'https']);
    expect(seen.cookie).toBeUndefined();
  });

  test('a WebSocket tunnel reaches its node through the other one and is counted as relayed there, served here', async () => {
    const cookie = cookieOf(await get(proxies, node(0)));
    const tunnel = await openTunnel(proxies, node(1), cookie);
    expect(await tunnel.say('hello')).toBe(`${node(0).node.name} hello`);
    expect([sessionsOf(0), sessionsOf(1)]).toEqual([
      { served: 1, relayed: 0 },
      { served: 0, relayed: 1 },
    ]);
    tunnel.close();
    await until(
      () => (sessionsOf(0).served === 0 && sessionsOf(1).relayed === 0) || undefined,
      'nothing is counted any more',
    );
  });

  test('a browser that speaks HTTP/2 gets its WebSocket tunnel, too, and keeps it over a reload', async () => {
    const cookie = cookieOf(await get(proxies, node(0)));
    const tunnel = await openTunnelOverHttp2(proxies, node(1), cookie);
    expect(await tunnel.say('hello')).toBe(`${node(0).node.name} hello`);
    await node(1).reload({});
    expect(await tunnel.say('again')).toBe(`${node(0).node.name} again`);
    tunnel.close();
    await until(() => sessionsOf(1).relayed === 0, 'it is not counted any more');
  });

  test('the root leads to Guacamole, and every answer tells the browser to keep to HTTPS and to this site', async () => {
    const answer = await get(proxies, node(0), { path: '/' });
    expect([answer.status, answer.headers.location]).toEqual([302, '/guacamole/']);
    for (const { headers } of [answer, await get(proxies, node(0))])
      expect(headers).toMatchObject({
        'strict-transport-security': 'max-age=31536000',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'SAMEORIGIN',
        'content-security-policy': "frame-ancestors 'self'",
        'referrer-policy': 'same-origin',
      });
  });

  test('each request of a user is logged once, without what would let a reader take over the session', async () => {
    const cookie = cookieOf(await get(proxies, node(0)));
    await get(proxies, node(1), { path: '/guacamole/tunnel?token=s3cret', headers: { cookie } });
    await get(proxies, node(1), { path: '/guacamole/api/tokens/s3cret', headers: { cookie } });
    const line = (path: string) => `127.0.0.1 GET ${path} 200 guacamole/${node(0).node.name} `.replaceAll('.', '\\.');
    for (const path of ['/guacamole/tunnel', '/guacamole/api/tokens'])
      await until(() => new RegExp(`^${line(path)}\\d+ bytes \\d+ ms`, 'm').test(node(1).log()), `${path} is logged`);
    expect(node(0).log()).not.toContain('tokens');
    expect(node(0).log() + node(1).log()).not.toMatch(/s3cret|probe|health/);
  });

  test('TLS 1.1 is refused', async () => {
    const outcome = await new Promise((resolve) => {
      const socket = connect({
        host: node(0).node.address,
        port: nodePorts.ingress,
        servername: publicName,
        ca: proxies.authority.certificate,
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      socket.on('secureConnect', () => resolve('connected'));
      socket.on('error', () => resolve('refused'));
    });
    expect(outcome).toBe('refused');
  });

  test('a failed health check alone moves no session', async () => {
    restoreAfterwards();
    const cookie = cookieOf(await get(proxies, node(1)));
    await ask(join(node(0).directory, 'master.sock'), `@1 set server guacamole/${node(1).node.name} health down`);
    expect(servedBy(await get(proxies, node(0), { headers: { cookie } }))).toBe(node(1).node.name);
  });

  test('a draining node keeps its sessions, sends new ones to its peer and answers the probe with 503', async () => {
    restoreAfterwards();
    const old = cookieOf(await get(proxies, node(0)));
    const draining = [node(0).node.name];
    await Promise.all(proxies.nodes.map((one) => one.reload({ draining })));
    await settled(503, 200);
    await allRelay(proxies);
    const kept = await Promise.all([
      get(proxies, node(0), { headers: { cookie: old } }),
      get(proxies, node(1), { headers: { cookie: old } }),
    ]);
    expect(kept.map(servedBy)).toEqual([node(0).node.name, node(0).node.name]);
    const fresh = await Promise.all([get(proxies, node(0)), get(proxies, node(1))]);
    expect(fresh.map(servedBy)).toEqual([node(1).node.name, node(1).node.name]);
  });

  test('a reload with a new certificate cuts neither an open stream nor a tunnel, and the old worker still counts', async () => {
    restoreAfterwards();
    const cookie = cookieOf(await get(proxies, node(0)));
    const [stream, tunnel] = [await openStream(proxies, node(0), cookie), await openTunnel(proxies, node(1), cookie)];
    const certificate = await issueCertificate({ authority: proxies.authority, jumpServer, names: [publicName] });
    await Promise.all(proxies.nodes.map((one) => one.reload({ certificate })));
    const later = await openStream(proxies, node(0), cookie);
    expect([stream.fingerprint, later.fingerprint]).toEqual([
      fingerprintOf(proxies.certificate),
      fingerprintOf(certificate),
    ]);
    expect(await stream.next()).toContain(node(0).node.name);
    expect(await tunnel.say('still there')).toBe(`${node(0).node.name} still there`);
    expect([sessionsOf(0), sessionsOf(1)]).toEqual([
      { served: 3, relayed: 0 },
      { served: 0, relayed: 1 },
    ]);
    for (const one of [stream, tunnel, later]) one.close();
  });

  test('while one node shows the new certificate and the other the old one, they trust each other', async () => {
    restoreAfterwards();
    const certificate = await issueCertificate({ authority: proxies.authority, jumpServer, names: [publicName] });
    await node(0).reload({ certificate });
    await settled(200, 200);
    await allRelay(proxies);
  });

  test('a peer with the certificate of a stranger gets no session', async () => {
    restoreAfterwards();
    const stranger = await createAuthority();
    const certificate = await issueCertificate({ authority: stranger, jumpServer, names: [publicName] });
    await node(1).reload({ certificate });
    const answer = await get(proxies, node(0), { headers: { cookie: `MOLCAJETE_NODE=${node(1).node.name}` } });
    expect(servedBy(answer)).toBe(node(0).node.name);
  });
});

test('a node without its web application leaves the balancer, and its users are served by the peer', async () => {
  const proxies = await startProxies(2);
  try {
    const [first, second] = proxies.nodes;
    if (!first || !second) return expect.unreachable();
    await first.web.close();
    const headers = { cookie: `MOLCAJETE_NODE=${first.node.name}` };
    const atOnce = await Promise.all([
      get(proxies, first),
      get(proxies, first, { headers }),
      get(proxies, second, { headers }),
    ]);
    expect(atOnce.map(servedBy)).toEqual([second.node.name, second.node.name, second.node.name]);
    await until(async () => (await probe(first)) === 503 || undefined, 'the probe fails');
    expect(await probe(second)).toBe(200);
    const later = await Promise.all([get(proxies, first, { headers }), get(proxies, second, { headers })]);
    expect(later.map(servedBy)).toEqual([second.node.name, second.node.name]);
  } finally {
    await proxies.stop();
  }
});
