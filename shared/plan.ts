import { z } from 'zod';
import { forCaller } from './azure/forCaller.ts';
import type { Deps } from './deps.ts';
import { isSurplus } from './scaling/fleet.ts';
import { plannedFleet, provisionTopology } from './scaling/provisionFleet.ts';
import type { JumpServerSpec } from './spec.ts';
import { listInventory, outputsOf } from './store/inventory.ts';

/** What a PUT would do to each resource. */
export const planShape = z.object({
  changes: z.array(
    z.object({
      key: z.string(),
      type: z.string(),
      id: z.string(),
      change: z.enum(['create', 'update', 'delete', 'none']),
    }),
  ),
});

/** Looks at every resource of the topology and writes nothing. What depends on something missing is missing too. */
export async function planChanges(
  deps: Deps,
  jumpServer: string,
  spec: JumpServerSpec,
): Promise<z.input<typeof planShape>> {
  const [inventory, { fleet }] = await Promise.all([
    listInventory(deps.tables, jumpServer),
    plannedFleet(deps, jumpServer, spec),
  ]);
  const kept = fleet.filter((node) => !isSurplus(node, spec));
  const resources = provisionTopology(deps, jumpServer, spec, kept);
  const outputs = outputsOf(inventory);
  const changes = await Promise.all(
    resources.map(async ({ key, type, id, look }) => {
      const { change } = await look(deps.azure, outputs).catch((error: unknown) => {
        throw forCaller(error, key);
      });
      return { key, type, id, change: change?.kind ?? ('none' as const) };
    }),
  );
  const wanted = new Set(resources.map((resource) => resource.key));
  const surplus = inventory
    .filter((item) => item.id !== '' && !wanted.has(item.key))
    .map(({ key, type, id }) => ({ key, type, id, change: 'delete' as const }));
  return { changes: [...changes, ...surplus] };
}
