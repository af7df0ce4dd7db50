import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const everyMs = 60_000;
const largest = 8 * 1024 * 1024;

/** Keeps the logs of a directory small; their writers append, so that one cut to nothing goes on from its beginning. Returns the end of it. */
export function keepLogsSmall(directory: string): () => void {
  const timer = setInterval(() => {
    for (const name of readdirSync(directory)) {
      const file = join(directory, name);
      if (statSync(file).size > largest) truncateSync(file);
    }
  }, everyMs).unref();
  return () => clearInterval(timer);
}
