import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Arm, type ArmSettings, createArm, openArmState } from '../../local/azure/arm/arm.ts';
import type { DataPlanes } from '../../local/azure/contract.ts';
import { openAuthority } from '../../local/azure/tls.ts';

export const tenantId = '11111111-1111-4111-8111-111111111111';
export const subscriptionId = '22222222-2222-4222-8222-222222222222';
export const owner = '33333333-3333-4333-8333-333333333333';
export const location = 'westeurope';

export interface World {
  arm: Arm;
  origin: string;
  ca: string;
  traceFile: string;
  /** Real clients, as the caller whose object id is given. */
  clients(objectId?: string, options?: Record<string, unknown>): Clients;
  /** A request as it stands; the token is the caller's object id. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** Ends the process's part and starts it again over the same files. */
  restart(planes?: DataPlanes): Promise<void>;
  close(): Promise<void>;
}

export interface Reply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever came
  body: any;
}

export type Clients = ReturnType<typeof makeClients>;

/** ARM over HTTPS with everything at once (factor 0) unless told otherwise; tokens are object ids. */
export async function startWorld(settings: ArmSettings = {}, planes: DataPlanes = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'arm-'));
  const certificates = await openAuthority(dir);
  const { certPem, keyPem } = await certificates.issue(['127.0.0.1']);
  const ca = await readFile(certificates.caFile, 'utf8');
  const traceFile = join(dir, 'requests.jsonl');
  const open = {
    factor: 0,
    rolePropagationSeconds: 0,
    throttling: false,
    ...settings,
    stateFile: join(dir, 'state.sqlite'),
  };
  let port = 0;
  let arm: Arm;
  let server: ReturnType<typeof createServer>;
  const start = async (with_: DataPlanes): Promise<void> => {
    const opened = openArmState(open);
    const context = {
      dir,
      range: '127.0',
      tenantId,
      subscriptionId,
      location,
      rbac: opened.rbac,
      certificates,
      log: () => {},
    };
    arm = createArm(
      context,
      opened,
      { planes: with_, authenticate, origin: () => `https://127.0.0.1:${port}` },
      traceFile,
    );
    arm.assign(owner, '8e3af657-a8ff-443c-a75c-2fe8c4bcb635', `/subscriptions/${subscriptionId}`);
    await arm.restore();
    server = createServer({ cert: certPem, key: keyPem }, arm.listener);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  };
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await arm.close();
  };
  await start(planes);
  const origin = `https://127.0.0.1:${port}`;
  return {
    get arm() {
      return arm;
    },
    origin,
    ca,
    traceFile,
    clients: (objectId = owner, options = {}) => makeClients(origin, ca, objectId, options),
    send: (method, path, body, headers = {}) => send(origin, ca, method, path, body, headers),
    async restart(again = planes) {
      await stop();
      await start(again);
    },
    async close() {
      await stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const authenticate = async (token: string) => {
  if (token === 'expired') throw Object.assign(new Error('expired'), { code: 'ERR_JWT_EXPIRED' });
  if (!/^[0-9a-f-]{36}$/.test(token)) throw new Error('not one of ours');
  return { objectId: token, clientId: token };
};

import { request } from 'node:https';

function send(
  origin: string,
  ca: string,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Reply> {
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const url = path.startsWith('https:') ? path : `${origin}${path}`;
    const outgoing = request(
      url,
      {
        method,
        ca,
        agent: false,
        headers: { authorization: `Bearer ${owner}`, 'content-type': 'application/json', ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString();
          const read = new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
          resolve({
            status: response.statusCode ?? 0,
            headers: read,
            body: answer === '' ? undefined : JSON.parse(answer),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/** Loaded when they are first wanted: most tests speak HTTP and need not wait for eight packages. */
const load = createRequire(import.meta.url);

function makeClients(endpoint: string, ca: string, objectId: string, more: Record<string, unknown>) {
  const credential = { getToken: async () => ({ token: objectId, expiresOnTimestamp: Date.now() + 3_600_000 }) };
  const options = { endpoint, tlsOptions: { ca }, retryOptions: { maxRetries: 0 }, ...more };
  return {
    authorization: new (
      load('@azure/arm-authorization') as typeof import('@azure/arm-authorization')
    ).AuthorizationManagementClient(credential, subscriptionId, options),
    compute: new (load('@azure/arm-compute') as typeof import('@azure/arm-compute')).ComputeManagementClient(
      credential,
      subscriptionId,
      options,
    ),
    keyVault: new (load('@azure/arm-keyvault') as typeof import('@azure/arm-keyvault')).KeyVaultManagementClient(
      credential,
      subscriptionId,
      options,
    ),
    msi: new (load('@azure/arm-msi') as typeof import('@azure/arm-msi')).ManagedServiceIdentityClient(
      credential,
      subscriptionId,
      options,
    ),
    mysql: new (
      load('@azure/arm-mysql-flexible') as typeof import('@azure/arm-mysql-flexible')
    ).MySQLManagementFlexibleServerClient(credential, subscriptionId, options),
    network: new (load('@azure/arm-network') as typeof import('@azure/arm-network')).NetworkManagementClient(
      credential,
      subscriptionId,
      options,
    ),
    dns: new (load('@azure/arm-privatedns') as typeof import('@azure/arm-privatedns')).PrivateDnsManagementClient(
      credential,
      subscriptionId,
      options,
    ),
    resources: new (load('@azure/arm-resources') as typeof import('@azure/arm-resources')).ResourceManagementClient(
      credential,
      subscriptionId,
      options,
    ),
  };
}
