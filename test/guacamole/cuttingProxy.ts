import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy before the database that can break off at the nth thing a client says, once or from then on. */
export interface CuttingProxy {
  port: number;
  /** Things said since `arm`. */
  said(): number;
  /** `after`: the server still hears the nth thing, the client never its answer. `forGood`: nobody gets through afterwards. */
  arm(nth: number, when: 'before' | 'after', forGood: boolean): void;
  disarm(): void;
  close(): Promise<void>;
}

/** The protocol is strictly question and answer, so every chunk from the client is one statement (or one step of a login). */
export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  let plan: { nth: number; when: 'before' | 'after'; forGood: boolean } | undefined;
  let said = 0;
  let down = false;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    if (down) return void client.destroy();
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
    }
    let deaf = false;
    client.on('data', (chunk) => {
      said += 1;
      const cut = plan !== undefined && said === plan.nth;
      if (!cut || plan?.when === 'after') upstream.write(chunk);
      if (!cut) return;
      down = plan?.forGood ?? false;
      deaf = true;
      if (plan?.when === 'before') upstream.destroy();
      else upstream.once('data', () => upstream.destroy());
      client.destroy();
    });
    upstream.on('data', (chunk) => {
      if (!deaf) client.write(chunk);
    });
    client.on('close', () => {
      if (!deaf) upstream.destroy();
    });
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    said: () => said,
    arm(nth, when, forGood) {
      plan = { nth, when, forGood };
      said = 0;
    },
    disarm() {
      plan = undefined;
      down = false;
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
