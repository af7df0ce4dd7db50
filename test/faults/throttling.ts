import { openWorld, spec } from '../e2e/world.ts';

/**
 * `count` jump servers of one node are provisioned at once with Azure's own token buckets and no other fault. Throws when one does not
 * become ready; says which share of the calls was answered 429.
 */
export async function soakThrottling(count: number): Promise<void> {
  const world = await openWorld({ factor: 0.02 });
  try {
    const begun = Date.now();
    const before = (await world.armRows()).length;
    const names = Array.from({ length: count }, (_, i) => `many${i}`);
    const body = spec({ web: { count: 1 } });
    const ends = await Promise.all(names.map((name) => world.provision(name, body)));
    const rows = (await world.armRows()).slice(before);
    const throttled = rows.filter(({ status }) => status === 429).length;
    const seconds = Math.round((Date.now() - begun) / 1000);
    const failures = ends.filter(({ status }) => status !== 'Succeeded').map(({ error }) => JSON.stringify(error));
    console.log(
      `throttling: ${count - failures.length} of ${count} jump servers ready after ${seconds} s; ${throttled} of ${rows.length} calls answered 429 (${((100 * throttled) / rows.length).toFixed(1)} %)`,
    );
    if (failures.length > 0) throw new Error(failures.join('\n'));
  } finally {
    await world.close();
  }
}
