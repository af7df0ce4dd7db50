import { z } from 'zod';
import { duration } from '../duration.ts';

/** `rotation` of a spec. Without it credentials are rotated by hand only, and the certificate before it ends. */
export const rotationSpec = z.strictObject({
  every: duration('PT1H', 'P3650D').describe(
    "Every credential that is older than this is rotated; nodes take their new account one at a time, when their sessions have ended. ISO 8601 duration, such as 'P90D'.",
  ),
});
