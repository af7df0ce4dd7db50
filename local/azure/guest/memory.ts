/** A guest's /run: memory, as on a real machine, so that what a node keeps there never reaches the disk. */
import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Linux's file system in memory that every user may write to. */
const memory = '/dev/shm';

function placeOf(disk: string): string {
  return join(memory, `molcajete-${createHash('sha256').update(disk).digest('hex').slice(0, 16)}`);
}

/** As after a boot: there and empty. Where the machine has no /dev/shm it is a directory of the disk. */
export function emptyRun(disk: string): void {
  const run = join(disk, 'run');
  rmSync(run, { recursive: true, force: true });
  dropRun(disk);
  mkdirSync(disk, { recursive: true });
  if (!hasMemory()) {
    mkdirSync(run);
    return;
  }
  mkdirSync(placeOf(disk), { mode: 0o700 });
  symlinkSync(placeOf(disk), run);
}

/** The machine is off. */
export const dropRun = (disk: string): void => rmSync(placeOf(disk), { recursive: true, force: true });

function hasMemory(): boolean {
  try {
    accessSync(memory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
