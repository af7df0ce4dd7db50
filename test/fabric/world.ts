/** A fresh fabric over a real state store: its own directory, range of addresses and certificate authority. */
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { claimRange } from '../../local/azure/claim.ts';
import type { ArmResource, Context } from '../../local/azure/contract.ts';
import { type Addresses, openAddresses } from '../../local/azure/fabric/addresses.ts';
import { createFabric, type Fabric, type FabricOptions } from '../../local/azure/fabric/fabric.ts';
import { StateStore } from '../../local/azure/state.ts';
import { openAuthority } from '../../local/azure/tls.ts';

export interface World {
  dir: string;
  context: Context;
  state: StateStore;
  addresses: Addresses;
  fabric: Fabric;
  log: string[];
  /** Stores a resource and makes it real, as ARM does; merges what the data plane learned. */
  put(
    type: string,
    name: string,
    properties: Record<string, unknown>,
    more?: Partial<ArmResource> & { writeOnly?: Record<string, unknown> },
  ): Promise<ArmResource>;
  remove(id: string): Promise<void>;
  act(id: string, action: string, body?: Record<string, unknown>): Promise<Record<string, unknown> | undefined>;
  id(type: string, name: string): string;
  /** Closes the fabric and opens another one over the same directory; every resource is applied again. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const subscription = '11111111-2222-3333-4444-555555555555';
const group = `/subscriptions/${subscription}/resourceGroups/rg`;

export async function openWorld(options: Partial<FabricOptions> = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'fabric-'));
  // As in a checkout: other users, mysql for one, may enter.
  await chmod(dir, 0o755);
  // Two test files at once, or a running local Azure, must not share addresses.
  const claim = await claimRange(`127.${120 + Math.floor(Math.random() * 130)}`);
  const { range } = claim;
  const state = new StateStore(':memory:');
  const log: string[] = [];
  const certificates = await openAuthority(dir);
  const context: Context = {
    ...{ dir, range, state, certificates },
    ...{ tenantId: subscription, subscriptionId: subscription, location: 'westeurope' },
    rbac: { allowed: () => true },
    log: (message) => log.push(message),
  };
  const open = async () => {
    const addresses = openAddresses(dir, range);
    const cacheDir = join(tmpdir(), 'fabric-test-cache');
    const imds: FabricOptions['imds'] = () => (_request, response) => response.end('{}');
    return { addresses, fabric: await createFabric(context, { addresses, imds, cacheDir, ...options }) };
  };
  const current = await open();
  const plane = (type: string) => current.fabric.dataPlanes[type.toLowerCase()];

  const world: World = {
    dir,
    context,
    state,
    log,
    get addresses() {
      return current.addresses;
    },
    get fabric() {
      return current.fabric;
    },
    id: (type, name) => {
      const names = name.split('/');
      const [namespace, ...types] = type.split('/');
      return `${group}/providers/${namespace}/${types.map((word, at) => `${word}/${names[at]}`).join('/')}`;
    },
    async put(type, name, properties, { writeOnly = {}, ...more } = {}) {
      const id = world.id(type, name);
      const internal = {};
      state.put({
        id,
        name: name.split('/').at(-1) ?? '',
        type,
        location: 'westeurope',
        properties,
        internal,
        ...more,
      });
      const learned = await plane(type)?.apply(state.get(id) as ArmResource, writeOnly);
      if (learned) state.update(id, (copy) => Object.assign(copy.properties, learned));
      return state.get(id) as ArmResource;
    },
    async remove(id) {
      const resource = state.get(id);
      if (resource) await plane(resource.type)?.remove(resource);
      state.delete(id);
    },
    async act(id, action, body = {}) {
      const resource = state.get(id);
      if (!resource) throw new Error(`${id} is not there`);
      return plane(resource.type)?.act?.(resource, action, body);
    },
    async restart() {
      await current.fabric.close();
      current.addresses.close();
      Object.assign(current, await open());
      for (const resource of state.all()) await plane(resource.type)?.apply(resource, {});
    },
    async close() {
      await current.fabric.close();
      current.addresses.close();
      state.close();
      await claim.release();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return world;
}

/** Waits until the look succeeds; its last error after the time (milliseconds) is up. */
export async function until<T>(look: () => T | Promise<T>, timeoutMs = 10_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`Still not so after ${timeoutMs} ms: ${look}`);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(25);
  }
}

/** Of every other process on this machine. */
export function commandLines(): string[] {
  const others = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return others.flatMap((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return [];
    }
  });
}
