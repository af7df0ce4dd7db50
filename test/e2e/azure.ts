import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** Ids of everything in Azure that belongs to the jump server, by its group, its name or its tag. */
export async function ownedResources(world: World, jumpServer: string): Promise<string[]> {
  const listed = await arm(world, 'GET', '/resources', '2025-04-01');
  const groups = await arm(world, 'GET', '/resourcegroups', '2025-04-01');
  return [...listed.body.value, ...groups.body.value]
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
