import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../e2e/world.ts';

interface Keys {
  master: string;
  host: string;
  functions: Record<string, string>;
}

/** The keys of a world that was opened with `checkKeys`. */
export const keysOf = (world: World): Keys =>
  JSON.parse(readFileSync(join(world.stack.dir, 'host', 'keys.json'), 'utf8')) as Keys;
