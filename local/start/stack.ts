import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { AzureEndpoints } from '../azure/azure.ts';
import type { TokenRequest } from '../azure/identity/tokens.ts';
import { openAuthority } from '../azure/tls.ts';
import { buildBundle, root } from './build.ts';
import { type Child, type Children, openChildren } from './children.ts';
import { type Endpoints, fetchToken } from './endpoints.ts';
import { type LandingZone, makeLandingZone } from './landingZone.ts';
import { lockDirectory } from './lock.ts';
import { startAzure, startAzurite, startHost } from './parts.ts';
import { choosePorts, freePort, type Ports } from './ports.ts';
import { apiAudience, storageUrl, writeSettings } from './settings.ts';

export interface StackOptions {
  /** State directory; default `.local` in the repository. */
  dir?: string;
  /** Multiplies Azure's real durations; default 0.02. */
  factor?: number;
  /** Says nothing while starting. */
  quiet?: boolean;
  /** `func` uses the machine's Azure Functions Core Tools. */
  host?: 'local' | 'func';
  /** The host checks function keys, as Azure does; they are in `<dir>/host/keys.json`. */
  checkKeys?: boolean;
  /** Functions app to load; default: this repository, bundled first. */
  app?: string;
  /** Called when one of the processes ends by itself. */
  onFailure?: (error: Error) => void;
}

/** One running copy: storage, local Azure, landing zone, Functions host with our app. */
export interface Stack {
  dir: string;
  endpoints: Endpoints;
  /** The directory already held the state of an earlier run. */
  resumed: boolean;
  /** A token for the API with these app roles. */
  token(...roles: string[]): Promise<string>;
  /** Any token that the local issuer makes; the default audience is the API. */
  mint(request: Partial<TokenRequest>): Promise<string>;
  /** Ends the host if it runs, and starts it again with the same state. */
  restartHost(): Promise<void>;
  /** SIGKILL, as a crash. */
  killHost(): Promise<void>;
  /** SIGKILL to the local Azure and all that it runs: guests and databases too. */
  killAzure(): Promise<void>;
  /** Ends the local Azure if it runs, and starts it again with the same state at the same addresses. */
  restartAzure(): Promise<void>;
  /** Starts one more Functions host on the same stores; it goes with the stack, or when it is killed. */
  addHost(): Promise<{ kill(): Promise<void> }>;
  /** Adds to `<dir>/endpoints.json`. */
  publish(more: Partial<Endpoints>): void;
  /** Ends every process; the state stays on disk. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts everything that stands for Azure, and the product on it. Throws when a part does not start, after ending the others. From
 * then on this process trusts the copy's certificate authority.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const dir = resolve(options.dir ?? join(root, '.local'));
  const unlock = await lockDirectory(dir);
  const children = openChildren(dir, options.onFailure ?? (() => {}));
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= children.stop().then(unlock);
    return stopping;
  };
  try {
    return await assemble({ ...options, dir }, children, stop);
  } catch (error) {
    await stop();
    throw children.failure() ?? error;
  }
}

async function assemble(
  options: StackOptions & { dir: string },
  children: Children,
  stop: () => Promise<void>,
): Promise<Stack> {
  const { dir, app = root } = options;
  const timed = stopwatch(options.quiet ? () => {} : console.log);
  const resumed = existsSync(join(dir, 'endpoints.json'));
  const ports = await choosePorts(dir);
  const authority = await openAuthority(join(dir, 'azure'));
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(authority.caFile, 'utf8')]);
  const certificate = await authority.issue(['127.0.0.1', 'localhost']);

  const azureOptions = { dir, children, factor: options.factor ?? 0.02 };
  const azureWithZone = async () => {
    const { child, endpoints } = await timed('Local Azure', startAzure(azureOptions));
    return { cloud: child, azure: endpoints, zone: await timed('Landing zone', makeLandingZone(endpoints)) };
  };
  const [{ azure, zone, cloud }] = await Promise.all([
    azureWithZone(),
    timed('Storage (Azurite)', startAzurite({ dir, children, ports, certificate })),
    app === root && timed('Bundle of the functions', buildBundle()),
  ]);
  const settings = writeSettings(dir, azure, zone, ports);
  const { virtualNetworkId } = zone;
  const host = {
    dir,
    children,
    app,
    kind: options.host ?? 'local',
    checkKeys: options.checkKeys ?? false,
    port: ports.host,
    azure,
    virtualNetworkId,
    settings,
  };
  let running: Child = await timed('Functions host', startHost(host));
  let cloudRunning: Child = cloud;

  const endpoints = endpointsOf(azure, zone, ports);
  const mint = (request: Partial<TokenRequest>) => fetchToken(azure.control, { audience: apiAudience, ...request });
  const publish = (more: Partial<Endpoints>): void => {
    Object.assign(endpoints, more);
    const file = join(dir, 'endpoints.json');
    writeFileSync(`${file}.new`, `${JSON.stringify(endpoints, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  };
  publish({});
  return {
    dir,
    endpoints,
    resumed,
    mint,
    token: (...roles) => mint({ roles, name: 'Local caller' }),
    async restartHost() {
      await running.stop();
      running = await startHost(host);
    },
    killHost: () => running.kill(),
    killAzure: () => cloudRunning.kill(),
    async restartAzure() {
      await cloudRunning.stop();
      const again = await startAzure({ ...azureOptions, identityHeader: azure.identityHeader });
      if (again.endpoints.arm !== azure.arm || again.endpoints.control !== azure.control)
        throw new Error(`The local Azure came back at ${again.endpoints.arm} instead of ${azure.arm}.`);
      cloudRunning = again.child;
      await makeLandingZone(again.endpoints);
    },
    async addHost() {
      return startHost({ ...host, port: await freePort(Object.values(ports)) });
    },
    publish,
    stop,
  };
}

function endpointsOf(azure: AzureEndpoints, { vaultUrl }: LandingZone, ports: Ports): Endpoints {
  const { identityHeader: _, ...shown } = azure;
  return {
    ...shown,
    api: `http://127.0.0.1:${ports.host}/api`,
    apiAudience,
    vault: vaultUrl,
    tables: storageUrl(ports.table),
    blobs: storageUrl(ports.blob),
    queues: storageUrl(ports.queue),
  };
}

/** Says what has started and how long it took. */
const stopwatch =
  (say: (line: string) => void) =>
  async <T>(title: string, work: Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work;
    say(`${title}: ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return result;
  };
