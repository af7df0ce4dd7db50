/** Real HAProxies of several nodes on addresses of their own, each with a small web server in Guacamole's place. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createConnection, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, createAuthority, internalName, issueCertificate } from '../../shared/certificates.ts';
import { nodeDirectory } from '../../shared/node/files.ts';
import { haproxyConfiguration, type ProxyNode } from '../../shared/node/haproxy.ts';
import { nodePorts } from '../../shared/node/ports.ts';

export const jumpServer = 'contoso';
export const publicName = 'contoso.westeurope.cloudapp.azure.com';

/**
 * Three octets that nobody else on this machine uses, held until this process ends. Copies of the local Azure take 127.2 and up,
 * so 127.1 is free for what stands alone.
 */
export async function freshNetwork(): Promise<string> {
  for (;;) {
    const network = `127.1.${randomInt(1, 255)}`;
    const lock = createTcpServer().unref();
    const mine = await new Promise((resolve) => {
      lock.once('error', () => resolve(false));
      lock.listen(19_000, `${network}.1`, () => resolve(true));
    });
    if (mine) return network;
  }
}

/** Waits for what will be true soon; fails with the last thing seen. */
export async function until<T>(
  look: () => Promise<T | false | undefined> | T | false | undefined,
  what: string | (() => string),
  seconds = 15,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end)
      throw new Error(`Still not so after ${seconds} s: ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** In the place of Guacamole: says who it is and what it was told, streams, and upgrades to an echo. */
export async function startWeb(name: string, address: string): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((incoming, response) => {
    if (incoming.url === '/guacamole/stream') return stream(name, response);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ name, url: incoming.url, headers: incoming.headers }));
  });
  server.on('connection', (socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
  server.on('upgrade', (incoming, socket) => {
    const key = `${incoming.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('data', (data: Buffer) => socket.write(`${name} ${data.toString()}`));
    socket.on('end', () => socket.end());
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(nodePorts.web, address, resolve));
  const guacd = createServer();
  await new Promise<void>((resolve) => guacd.listen(nodePorts.guacd, address, resolve));
  return {
    async close() {
      guacd.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function stream(name: string, response: ServerResponse): void {
  response.write(`${name} 0\n`);
  let sent = 0;
  const timer = setInterval(() => response.write(`${name} ${++sent}\n`), 20);
  response.on('close', () => clearInterval(timer));
}

export interface RunningProxy {
  node: ProxyNode;
  directory: string;
  master: ChildProcess;
  web: { close(): Promise<void> };
  /** What HAProxy has logged. */
  log(): string;
  /** Writes a configuration (and certificate) and reloads; returns when a new worker serves. */
  reload(change: { draining?: readonly string[]; certificate?: string; trusted?: string }): Promise<void>;
}

export interface Proxies {
  authority: Authority;
  certificate: string;
  nodes: RunningProxy[];
  stop(): Promise<void>;
}

/** As many nodes as asked for, all up and seeing each other. */
export async function startProxies(count: number): Promise<Proxies> {
  const network = await freshNetwork();
  const authority = await createAuthority();
  const certificate = await issueCertificate({ authority, jumpServer, names: [publicName] });
  const addresses = Array.from({ length: count }, (_, at) => ({
    name: `${jumpServer}-${at + 1}`,
    address: `${network}.${10 + at}`,
    lo: `${network}.${100 + at}`,
  }));
  const nodes = await Promise.all(
    addresses.map(({ name, address, lo }) =>
      startProxy(
        { name, address, draining: false },
        lo,
        addresses.filter((one) => one.name !== name),
        certificate,
        authority.certificate,
      ),
    ),
  );
  const proxies: Proxies = {
    authority,
    certificate,
    nodes,
    async stop() {
      await Promise.all(nodes.map(stopProxy));
    },
  };
  await allRelay(proxies);
  return proxies;
}

/** Waits until every node's HAProxy has found every other node healthy. */
export async function allRelay(proxies: Proxies): Promise<void> {
  const servers = /^guacamole,(?!BACKEND).*$/gm;
  for (const { node, directory } of proxies.nodes) {
    await until(async () => {
      const rows = (await ask(join(directory, 'master.sock'), '@1 show stat')).match(servers) ?? [];
      return rows.length > 0 && rows.every((row) => /,(UP|DRAIN|no check),/.test(row) && !row.includes(',INI,'));
    }, `${node.name} finds the others healthy`);
  }
}

async function startProxy(
  node: ProxyNode,
  lo: string,
  others: readonly { name: string; address: string }[],
  certificate: string,
  trusted: string,
): Promise<RunningProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'molcajete-proxy-'));
  const write = (draining: readonly string[]): void => {
    const peers = others.map(({ name, address }) => ({ name, address, draining: draining.includes(name) }));
    const text = haproxyConfiguration({
      node: { ...node, draining: draining.includes(node.name) },
      peers,
      peerName: internalName(jumpServer),
    });
    writeFileSync(join(directory, 'haproxy.cfg'), inPlace(text, directory, lo));
  };
  mkdirSync(join(directory, 'private'));
  writeFileSync(join(directory, 'private/certificate.pem'), certificate, { mode: 0o600 });
  writeFileSync(join(directory, 'peers.pem'), trusted);
  write([]);
  const web = await startWeb(node.name, lo);
  const master = spawn('haproxy', ['-W', '-S', join(directory, 'master.sock'), '-f', 'haproxy.cfg'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let logged = '';
  master.stdout?.on('data', (chunk: Buffer) => {
    logged += chunk.toString();
  });
  let said = '';
  master.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  let worker = '';
  const anotherWorker = async (): Promise<void> => {
    const former = worker;
    worker = await until(
      async () => {
        const found = await currentWorker(directory);
        return found === former ? undefined : found;
      },
      () => `another worker of ${node.name} than ${former || 'none'} serves; haproxy said ${said}`,
    );
  };
  await anotherWorker();
  return {
    node,
    directory,
    master,
    web,
    log: () => logged,
    async reload({ draining = [], certificate: another, trusted: others }) {
      write(draining);
      if (another) writeFileSync(join(directory, 'private/certificate.pem'), another);
      if (others) writeFileSync(join(directory, 'peers.pem'), others);
      master.kill('SIGUSR2');
      await anotherWorker();
    },
  };
}

/** The process id of the worker that takes new flows, as the master tells it. */
async function currentWorker(directory: string): Promise<string | undefined> {
  const said = await ask(join(directory, 'master.sock'), 'show proc').catch(() => '');
  return /# workers\n(\d+)/.exec(said)?.[1];
}

export function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = createConnection(socketPath, () => socket.end(`${command}\n`));
    socket.on('data', (data: Buffer) => {
      said += data.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
  });
}

/** The configuration of a node as it runs here: in a directory of its own, with another loopback, as whoever runs the tests. */
export const inPlace = (text: string, directory: string, lo: string): string =>
  text
    .replaceAll(`${nodeDirectory}/`, `${directory}/`)
    .replaceAll('127.0.0.1', lo)
    .replace(/^ {2}(user|group) haproxy\n/gm, '');

async function stopProxy({ master, web, directory }: RunningProxy): Promise<void> {
  const ended = new Promise((resolve) =>
    master.exitCode === null ? master.once('exit', resolve) : resolve(undefined),
  );
  master.kill('SIGTERM');
  await ended;
  await web.close();
  if (existsSync(directory)) rmSync(directory, { recursive: true });
}
