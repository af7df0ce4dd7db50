import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DurableApi } from '../durable/api.ts';
import { webhookPath } from '../durable/links.ts';
import { log } from '../log.ts';
import { durableSystemKey, type Keys } from './keys.ts';
import { sendReply } from './reply.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A server that listens. */
export interface Listening {
  readonly server: Server;
  readonly port: number;
  /** Resolves when every answer that was begun or awaited has been sent. */
  answered(): Promise<void>;
}

/** Starts a server on 127.0.0.1. Port 0 means any free one. */
export async function listen(port: number, handler: Handler): Promise<Listening> {
  const open = new Set<Promise<unknown>>();
  const server = createServer((request, response) => {
    const closed = once(response, 'close').catch(() => undefined);
    open.add(closed);
    void closed.then(() => open.delete(closed));
    handler(request, response).catch((error: unknown) => {
      log(
        'error',
        'host',
        `${request.method} ${request.url?.split('?')[0]} failed in the host: ${error instanceof Error ? error.stack : String(error)}`,
      );
      if (response.headersSent) response.destroy();
      else sendReply(response, { status: 500 });
    });
  });
  // A function may take its time to read or to answer.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const answered = async (): Promise<void> => {
    while (open.size) await Promise.all(open);
  };
  return { server, port: (server.address() as AddressInfo).port, answered };
}

export interface MainHandlers {
  readonly functions: Handler;
  readonly admin: (
    request: IncomingMessage,
    response: ServerResponse,
    path: readonly string[],
    query: URLSearchParams,
  ) => Promise<void>;
  readonly durable: DurableApi;
  readonly keys: Keys;
  readonly auth: boolean;
}

const rootPage =
  '<!DOCTYPE html>\n<html><head><title>Your Azure Function App is up and running.</title></head><body><h1>Your Azure Function App is up and running.</h1></body></html>';

/** The public door: root page, /admin, the durable webhook, and the app's functions. */
export function mainHandler({ functions, admin, durable, keys, auth }: MainHandlers): Handler {
  return async (request, response) => {
    const [path = '/', rawQuery = ''] = splitOnce(request.url ?? '/', '?');
    const lower = path.toLowerCase();
    if (path === '/')
      return sendReply(response, { status: 200, headers: { 'Content-Type': 'text/html' }, body: rootPage });
    if (lower.startsWith('/admin/')) {
      return admin(request, response, path.split('/').filter(Boolean).slice(1), new URLSearchParams(rawQuery));
    }
    if (!lower.startsWith(`${webhookPath}/`)) return functions(request, response);
    const query = new URLSearchParams(rawQuery);
    const refused = auth ? webhookRefusal(keys, request, query) : null;
    if (refused) return sendReply(response, refused);
    query.delete('code');
    return durable.serve(request, response, path.slice(webhookPath.length), query);
  };
}

/** The system key of the extension and the master key open the webhook; another valid key is forbidden, none is unknown. */
function webhookRefusal(keys: Keys, request: IncomingMessage, query: URLSearchParams) {
  keys.get('system', durableSystemKey);
  const scopes = keys.scopesOf(request, query);
  if (scopes.has('system') || scopes.has('master')) return null;
  return scopes.size ? { status: 403 } : { status: 401, headers: { 'WWW-Authenticate': 'Bearer' } };
}

const rpcPrefix = '/durabletask';

/** The worker's own door to the extension: no key, as on the real host. */
export function rpcHandler(durable: DurableApi): Handler {
  return async (request, response) => {
    const [path = '/', rawQuery = ''] = splitOnce(request.url ?? '/', '?');
    if (!path.toLowerCase().startsWith(`${rpcPrefix}/`)) return sendReply(response, { status: 404 });
    return durable.serve(request, response, path.slice(rpcPrefix.length), new URLSearchParams(rawQuery));
  };
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
