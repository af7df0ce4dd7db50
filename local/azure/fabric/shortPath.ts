import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A path of some 20 characters that stands for a long one: Unix sockets allow 108 in all, HAProxy fewer. */
export const shortPath = (of: string): string =>
  join(tmpdir(), `mj-${createHash('sha256').update(of).digest('hex').slice(0, 12)}`);
