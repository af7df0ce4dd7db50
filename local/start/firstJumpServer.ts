import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, call, expectOk } from './api.ts';
import type { Progress, ResourceLine } from './progress.ts';

export const firstName = 'demo';

/** Clients on this machine are 127.0.0.x. */
const makeSpec = async () => ({
  location: 'westeurope',
  network: { allowedSources: ['127.0.0.0/24'] },
  ingress: { port: await ingressPort() },
});

/** 443, or 8443 where only root may listen below 1024: the local balancer listens on the very port of the spec. */
export const ingressPort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EACCES' ? 8443 : 443));
    server.listen(443, '127.0.0.1', () => server.close(() => resolve(443)));
  });

interface Operation {
  status: 'NotStarted' | 'Running' | 'Succeeded' | 'Failed' | 'Canceled';
  percentComplete: number;
  resources: ResourceLine[];
  error?: { code: string; message: string; advice?: string; target?: string };
}

interface JumpServer {
  status: { ingress: { address: string; url: string } | null; lastOperation: { url: string } };
}

const pollMs = 500;

/**
 * Asks the API for a jump server and follows the operation to its end; one that is under way already (of an interrupted run) is followed
 * as well. Returns the URL to log in at. Throws with the operation's own error.
 */
export async function provisionFirst(api: Api, progress: Progress): Promise<string> {
  const path = `/jump-servers/${firstName}`;
  const answer = await call(api, 'PUT', path, await makeSpec());
  if (answer.status === 202 || answer.status === 409) {
    const running = answer.headers.get('operation-location');
    const { status } = await expectOk<JumpServer>(call(api, 'GET', path), `GET ${path}`);
    await follow(api, running ?? status.lastOperation.url, progress);
    // What was interrupted may have been another spec's operation: the same PUT now says whether it is so.
    if (answer.status === 409) return provisionFirst(api, progress);
  } else {
    await expectOk(Promise.resolve(answer), `PUT ${path}`);
  }
  const { status } = await expectOk<JumpServer>(call(api, 'GET', path), `GET ${path}`);
  if (!status.ingress) throw new Error(`The jump server ${firstName} has no ingress address.`);
  return status.ingress.url;
}

async function follow(api: Api, url: string, progress: Progress): Promise<void> {
  for (;;) {
    const operation = await expectOk<Operation>(call(api, 'GET', url), `GET ${url}`);
    progress.show(operation.resources, operation.percentComplete);
    const { status, error } = operation;
    if (status === 'Succeeded') return;
    if (status === 'Failed' || status === 'Canceled') {
      const { code = status, message = '', advice = '', target } = error ?? {};
      throw new Error(
        `The operation ended ${status}${target ? ` at ${target}` : ''}: ${code}: ${message} ${advice}`.trim(),
      );
    }
    await delay(pollMs);
  }
}
