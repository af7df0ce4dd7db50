import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

export interface Ports {
  host: number;
  blob: number;
  queue: number;
  table: number;
}

const names = ['host', 'blob', 'queue', 'table'] as const;

/** Below the range from which Linux takes the ports of outgoing connections. */
const first = 20_000;
const count = 10_000;

/**
 * The ports of a state directory: free ones at its first start, the same ones later, because nodes were told at their creation where
 * to report to. Throws when such a port is taken by another program.
 */
export async function choosePorts(dir: string): Promise<Ports> {
  const file = join(dir, 'ports.json');
  const kept = readPorts(file);
  if (kept && !(await isFree(kept.host))) {
    throw new Error(
      `Port ${kept.host}, which the nodes in ${dir} report to, is taken by another program. Stop that program, or start afresh with another --dir.`,
    );
  }
  const ports = { ...kept } as Partial<Ports>;
  for (const name of names) {
    const port = ports[name];
    if (port === undefined || !(await isFree(port))) ports[name] = await freePort(Object.values(ports));
  }
  writeFileSync(file, `${JSON.stringify(ports, null, 2)}\n`);
  return ports as Ports;
}

function readPorts(file: string): Ports | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Ports;
  } catch {
    return undefined;
  }
}

/** Throws when none is found. */
export async function freePort(taken: number[]): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = first + Math.floor(Math.random() * count);
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  throw new Error(`No free port was found between ${first} and ${first + count}.`);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
