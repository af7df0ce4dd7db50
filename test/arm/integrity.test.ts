import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { usesOf } from '../../local/azure/arm/references.ts';
import type { Bodies } from './bodies.ts';
import { ask, freshGroup, settled } from './rules.ts';
import { location, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ factor: 0.0005 });
});
afterAll(() => world.close());

const things: Record<string, (b: Bodies) => [path: string, bodies: unknown[]]> = {
  nsg: (b) => [b.net('networkSecurityGroups', 'nsg'), [{ location }]],
  plan: (b) => [b.net('ddosProtectionPlans', 'plan'), [{ location }]],
  ip: (b) => [b.net('publicIPAddresses', 'ip'), [b.publicIp()]],
  vnet: (b) => [
    b.net('virtualNetworks', 'vnet'),
    [
      b.vnet(),
      b.vnet({}, []),
      b.vnet({ enableDdosProtection: true, ddosProtectionPlan: { id: b.net('ddosProtectionPlans', 'plan') } }),
      b.vnet({}, [
        {
          name: 'web',
          ...b.subnet('10.0.1.0/24', { networkSecurityGroup: { id: b.net('networkSecurityGroups', 'nsg') } }),
        },
      ]),
    ],
  ],
  subnet: (b) => [
    `${b.net('virtualNetworks', 'vnet')}/subnets/web`,
    [b.subnet('10.0.1.0/24'), b.subnet('10.0.2.0/24')],
  ],
  lb: (b) => [b.net('loadBalancers', 'lb'), [b.balancer()]],
  nic: (b) => [
    b.net('networkInterfaces', 'nic'),
    [
      b.nic(),
      b.nic({ loadBalancerBackendAddressPools: [{ id: `${b.net('loadBalancers', 'lb')}/backendAddressPools/pool` }] }),
    ],
  ],
  set: (b) => [b.com('availabilitySets', 'set'), [{ location, sku: { name: 'Aligned' } }]],
  vm: (b) => [
    b.com('virtualMachines', 'vm'),
    [b.vm(), b.vm({ availabilitySet: { id: b.com('availabilitySets', 'set') } })],
  ],
  disk: (b) => [b.com('disks', 'vm-osdisk'), []],
};

const step = fc.record({
  thing: fc.constantFrom(...Object.keys(things)),
  remove: fc.boolean(),
  variant: fc.nat(3),
  wait: fc.boolean(),
});

/** Nothing names what is not there, and nothing is left in between. */
function check(): void {
  const { env } = world.arm;
  for (const resource of env.state.all()) {
    const kind = env.kinds.get(resource.type.toLowerCase());
    if (kind === undefined) continue;
    for (const { target, reference } of usesOf(kind, resource))
      if (!reference.loose) expect(env.state.get(target)?.id, `${resource.id} names ${target}`).toBeDefined();
    const state = String(resource.properties.provisioningState ?? 'Succeeded');
    expect(state, resource.id).toBe('Succeeded');
  }
}

test('whatever is asked in whatever order, nothing ever names what is not there', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const b = await freshGroup(world);
      for (const { thing, remove, variant, wait } of steps) {
        const [path, bodies] = things[thing]?.(b) ?? ['', []];
        const method = remove || bodies.length === 0 ? 'DELETE' : 'PUT';
        const reply = await ask(
          world,
          method === 'PUT' ? ['PUT', path, bodies[variant % bodies.length]] : ['DELETE', path],
        );
        expect(reply.status, `${method} ${path}: ${JSON.stringify(reply.body)}`).toBeLessThan(500);
        if (wait) await settled(world);
      }
      await settled(world);
      check();
      const gone = await ask(world, ['DELETE', b.base]);
      expect(gone.status).toBe(202);
      await settled(world);
      expect(world.arm.state.all().filter((one) => one.id.startsWith(`${b.base}/`) || one.id === b.base)).toEqual([]);
    }),
    { numRuns: 8 },
  );
});
