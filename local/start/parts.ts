import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { AzureEndpoints } from '../azure/azure.ts';
import { hostsFileOf } from '../azure/fabric/dns.ts';
import type { KeyedCertificate } from '../azure/tls.ts';
import { root } from './build.ts';
import type { Child, Children } from './children.ts';
import type { Ports } from './ports.ts';

/** The three processes of a running copy, and how each is started. */

export interface PartOptions {
  /** State directory of the copy. */
  dir: string;
  children: Children;
}

const quietNode = '--disable-warning=ExperimentalWarning';
const readyWithinMs = 60_000;

/** Ours without a proxy: Azure's clients would send even requests to loopback through it. */
function environment(more: Record<string, string> = {}): Record<string, string | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !/^(https?|all)_proxy$/i.test(name));
  return { ...Object.fromEntries(own), NODE_OPTIONS: quietNode, ...more };
}

/** Storage: tables, blobs and queues over HTTPS with bearer tokens. Resolves when it accepts connections. */
export async function startAzurite(
  options: PartOptions & { ports: Ports; certificate: KeyedCertificate },
): Promise<void> {
  const { dir, ports, certificate, children } = options;
  const listen = (['blob', 'queue', 'table'] as const).flatMap((service) => [
    [`--${service}Host`, '127.0.0.1'],
    [`--${service}Port`, String(ports[service])],
  ]);
  const child = children.start({
    title: 'Azurite',
    command: process.execPath,
    args: [
      join(root, 'node_modules/azurite/dist/src/azurite.js'),
      ...['--location', join(dir, 'azurite'), '--silent', '--skipApiVersionCheck', '--disableTelemetry'],
      ...['--oauth', 'basic', '--cert', certificate.certFile, '--key', certificate.keyFile],
      ...listen.flat(),
    ],
    cwd: dir,
    env: environment(),
  });
  await waitFor('Azurite', child, () => accepts(ports.table));
}

/**
 * The local Azure. Resolves when it has said that it is ready. `identityHeader` is the one of the process that it replaces, which a
 * running host goes on using.
 */
export async function startAzure(
  options: PartOptions & { factor: number; identityHeader?: string },
): Promise<{ child: Child; endpoints: AzureEndpoints }> {
  const { dir, factor, children, identityHeader } = options;
  let endpoints: AzureEndpoints | undefined;
  const child = children.start({
    title: 'Local Azure',
    command: process.execPath,
    args: [join(root, 'local/azure/main.ts'), '--dir', join(dir, 'azure'), '--factor', String(factor)],
    cwd: dir,
    env: environment(identityHeader === undefined ? {} : { LOCAL_IDENTITY_HEADER: identityHeader }),
    onLine: (line) => {
      if (line.startsWith('ready ')) endpoints = JSON.parse(line.slice('ready '.length)) as AzureEndpoints;
    },
  });
  await waitFor('Local Azure', child, async () => endpoints !== undefined);
  if (!endpoints) throw new Error('The local Azure did not say where it listens.');
  return { child, endpoints };
}

/** The Functions host with our app. Resolves when the health route answers 200. */
export async function startHost(
  options: PartOptions & {
    app: string;
    kind: 'local' | 'func';
    /** Check function keys as Azure does; `func` never does. */
    checkKeys: boolean;
    port: number;
    azure: AzureEndpoints;
    virtualNetworkId: string;
    settings: { file: string; values: Record<string, string> };
  },
): Promise<Child> {
  const { dir, app, port, azure, settings, children } = options;
  const names = pathToFileURL(join(root, 'local/azure/fabric/names.ts')).href;
  const local = [join(root, 'local/host/main.ts'), '--app', app, '--dir', join(dir, 'host')];
  const child = children.start({
    title: 'Functions host',
    ...(options.kind === 'func'
      ? { command: 'func', args: ['start', '--port', String(port), '--javascript'] }
      : {
          command: process.execPath,
          args: [
            ...local,
            '--port',
            String(port),
            '--settings',
            settings.file,
            ...(options.checkKeys ? ['--auth'] : []),
          ],
        }),
    cwd: app,
    env: environment({
      ...settings.values,
      NODE_EXTRA_CA_CERTS: azure.ca,
      SSL_CERT_FILE: azure.ca,
      LOCAL_DNS_HOSTS: hostsFileOf(join(dir, 'azure'), options.virtualNetworkId),
      NODE_OPTIONS: `${quietNode} --import ${names}`,
    }),
  });
  await waitFor('Functions host', child, () => isHealthy(`http://127.0.0.1:${port}/api/health`));
  return child;
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });

/** Polls until the part is ready; throws when it ends before or takes too long. */
async function waitFor(title: string, child: Child, ready: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + readyWithinMs;
  while (!(await ready())) {
    if (!child.running()) throw new Error(`${title} ended while it was starting.`);
    if (Date.now() > deadline) throw new Error(`${title} was not ready after ${readyWithinMs / 1000} s.`);
    await delay(50);
  }
}
