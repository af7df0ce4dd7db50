import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { log } from '../log.ts';
import type { TypedData } from '../worker/coreTypes.ts';
import type { Worker } from '../worker/worker.ts';
import { answerCollected, requestData } from './collected.ts';
import { findFunction, type HttpFunction } from './functionRoutes.ts';
import type { Keys } from './keys.ts';
import { sendReply } from './reply.ts';
import { contentLength, httpTriggerMetadata, isJson, joinedHeaders, parseLeniently, readBody } from './request.ts';
import { decodePath, encodePath, matchRoute } from './route.ts';
import { forward } from './streaming.ts';

export interface FunctionHandlerOptions {
  readonly worker: Worker;
  readonly functions: readonly HttpFunction[];
  readonly routePrefix: string;
  readonly keys: Keys;
  readonly auth: boolean;
  /** Values of a function's other input bindings, such as the durable client. */
  readonly extraInputs: (target: HttpFunction['target']) => { name: string; data: TypedData }[];
}

/** Serves the app's HTTP functions. */
export function functionHandler(options: FunctionHandlerOptions) {
  const prefix = decodePath(options.routePrefix);
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [rawPath = '/', ...rest] = (request.url ?? '/').split('?');
    const rawQuery = rest.length ? `?${rest.join('?')}` : '';
    const path = decodePath(rawPath);
    const inside = prefix.every((segment, index) => path[index]?.toLowerCase() === segment.toLowerCase());
    const match = inside ? findFunction(options.functions, request.method ?? 'GET', path.slice(prefix.length)) : null;
    if (!match) {
      if (inside) warnOfMethod(options.functions, request.method ?? 'GET', path.slice(prefix.length));
      return sendReply(response, { status: 404 });
    }
    const query = new URLSearchParams(rawQuery);
    if (options.auth && !allowed(match.found, options.keys.scopesOf(request, query)))
      return sendReply(response, { status: 401 });
    await invoke(options, match, request, response, `${encodePath(path)}${rawQuery}`, query);
  };
}

function warnOfMethod(functions: readonly HttpFunction[], method: string, path: readonly string[]): void {
  const other = functions.find(({ route }) => matchRoute(route, path));
  if (other)
    log(
      'warning',
      other.target.metadata.name,
      `It is not registered for ${method}: as on the real host the answer is 404, not 405.`,
    );
}

function allowed(target: HttpFunction, scopes: ReadonlySet<string>): boolean {
  if (target.authLevel === 'anonymous' || scopes.has('master')) return true;
  return (
    target.authLevel === 'function' && (scopes.has('host') || scopes.has(`function:${target.target.metadata.name}`))
  );
}

async function invoke(
  { worker, extraInputs }: FunctionHandlerOptions,
  { found, params }: { found: HttpFunction; params: Record<string, string> },
  request: IncomingMessage,
  response: ServerResponse,
  pathAndQuery: string,
  query: URLSearchParams,
): Promise<void> {
  const streaming = worker.httpUri;
  const headers = joinedHeaders(request);
  // The host reads a body by itself only when its length is announced; with streaming it needs it only for binding data.
  const hasBody = contentLength(request) > 0;
  const body = hasBody && (!streaming || isJson(request)) ? await readBody(request) : null;
  const jsonBody = body && isJson(request) ? parseLeniently(body.toString('utf8')) : undefined;
  const metadata = httpTriggerMetadata(query, headers, params, found.route.names, jsonBody);
  const url = `http://${request.headers.host ?? 'localhost'}${pathAndQuery}`;
  const http = streaming ? {} : requestData(request, url, headers, params, query, body);
  const inputs = [{ name: found.trigger.name, data: { http } }, ...extraInputs(found.target)];
  const invocationId = randomUUID();
  const outcome = worker.invoke(found.target, inputs, metadata, invocationId);
  const functionName = found.target.metadata.name;
  if (!streaming) {
    if (request.headers['transfer-encoding']) {
      log(
        'warning',
        functionName,
        'The request body is chunked, and without enableHttpStream such a body is empty, as on the real host.',
      );
    }
    request.resume();
    return answerCollected(response, await outcome, functionName);
  }
  forward(request, response, { functionName, workerUri: streaming, path: pathAndQuery, invocationId, body }, outcome);
}
