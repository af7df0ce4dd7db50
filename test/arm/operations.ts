import { afterEach } from 'vitest';
import type { DataPlane } from '../../local/azure/contract.ts';
import type { Bodies } from './bodies.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { type Reply, startWorld, type World } from './world.ts';

/** Starts worlds for the tests of a file, each closed after its test. */
export function startsWorlds(): typeof startWorld {
  const worlds: World[] = [];
  afterEach(async () => {
    for (const world of worlds.splice(0)) await world.close();
  });
  return async (...parameters) => {
    const world = await startWorld(...parameters);
    worlds.push(world);
    return world;
  };
}

/** A data plane whose work ends when it is told to. */
export function gated(): DataPlane & { open(): void; close(): void; calls: string[]; secrets: unknown[] } {
  let { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const calls: string[] = [];
  const secrets: unknown[] = [];
  return {
    open: () => open(),
    close() {
      ({ promise: gate, resolve: open } = Promise.withResolvers<void>());
    },
    calls,
    secrets,
    async apply(_resource, writeOnly) {
      calls.push('apply');
      secrets.push(writeOnly);
      await gate;
      return undefined;
    },
    async remove() {
      calls.push('remove');
      await gate;
    },
    async act(_resource, action) {
      calls.push(action);
      await gate;
      return { told: action };
    },
  };
}

export const poll = (world: World, reply: Reply) => world.send('GET', reply.headers.get('azure-asyncoperation') ?? '');
export const result = (world: World, reply: Reply) => world.send('GET', reply.headers.get('location') ?? '');

/** A VM with its network, or one that is being made where its data plane is in the test's hands. */
export async function machine(world: World): Promise<Bodies> {
  const b = await freshGroup(world);
  await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
  await settled(world);
  await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
  await ask(world, ['PUT', b.com('virtualMachines', 'vm'), b.vm()]);
  if (world.arm.env.planes['microsoft.compute/virtualmachines'] === undefined) await settled(world);
  return b;
}
