import { createServer } from 'node:https';
import { type ArmResource, AzureFailure, type Context, type DataPlane, type DataPlanes } from '../contract.ts';
import type { Identity } from '../identity/identity.ts';
import { type Listener, listen } from '../identity/listen.ts';
import { vaultHandler } from './api.ts';
import { openVaultStore, type VaultRow } from './store.ts';

/** The data plane of Key Vault. */
export interface Vaults {
  /**
   * `microsoft.keyvault/vaults`: `apply` opens the vault's address and returns `vaultUri`; `remove` closes it and keeps the secrets, as a
   * soft-deleted vault does; `act(resource, 'purge')` destroys them. `apply` on a soft-deleted vault's id recovers it.
   */
  dataPlanes: DataPlanes;
  close(): Promise<void>;
}

type OpenVault = Listener & { uri: string };

export interface VaultOptions {
  /** How long a deletion, a recovery or a purge of a secret is under way, in milliseconds. Default 100. */
  settleMs?: number;
  /** Preferred port of each vault; default 443 (8443 where that needs more rights). */
  port?: number;
}

/** Opens `<dir>/vaults`; vaults listen from the first `apply` on, at addresses `<range>.16.1` and following. */
export async function createVaults(
  context: Context,
  identity: Pick<Identity, 'verify'>,
  options: VaultOptions = {},
): Promise<Vaults> {
  const store = openVaultStore(context.dir);
  const open = new Map<string, Promise<OpenVault>>();
  const key = (resource: ArmResource) => resource.id.toLowerCase();

  const start = async (vault: VaultRow): Promise<OpenVault> => {
    const host = addressOf(context.range, vault.number);
    const { certPem, keyPem } = await context.certificates.issue([host]);
    const server = createServer({ cert: certPem, key: keyPem });
    const listener = await listen(server, host, options.port ?? 443);
    const uri = `https://${host}:${listener.port}/`;
    const settleMs = options.settleMs ?? 100;
    server.on('request', vaultHandler({ context, identity, vault, uri, secrets: store.secrets(vault, settleMs) }));
    return { ...listener, uri };
  };
  const stop = async (resource: ArmResource): Promise<void> => {
    const listener = open.get(key(resource));
    open.delete(key(resource));
    await (await listener)?.close();
  };

  const vaults: DataPlane = {
    async apply(resource) {
      const vault = store.claim(resource.id, resource.name);
      if (!vault) {
        throw new AzureFailure('VaultAlreadyExists', `The vault name '${resource.name}' is already in use.`, 409);
      }
      const opening = open.get(key(resource)) ?? start(vault);
      open.set(key(resource), opening);
      opening.catch(() => open.delete(key(resource)));
      return { vaultUri: (await opening).uri };
    },
    async remove(resource) {
      await stop(resource);
      store.softDelete(resource.id);
    },
    async act(resource, action) {
      if (action !== 'purge') throw new AzureFailure('InvalidAction', `A vault has no action '${action}'.`, 400);
      await stop(resource);
      store.purge(resource.id);
      return undefined;
    },
  };
  return {
    dataPlanes: { 'microsoft.keyvault/vaults': vaults },
    async close() {
      await Promise.all([...open.values()].map(async (listener) => (await listener).close()));
      open.clear();
      store.close();
    },
  };
}

/** Vaults have `<range>.16.1` to `<range>.31.254`. */
function addressOf(range: string, number: number): string {
  const [third, fourth] = [16 + Math.floor(number / 254), 1 + (number % 254)];
  if (third > 31) throw new AzureFailure('QuotaExceeded', 'The local Azure has addresses for 4,064 vaults.', 409);
  return `${range}.${third}.${fourth}`;
}
