import { openWorld, spec } from '../e2e/world.ts';

/** More than this share of calls answered 429 is a failure. */
const mostThrottled = 0.05;

/** A provision at Azure's own durations takes minutes. */
const longestSeconds = 1800;

/**
 * `count` jump servers of one node are provisioned at once with Azure's own token buckets and no other fault. Throws when one does not
 * become ready, or when too many calls were answered 429.
 * @param factor of Azure's durations. The buckets refill in Azure's time, so below 1 our polls meet kinder ones than in Azure
 */
export async function soakThrottling(count: number, factor: number): Promise<void> {
  const world = await openWorld({ factor });
  try {
    const begun = Date.now();
    const before = (await world.armRows()).length;
    const names = Array.from({ length: count }, (_, i) => `many${i}`);
    const body = spec({ web: { count: 1 } });
    const ends = await Promise.all(names.map((name) => world.provision(name, body, longestSeconds)));
    const rows = (await world.armRows()).slice(before);
    const throttled = rows.filter(({ status }) => status === 429).length;
    const seconds = Math.round((Date.now() - begun) / 1000);
    const failures = ends.filter(({ status }) => status !== 'Succeeded').map(({ error }) => JSON.stringify(error));
    console.log(
      `throttling: ${count - failures.length} of ${count} jump servers ready after ${seconds} s; ${throttled} of ${rows.length} calls answered 429 (${((100 * throttled) / rows.length).toFixed(1)} %)`,
    );
    if (failures.length > 0) throw new Error(failures.join('\n'));
    if (throttled > mostThrottled * rows.length) throw new Error('Too many calls were answered 429.');
  } finally {
    await world.close();
  }
}
