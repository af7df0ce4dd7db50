import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { AccessToken, TokenCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { onTestFinished } from 'vitest';
import { type ArmResource, type Context, sameId } from '../../local/azure/contract.ts';
import { createIdentity, type Identity } from '../../local/azure/identity/identity.ts';
import { openAuthority } from '../../local/azure/tls.ts';
import { createVaults, type Vaults } from '../../local/azure/vault/vaults.ts';

export const subscriptionId = '00000000-0000-4000-8000-000000000001';
export const tenantId = '00000000-0000-4000-8000-000000000002';
export const group = `/subscriptions/${subscriptionId}/resourceGroups/group`;

/** Identity and vaults over a state and role assignments that the test writes itself. */
export interface World {
  dir: string;
  identity: Identity;
  vaults: Vaults;
  put(resource: Partial<ArmResource> & { id: string }): ArmResource;
  delete(id: string): void;
  /** Lets the principal do the vault's data actions (`getSecret/action`, …; `*` for all). */
  grant(oid: string, action: string, scope: string): void;
  /** A client of the vault with a token of this principal. */
  client(vaultUri: string, oid: string): SecretClient;
  close(): Promise<void>;
}

let range = 200;

export async function makeWorld(dir = mkdtempSync(join(tmpdir(), 'molcajete-identity-'))): Promise<World> {
  range = 200 + ((range + 1 - 200) % 50);
  const resources = new Map<string, ArmResource>();
  const listeners = new Set<Parameters<Context['state']['onChange']>[0]>();
  const grants: { oid: string; action: string; scope: string }[] = [];
  const certificates = await openAuthority(dir);
  setDefaultCACertificates([...getCACertificates('bundled'), readFileSync(certificates.caFile, 'utf8')]);
  const context: Context = {
    dir,
    range: `127.${range}`,
    tenantId,
    subscriptionId,
    location: 'westeurope',
    certificates,
    state: {
      get: (id) => resources.get(id.toLowerCase()),
      list: (type) => [...resources.values()].filter((resource) => sameId(resource.type, type)),
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    rbac: {
      allowed: (oid, action, scope) =>
        grants.some(
          (grant) =>
            grant.oid === oid &&
            scope.toLowerCase().startsWith(grant.scope.toLowerCase()) &&
            (grant.action === '*' || action === `Microsoft.KeyVault/vaults/secrets/${grant.action}`),
        ),
    },
    log: () => {},
  };
  const identity = await createIdentity(context);
  const vaults = await createVaults(context, identity, { settleMs: 50 });
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await vaults.close();
    await identity.close();
  };
  onTestFinished(async () => {
    await close();
    rmSync(dir, { recursive: true, force: true });
  });
  const change = (id: string, after: ArmResource | undefined) => {
    const before = resources.get(id.toLowerCase());
    if (after) resources.set(id.toLowerCase(), after);
    else resources.delete(id.toLowerCase());
    for (const listener of listeners) listener({ id, before, after });
  };
  return {
    dir,
    identity,
    vaults,
    close,
    put(given) {
      const name = given.id.split('/').at(-1) ?? '';
      const resource = { name, type: 'Microsoft.Test/things', location: 'westeurope', properties: {}, ...given };
      change(resource.id, resource);
      return resource;
    },
    delete: (id) => change(id, undefined),
    grant: (oid, action, scope) => void grants.push({ oid, action, scope }),
    client: (vaultUri, oid) =>
      new SecretClient(vaultUri, credential(identity, { oid, audience: 'https://vault.azure.net' }), {
        disableChallengeResourceVerification: true,
        retryOptions: { maxRetries: 0 },
      }),
  };
}

/** A credential that always returns the same kind of token. */
export const credential = (identity: Identity, request: Parameters<Identity['mint']>[0]): TokenCredential => ({
  async getToken(): Promise<AccessToken> {
    return { token: await identity.mint(request), expiresOnTimestamp: Date.now() + 3600_000 };
  },
});

/** A vault that ARM just made, and its address. */
export async function makeVault(world: World, name: string, properties: Record<string, unknown> = {}) {
  const id = `${group}/providers/Microsoft.KeyVault/vaults/${name}`;
  const resource = world.put({ id, type: 'Microsoft.KeyVault/vaults', properties });
  const plane = world.vaults.dataPlanes['microsoft.keyvault/vaults'];
  if (!plane) throw new Error('There is no data plane for vaults.');
  const { vaultUri } = (await plane.apply(resource, {})) ?? {};
  return { id, resource, plane, uri: String(vaultUri) };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
