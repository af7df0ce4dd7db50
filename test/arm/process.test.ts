import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AzureEndpoints } from '../../local/azure/azure.ts';

let dir: string;
const running: ChildProcess[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'azure-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) await end(child, 'SIGKILL');
  // What a killed copy had started ends a moment after it, and may still be writing.
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

async function start(state: string, factor = '0'): Promise<{ child: ChildProcess; endpoints: AzureEndpoints }> {
  const child = spawn(process.execPath, ['local/azure/main.ts', '--dir', join(dir, state), '--factor', factor], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  running.push(child);
  for await (const line of createInterface({ input: child.stdout ?? process.stdin }))
    if (line.startsWith('ready ')) return { child, endpoints: JSON.parse(line.slice(6)) as AzureEndpoints };
  throw new Error('The local Azure ended before it was ready.');
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, 'exit');
  child.kill(signal);
  const [code] = await exit;
  return code as number | null;
}

async function call(endpoints: AzureEndpoints, method: string, path: string, body?: unknown) {
  const asked = await fetch(`${endpoints.control}/tokens`, {
    method: 'POST',
    body: JSON.stringify({ audience: 'https://management.azure.com', oid: endpoints.ownerOid }),
  });
  const { access_token: token } = (await asked.json()) as { access_token: string };
  const ca = await readFile(endpoints.ca);
  const url = path.startsWith('https:') ? path : `${endpoints.arm}/subscriptions/${endpoints.subscriptionId}${path}`;
  const outgoing = request(url, {
    method,
    ca,
    agent: false,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await once(outgoing, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return {
    status: response.statusCode as number,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

const group = '/resourceGroups/g?api-version=2025-04-01';
const ip = '/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/ip?api-version=2026-01-01';

test('a killed copy carries on where it was, at the same addresses', { timeout: 20_000 }, async () => {
  // A public IP takes 2 s of Azure's time.
  const first = await start('one', '0.5');
  await call(first.endpoints, 'PUT', group, { location: 'westeurope' });
  const put = await call(first.endpoints, 'PUT', ip, {
    location: 'westeurope',
    sku: { name: 'Standard' },
    properties: { publicIPAllocationMethod: 'Static' },
  });
  expect(put.status).toBe(201);
  await end(first.child, 'SIGKILL');
  const second = await start('one', '0.5');
  const { identityHeader: _old, ...before } = first.endpoints;
  expect(second.endpoints).toMatchObject(before);
  const poll = async () =>
    (await call(second.endpoints, 'GET', String(put.headers['azure-asyncoperation']))).body.status;
  await expect.poll(poll, { timeout: 5000 }).toBe('Succeeded');
  const address = (await call(second.endpoints, 'GET', ip)).body.properties.ipAddress;
  expect(address).toMatch(new RegExp(`^${second.endpoints.range.replace('.', '\\.')}\\.`));
  expect((await stat(join(dir, 'one', 'endpoints.json'))).mode & 0o077).toBe(0);
  expect(await end(second.child, 'SIGTERM')).toBe(0);
});

test('two copies run side by side in ranges of their own', { timeout: 20_000 }, async () => {
  const [one, two] = await Promise.all([start('one'), start('two')]);
  expect(one.endpoints.range).not.toBe(two.endpoints.range);
  expect(one.endpoints.subscriptionId).not.toBe(two.endpoints.subscriptionId);
  await call(one.endpoints, 'PUT', group, { location: 'westeurope' });
  expect((await call(two.endpoints, 'GET', group)).status).toBe(404);
});
