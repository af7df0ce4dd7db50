import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { World } from './world.ts';

interface ArmAnswer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of every shape
  body: any;
}

/** A call to ARM as the owner of the subscription. `path` begins after the subscription. */
export async function arm(
  world: World,
  method: string,
  path: string,
  apiVersion: string,
  body?: unknown,
): Promise<ArmAnswer> {
  const { arm: endpoint, subscriptionId, ownerOid } = world.stack.endpoints;
  const token = await world.stack.mint({ audience: 'https://management.azure.com', oid: ownerOid });
  const separator = path.includes('?') ? '&' : '?';
  const answer = await fetch(
    `${endpoint}/subscriptions/${subscriptionId}${path}${separator}api-version=${apiVersion}`,
    {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    },
  );
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** What Azure says of a jump server's machines: their power states by name. */
export async function powersOf(world: World, jumpServer: string): Promise<Record<string, string>> {
  const machines = `/resourceGroups/molcajete-${jumpServer}/providers/Microsoft.Compute/virtualMachines`;
  const { body } = await arm(world, 'GET', machines, '2026-04-01');
  const states = await Promise.all(
    body.value.map(async ({ name: machine }: { name: string }) => {
      const view = await arm(world, 'GET', `${machines}/${machine}/instanceView`, '2026-04-01');
      const codes: { code: string }[] = view.body.statuses;
      return [machine, codes.find(({ code }) => code.startsWith('PowerState/'))?.code.split('/')[1] ?? ''];
    }),
  );
  return Object.fromEntries(states);
}

// biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of every shape
async function listAll(world: World, path: string): Promise<any[]> {
  const { value, nextLink } = (await arm(world, 'GET', path, '2025-04-01')).body;
  if (nextLink) throw new Error(`${path} has more than one page; this test reads one.`);
  return value;
}

/** Ids of everything in Azure that belongs to the jump server, by its group, its name or its tag. */
export async function ownedResources(world: World, jumpServer: string): Promise<string[]> {
  const listed = await listAll(world, '/resources');
  const groups = await listAll(world, '/resourcegroups');
  return [...listed, ...groups]
    .filter(
      ({ id, tags }: { id: string; tags?: Record<string, string> }) =>
        id.includes(`/molcajete-${jumpServer}`) ||
        id.includes(`/${jumpServer}-`) ||
        tags?.['molcajete-jump-server'] === jumpServer,
    )
    .map(({ id }: { id: string }) => id);
}

/** A MySQL server's name and the address it has in some network, from the hosts files that stand for private DNS. */
export function mysqlNames(world: World): { fqdn: string; address: string }[] {
  const { hosts } = world.stack.endpoints;
  return readdirSync(hosts).flatMap((file) => {
    const names = JSON.parse(readFileSync(join(hosts, file), 'utf8')) as Record<string, string>;
    return Object.entries(names)
      .filter(([fqdn]) => fqdn.endsWith('.mysql.database.azure.com'))
      .map(([fqdn, address]) => ({ fqdn, address }));
  });
}

/** The object id of a managed identity. */
export async function principalOf(world: World, path: string): Promise<string> {
  const { body } = await arm(world, 'GET', path, '2024-11-30');
  return body.properties.principalId;
}

/** A call to a vault's data plane as the principal with this object id. */
export async function vault(world: World, oid: string, url: string): Promise<ArmAnswer> {
  const token = await world.stack.mint({ audience: 'https://vault.azure.net', oid });
  const answer = await fetch(`${url}?api-version=2025-07-01`, { headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, body: await answer.json() };
}

/** All vaults of the subscription with their addresses. */
export async function vaults(world: World): Promise<{ name: string; uri: string }[]> {
  const { body } = await arm(world, 'GET', '/providers/Microsoft.KeyVault/vaults', '2026-02-01');
  return body.value.map((one: { name: string; properties: { vaultUri: string } }) => ({
    name: one.name,
    uri: one.properties.vaultUri,
  }));
}

export const controlIdentity =
  '/resourceGroups/molcajete-control/providers/Microsoft.ManagedIdentity/userAssignedIdentities/molcajete-control';

const peer = '/resourceGroups/targets/providers/Microsoft.Network';

/** A network of somebody else with a machine's interface in it, for a jump server to peer with. Returns the network's id. */
export async function makePeer(world: World): Promise<string> {
  const location = 'westeurope';
  const id = `/subscriptions/${world.stack.endpoints.subscriptionId}${peer}/virtualNetworks/targets`;
  await settled(world, '/resourceGroups/targets', '2025-04-01', { location });
  const subnets = [{ name: 'machines', properties: { addressPrefix: '10.90.0.0/24' } }];
  await settled(world, `${peer}/virtualNetworks/targets`, '2026-01-01', {
    location,
    properties: { addressSpace: { addressPrefixes: ['10.90.0.0/16'] }, subnets },
  });
  const ipConfigurations = [
    { name: 'primary', properties: { subnet: { id: `${id}/subnets/machines` }, privateIPAllocationMethod: 'Dynamic' } },
  ];
  await settled(world, `${peer}/networkInterfaces/target-nic`, '2026-01-01', {
    location,
    properties: { ipConfigurations },
  });
  return id;
}

/** The interface in the peered network. */
export const peeredSource = (world: World): string =>
  `/subscriptions/${world.stack.endpoints.subscriptionId}${peer}/networkInterfaces/target-nic`;

async function settled(world: World, path: string, apiVersion: string, body: unknown): Promise<void> {
  const put = await arm(world, 'PUT', path, apiVersion, body);
  if (put.status >= 300) throw new Error(`PUT ${path} was answered with ${put.status}: ${JSON.stringify(put.body)}`);
  for (;;) {
    const { body: found } = await arm(world, 'GET', path, apiVersion);
    if (found.properties.provisioningState === 'Succeeded') return;
    await delay(50);
  }
}

/** Would this flow pass? Asked of the local network, which answers from the rules that it enforces. */
export async function connectivity(
  world: World,
  from: string,
  to: string,
  port: number,
): Promise<{ result: string; detail: string }> {
  const { control, subscriptionId } = world.stack.endpoints;
  const target = to.startsWith('/subscriptions/') ? to : `/subscriptions/${subscriptionId}${to}`;
  const answer = await fetch(`${control}/connectivity`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ from, to: target, port }),
  });
  return (await answer.json()) as { result: string; detail: string };
}
