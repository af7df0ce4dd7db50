/**
 * A node without a machine of its own: the files of the real cloud-init below a temporary directory, the real agent, HAProxy and
 * database client; one HTTP server plays the metadata service, the vault and the API; a script stands for systemd.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { cloudInit } from '../../shared/node/cloudInit.ts';
import { type DesiredNodeState, type NodeReport, nodeReportSchema } from '../../shared/node/report.ts';
import { freshNetwork, inPlace, startWeb, until } from './proxies.ts';

/** Puts down what it was asked, and keeps a process alive for each unit: HAProxy a real one. */
const systemd = `#!/bin/sh
for unit; do :; done
pid="$STATE/$unit.pid"
alive() { [ -e "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; }
begin() {
  case $unit in
    molcajete-haproxy)
      rm -f "$BASE/master.sock"
      /usr/sbin/haproxy -W -S "$BASE/master.sock" -f "$BASE/haproxy.cfg" >>"$STATE/haproxy.log" 2>&1 & echo $! >"$pid"
      while [ ! -S "$BASE/master.sock" ] && alive; do sleep 0.02; done; return ;;
    *) sleep 600 >/dev/null 2>&1 & ;;
  esac
  echo $! >"$pid"
}
end() { alive && kill "$(cat "$pid")" && while alive; do sleep 0.02; done; }
[ "$1" = is-active ] && { alive; exit; }
echo "$1 $unit" >>"$STATE/systemctl.log"
case $1 in
  enable|start) alive || begin ;;
  restart) end; begin ;;
  reload) kill -USR2 "$(cat "$pid")" ;;
esac
`;

export interface Seen {
  path: string;
  headers: IncomingMessage['headers'];
}

export interface NodeWorld {
  base: string;
  /** Where the fake services listen. */
  url: string;
  address: string;
  /** What the API answers next; undefined: 503. */
  desired: DesiredNodeState | undefined;
  /** The vault's content: `name/version` → value; a missing one is answered with 403. */
  secrets: Map<string, string>;
  reports: NodeReport[];
  /** Every request to the metadata service and the vault. */
  seen: Seen[];
  /** What the agent has said so far. */
  log(): string;
  /** What systemd was asked to do since the last call, without the questions. */
  orders(): string[];
  startAgent(): void;
  stopAgent(): Promise<void>;
  /** The first report after now of which this is true. */
  nextReport(isIt: (report: NodeReport) => boolean, what: string): Promise<NodeReport>;
  file(name: string): string;
  /** Another node's configuration text, made to run here. */
  here(haproxyConfig: string): string;
  killUnit(unit: string): void;
  stop(): Promise<void>;
}

export const audience = 'api://molcajete';

export async function openNodeWorld(caFile: string): Promise<NodeWorld> {
  const root = mkdtempSync(join(tmpdir(), 'molcajete-node-'));
  const base = join(root, 'opt/molcajete');
  const state = join(root, 'state');
  const network = await freshNetwork();
  const [address, lo] = [`${network}.10`, `${network}.100`];
  let agent: ChildProcess | undefined;
  const groups: number[] = [];
  let said = '';
  let ordersRead = 0;
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  installNode(root, url);
  mkdirSync(join(root, 'bin'));
  mkdirSync(state);
  writeFileSync(join(root, 'bin/systemctl'), systemd, { mode: 0o755 });
  writeFileSync(join(root, 'bin/docker'), '', { mode: 0o755 });
  const web = await startWeb('contoso-1', lo);

  const world: NodeWorld = {
    base,
    url,
    address,
    desired: undefined,
    secrets: new Map(),
    reports: [],
    seen: [],
    log: () => said,
    orders() {
      const lines = existsSync(join(state, 'systemctl.log'))
        ? readFileSync(join(state, 'systemctl.log'), 'utf8').trim().split('\n')
        : [];
      const fresh = lines.slice(ordersRead);
      ordersRead = lines.length;
      return fresh;
    },
    startAgent() {
      agent = spawn('/usr/bin/python3', ['-B', join(base, 'agent.py')], {
        env: {
          PATH: `${join(root, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin`,
          AZURE_POD_IDENTITY_AUTHORITY_HOST: url,
          SSL_CERT_FILE: caFile,
          STATE: state,
          BASE: base,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
        // A process group of its own, with all that its systemctl starts: `stop` ends it whole.
        detached: true,
      });
      if (agent.pid) groups.push(agent.pid);
      for (const stream of [agent.stdout, agent.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          said += chunk.toString();
        });
      }
    },
    async stopAgent() {
      const ending = agent;
      agent = undefined;
      if (!ending || ending.exitCode !== null) return;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill('SIGKILL');
      await ended;
    },
    async nextReport(isIt, what) {
      const from = world.reports.length;
      return until(
        () => world.reports.slice(from).find(isIt),
        () => `${what}; last report ${JSON.stringify(world.reports.at(-1))}; the agent said ${said.slice(-1000)}`,
      );
    },
    file: (name) => readFileSync(join(base, name), 'utf8'),
    here: (haproxyConfig) => inPlace(haproxyConfig, base, lo),
    killUnit: (unit) => process.kill(Number(readFileSync(join(state, `${unit}.pid`), 'utf8')), 'SIGKILL'),
    async stop() {
      await world.stopAgent();
      for (const group of groups) endGroup(group);
      await web.close();
      await closeServer(server);
      rmSync(root, { recursive: true, force: true });
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    if (path.startsWith('/api/')) return report(request, response);
    world.seen.push({ path, headers: request.headers });
    if (path.startsWith('/metadata/')) {
      const query = new URL(path, url).searchParams;
      const token = `token-of-${query.get('client_id') ?? 'the-vm'}-for-${query.get('resource')}`;
      return answer(response, 200, {
        access_token: token,
        expires_on: String(Math.floor(Date.now() / 1000) + 86_400),
        token_type: 'Bearer',
      });
    }
    const value = world.secrets.get(path.replace(/^\/vault\/secrets\//, '').replace(/\?.*/, ''));
    if (value === undefined) return answer(response, 403, { error: { code: 'Forbidden', message: 'no' } });
    return answer(response, 200, { value });
  }

  async function report(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    world.seen.push({ path: request.url ?? '', headers: request.headers });
    world.reports.push(nodeReportSchema.parse(JSON.parse(body)));
    if (!world.desired)
      return answer(response, 503, { error: { code: 'NotReadyYet', message: '' } }, { 'Retry-After': '1' });
    return answer(response, 200, world.desired);
  }

  return world;
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Does what cloud-init would do with the files of the real cloud-config. */
function installNode(root: string, url: string): void {
  const text = cloudInit({ apiUrl: `${url}/api`, audience, jumpServer: 'contoso', node: 'contoso-1' });
  const config = parse(text) as { write_files: { path: string; permissions: string; content: string }[] };
  for (const { path, permissions, content } of config.write_files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), Number.parseInt(permissions, 8));
  }
}

function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
