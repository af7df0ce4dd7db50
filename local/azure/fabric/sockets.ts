/** The TCP side of every proxy of the fabric: listening, joining two sockets, dropping a flow. */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Locally a dropped flow ends after this time (milliseconds); a real one would hang until the client gives up. */
export const dropAfterMs = 2000;

const portOffset = 8000;
const netBindService = 1n << 10n;
const firstFreePort = lowestBindablePort();

function lowestBindablePort(): number {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  if (BigInt(`0x${capabilities}`) & netBindService) return 0;
  return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
}

/** The port that stands for this one: itself, or itself + 8000 where we may not bind it. */
export const realPort = (port: number): number => (port < firstFreePort ? port + portOffset : port);

export interface Listener {
  /** Stops listening. Established connections live on unless `drop` is true. */
  close(drop?: boolean): Promise<void>;
}

/** Listens, waiting up to 3 s for an address that a killed predecessor still holds. Sockets arrive paused and half-open. */
export async function listen(host: string, port: number, onSocket: (socket: Socket) => void): Promise<Listener> {
  const deadline = Date.now() + 3000;
  for (;;) {
    const open = new Set<Socket>();
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      socket.on('error', () => socket.destroy());
      onSocket(socket);
    });
    const failure = await bind(server, host, port);
    if (!failure) return listener(server, open);
    if (failure.code !== 'EADDRINUSE' || Date.now() > deadline) {
      throw new Error(
        `Cannot listen on ${host}:${port}: ${failure.message}. End what holds it, or start with another range.`,
      );
    }
    await delay(50);
  }
}

function bind(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port, backlog: 511 }, () => {
      server.removeAllListeners('error');
      resolve(undefined);
    });
  });
}

function listener(server: Server, open: Set<Socket>): Listener {
  return {
    async close(drop = false) {
      server.close();
      if (drop) for (const socket of open) socket.destroy();
    },
  };
}

/** Carries bytes both ways, half-closing as each side does; either side's error or `idleMs` without a byte ends both. */
export function join(a: Socket, b: Socket, idleMs?: number): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    // A reset is passed on as one: a half-closed other side would notice nothing before its next byte.
    from.on('error', () => to.resetAndDestroy());
    from.once('close', () => {
      if (!from.readableEnded) to.destroy();
    });
    if (idleMs) from.setTimeout(idleMs, () => from.destroy());
    from.pipe(to);
  }
}

/** Gives up after the time (milliseconds), but not before what has already arrived is read: the machine may have been busy for longer. */
export const giveUpAfter = (milliseconds: number, giveUp: () => void): NodeJS.Timeout =>
  setTimeout(() => setImmediate(giveUp), milliseconds);

/** No answer, then the end: the nearest to a dropped packet that an accepting proxy can do. */
export function drop(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), dropAfterMs);
  socket.once('close', () => clearTimeout(timer));
}
