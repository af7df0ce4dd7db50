import { test } from 'vitest';
import { soakProvisioning } from './lives.ts';

/**
 * A provision with 30 % of its calls failing and a size that is not offered, an update under which the host and the local Azure are
 * killed, a teardown by two hosts of which one is killed and that a lock stops at first. `SEED=…` draws other ones.
 */
const seed = Number(process.env.SEED ?? 1818);

test(`a jump server lives and goes as asked, whatever happens to the machine under it (seed ${seed})`, () =>
  soakProvisioning(seed, 1));
