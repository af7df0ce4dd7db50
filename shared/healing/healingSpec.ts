import { z } from 'zod';
import { duration } from '../duration.ts';

/** `healing` of a spec. */
export const healingSpec = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe('Repair what breaks by itself. Without it only POST …/heal and the next PUT repair anything.'),
  gracePeriod: duration('PT5S', 'PT1H')
    .default('PT2M')
    .describe('How long a node may be silent or unwell before it is repaired, and the least it gets after a repair.'),
  maxRepairsPerHour: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(100, 'may be at most 100')
    .default(6)
    .describe('After so many repairs within an hour healing stops, says so in the status, and waits for a person.'),
});
