import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Listener {
  port: number;
  /** Ends open connections too. */
  close(): Promise<void>;
}

/** Listens on the preferred port, else on a free one: taken (EADDRINUSE) or below 1024 without the right to it (EACCES). */
export async function listen(server: HttpServer | HttpsServer, host: string, preferredPort: number): Promise<Listener> {
  for (const port of new Set([preferredPort, preferredPort < 1024 ? preferredPort + 8000 : 0, 0])) {
    const failure = await tryListen(server, host, port);
    if (!failure) {
      const { port: bound } = server.address() as AddressInfo;
      return { port: bound, close: () => closeServer(server) };
    }
    if (failure.code !== 'EADDRINUSE' && failure.code !== 'EACCES') throw failure;
  }
  throw new Error(`No port could be bound on ${host}.`);
}

async function tryListen(
  server: HttpServer | HttpsServer,
  host: string,
  port: number,
): Promise<NodeJS.ErrnoException | undefined> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

async function closeServer(server: HttpServer | HttpsServer): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
