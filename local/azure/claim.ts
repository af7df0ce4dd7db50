import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/** Nothing else listens here: the one who has bound it owns 127.N.0.0/16. */
const lockPort = 8399;

export interface Claim {
  /** `127.7` */
  range: string;
  release(): Promise<void>;
}

/**
 * Claims a /16 of the loopback network for this process. Addresses are kept by others (the product's state, guests' configuration), so
 * a copy must get the same range at every start: the one it had, and at first one that its directory chooses, so that copies which
 * come and go do not take each other's. Throws when all are taken.
 */
export async function claimRange(dir: string, had?: string): Promise<Claim> {
  const first = createHash('sha256').update(dir).digest().readUInt32BE() % 253;
  const ranges = Array.from({ length: 253 }, (_, i) => `127.${2 + ((first + i) % 253)}`);
  for (const range of had === undefined ? ranges : [had, ...ranges]) {
    const server = await bind(`${range}.0.1`);
    if (server !== undefined) return { range, release: () => new Promise((resolve) => server.close(() => resolve())) };
  }
  throw new Error(`No free range: port ${lockPort} is taken on 127.2.0.1 to 127.254.0.1.`);
}

function bind(host: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(new Error(`${host} cannot be bound: ${error.message}`)),
    );
    server.listen(lockPort, host, () => resolve(server));
  });
}
