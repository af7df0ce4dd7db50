import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What HAProxy needs of its 97 for the rest of a socket's path: `/opt/molcajete/master.sock.12345.tmp`. */
const longest = 60;

/** A short path that stands for a long one below the state directory: Unix sockets allow 108 characters in all, HAProxy 97. */
export function shortPath(stateDir: string, of: string): string {
  const name = createHash('sha256').update(of).digest('hex').slice(0, 12);
  const near = join(stateDir, 'run', name);
  if (near.length > longest) return join(tmpdir(), `mj-${name}`);
  mkdirSync(join(stateDir, 'run'), { recursive: true });
  // As /tmp is: mariadbd puts its socket there as another user.
  chmodSync(join(stateDir, 'run'), 0o1777);
  return near;
}
