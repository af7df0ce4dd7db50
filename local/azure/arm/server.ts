import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { AzureFailure } from '../contract.ts';
import { checkApiVersion } from './apiVersions.ts';
import type { ArmEnv } from './env.ts';
import { ArmError, errorBody } from './failure.ts';
import type { Fault, Faults } from './faults.ts';
import type { ArmAnswer, ArmRequest, Caller } from './kind.ts';
import type { Route } from './provider.ts';
import { type Destination, findDestination } from './route.ts';
import { type Counted, type Throttle, throttled } from './throttle.ts';
import type { Trace } from './trace.ts';

export interface ArmServerParts {
  env: ArmEnv;
  routes: Route[];
  faults: Faults;
  throttle: Throttle;
  trace: Trace;
  /** Who sent this token? Throws when it is not one for ARM. */
  authenticate(token: string): Promise<Caller>;
  origin(): string;
}

/** ARM never takes more than 4 MB. */
const maxBody = 4 * 1024 * 1024;
const expected =
  "Authentication failed. The 'Authorization' header is missing, or the access token is missing, invalid or for another audience.";

class Cut extends Error {}

export function armListener(parts: ArmServerParts): RequestListener {
  return (request, response) => {
    serve(parts, request, response).catch((error: unknown) => {
      parts.env.context.log(`ARM: ${String((error as Error)?.stack ?? error)}`);
      response.destroy();
    });
  };
}

async function serve(parts: ArmServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const started = performance.now();
  const time = new Date().toISOString();
  const requestId = randomUUID();
  const trace: { body?: unknown } = {};
  let answer: ArmAnswer | 'cut';
  try {
    answer = await handle(parts, request, response, trace);
  } catch (error) {
    answer = error instanceof Cut ? 'cut' : failed(parts, error);
  }
  const code = answer === 'cut' ? undefined : (answer.body as { error?: { code?: string } } | undefined)?.error?.code;
  parts.trace.write({
    time,
    method: request.method ?? '',
    url: request.url ?? '',
    ...(trace.body === undefined ? {} : { body: trace.body }),
    status: answer === 'cut' ? 0 : answer.status,
    ms: Math.round(performance.now() - started),
    ...(code && answer !== 'cut' && answer.status >= 400 ? { code } : {}),
  });
  if (answer === 'cut') request.socket.destroy();
  else send(response, answer, requestId, parts.env.context.location);
}

function failed(parts: ArmServerParts, error: unknown): ArmAnswer {
  if (error instanceof AzureFailure)
    return { status: error.status, body: errorBody(error), headers: error instanceof ArmError ? error.headers : {} };
  parts.env.context.log(`ARM: ${String((error as Error)?.stack ?? error)}`);
  return {
    status: 500,
    body: { error: { code: 'InternalServerError', message: 'Encountered internal server error.' } },
  };
}

async function handle(
  parts: ArmServerParts,
  incoming: IncomingMessage,
  response: ServerResponse,
  trace: { body?: unknown },
): Promise<ArmAnswer> {
  const request = await readRequest(parts, incoming, trace);
  const caller = await authenticate(parts, incoming);
  request.caller = caller;
  const destination = findDestination(parts.env, parts.routes, parts.faults, request);
  request.apiVersion = checkApiVersion(
    request.query.get('api-version'),
    destination.namespace,
    destination.type,
    parts.env.context.location,
  );
  const headers = parts.env.options.throttling ? parts.throttle.take(counted(parts.env, destination, request)) : {};
  if (isNetworkProvider(destination)) headers['x-ms-arm-service-request-id'] = randomUUID();
  try {
    const fault = parts.faults.onRequest(request, destination.type, destination.action);
    if (fault) await before(fault, response);
    const [outcome] = await Promise.allSettled([answerTo(parts.env, destination, caller)]);
    // The request was carried out or refused, but the answer gets lost: the client cannot know.
    if (fault?.kind === 'cut') throw new Cut();
    if (outcome.status === 'rejected') throw outcome.reason;
    return { ...outcome.value, headers: { ...headers, ...outcome.value.headers } };
  } catch (error) {
    if (error instanceof ArmError) Object.assign(error.headers, { ...headers, ...error.headers });
    throw error;
  }
}

/** Private DNS is a provider of its own under the same namespace. */
const isNetworkProvider = ({ type }: Destination): boolean => /^microsoft.network\/(?!privatedns)/i.test(type);

async function answerTo(env: ArmEnv, destination: Destination, caller: Caller): Promise<ArmAnswer> {
  authorise(env, destination, caller);
  return destination.answer();
}

async function before(fault: Fault, response: ServerResponse): Promise<void> {
  const message = fault.message ?? 'A fault was asked for.';
  if (fault.kind === 'throttle') throw throttled(fault.seconds ?? 1, fault.code, fault.message);
  if (fault.kind === 'status') {
    const retry: Record<string, string> = fault.seconds === undefined ? {} : { 'retry-after': String(fault.seconds) };
    throw new ArmError(fault.status ?? 500, fault.code ?? 'InternalServerError', message, { headers: retry });
  }
  if (fault.kind === 'cut' && fault.when === 'before') throw new Cut();
  if (fault.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, (fault.seconds ?? 5) * 1000));
  if (fault.kind === 'hang') {
    await new Promise((resolve) => response.once('close', resolve));
    throw new Cut();
  }
}

async function readRequest(
  parts: ArmServerParts,
  incoming: IncomingMessage,
  trace: { body?: unknown },
): Promise<ArmRequest> {
  // Not as a relative URL: `//subscriptions/…`, as arm-authorization sends it, would be a host.
  const url = new URL(`https://arm${incoming.url ?? '/'}`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > maxBody)
      throw new ArmError(413, 'RequestContentTooLarge', 'The request content size exceeds the maximum size of 4 MB.');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  let path: string;
  try {
    path = `/${url.pathname.split('/').filter(Boolean).map(decodeURIComponent).join('/')}`;
  } catch {
    throw new ArmError(400, 'InvalidRequestUri', 'The request URI has a broken percent code.');
  }
  const method = incoming.method ?? 'GET';
  const hasBody = method === 'PUT' || method === 'PATCH' || method === 'POST';
  const body = hasBody && text !== '' ? parseBody(text) : undefined;
  if (body !== undefined) trace.body = body;
  return {
    method,
    path,
    query: caseless(url.searchParams),
    apiVersion: '',
    headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
    body: body ?? (method === 'POST' ? {} : undefined),
    caller: { objectId: '', clientId: '' },
    origin: parts.origin(),
  };
}

function parseBody(text: string): unknown {
  const invalid = (why: string) =>
    new ArmError(
      400,
      'InvalidRequestContent',
      `The request content was invalid and could not be deserialized: '${why}'.`,
    );
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    // The parser quotes what it could not read: that may be a secret.
    throw invalid((error as Error).message.replace(/".*/s, ''));
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('The body is not a JSON object');
  return body;
}

// `api-version` in any letter case; values stay as they are.
const caseless = (query: URLSearchParams): URLSearchParams =>
  new URLSearchParams(
    [...query].map(([name, value]): [string, string] => [/^api-version$/i.test(name) ? 'api-version' : name, value]),
  );

async function authenticate(parts: ArmServerParts, incoming: IncomingMessage): Promise<Caller> {
  const token = /^Bearer (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1];
  const { tenantId } = parts.env.context;
  const challenge = `Bearer authorization_uri="https://login.windows.net/${tenantId}", error="invalid_token", error_description="${expected}"`;
  if (token === undefined)
    throw new ArmError(401, 'AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.", {
      headers: { 'www-authenticate': challenge },
    });
  try {
    return await parts.authenticate(token);
  } catch (error) {
    const expired = (error as { code?: string }).code === 'ERR_JWT_EXPIRED';
    throw new ArmError(
      401,
      expired ? 'ExpiredAuthenticationToken' : 'InvalidAuthenticationToken',
      expired ? 'The access token has expired.' : 'The access token is invalid.',
      { headers: { 'www-authenticate': challenge } },
    );
  }
}

function authorise(env: ArmEnv, { permission, scope }: Destination, caller: Caller): void {
  if (permission === '' || env.context.rbac.allowed(caller.objectId, permission, scope)) return;
  throw new ArmError(
    403,
    'AuthorizationFailed',
    `The client '${caller.clientId}' with object id '${caller.objectId}' does not have authorization to perform action '${permission}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  );
}

function counted(env: ArmEnv, destination: Destination, request: ArmRequest): Counted {
  const reads = request.method === 'GET' || request.method === 'HEAD';
  const verb = reads ? 'reads' : request.method === 'DELETE' ? 'deletes' : 'writes';
  const result: Counted = { verb, principal: request.caller.objectId };
  const namespace = destination.namespace.toLowerCase();
  const dns = /^microsoft.network\/privatednszones/i.test(destination.type);
  if (namespace === 'microsoft.network') result.network = reads ? (dns ? 'dnsRead' : 'read') : 'write';
  if (namespace === 'microsoft.compute') result.compute = computePolicy(env, destination, request);
  return result;
}

const machineIn = (id = ''): string | undefined => /^.*\/virtualMachines\/[^/]+/i.exec(id)?.[0];

function computePolicy(env: ArmEnv, destination: Destination, request: ArmRequest): Counted['compute'] {
  if (destination.poll)
    return { policy: 'GetOperation', vm: machineIn(env.operations.get(destination.poll)?.resourceId) };
  // Also a machine's view and its extensions.
  if (!/^microsoft.compute\/virtualmachines(\/|$)/i.test(destination.type)) return { policy: 'LowCostGet' };
  const vm = machineIn(destination.scope);
  const extension = destination.type.toLowerCase().endsWith('/extensions');
  if (vm === undefined) return { policy: 'ListVM' };
  const policy =
    request.method === 'GET'
      ? 'GetVM'
      : extension
        ? 'UpdateVM'
        : request.method === 'DELETE' || destination.action === 'deallocate'
          ? 'DeleteVM'
          : request.method === 'PUT'
            ? 'PutVM'
            : 'UpdateVM';
  return { policy, vm };
}

function send(response: ServerResponse, answer: ArmAnswer, requestId: string, location: string): void {
  const headers: Record<string, string> = {
    'cache-control': 'no-cache',
    'x-ms-request-id': requestId,
    'x-ms-correlation-request-id': requestId,
    'x-ms-routing-request-id': `${location.toUpperCase()}:${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}:${requestId}`,
    ...answer.headers,
  };
  const etag = (answer.body as { etag?: string } | undefined)?.etag;
  if (etag) headers.etag = etag;
  if (answer.body === undefined) {
    response.writeHead(answer.status, { ...headers, 'content-length': '0' }).end();
    return;
  }
  response
    .writeHead(answer.status, { ...headers, 'content-type': 'application/json; charset=utf-8' })
    .end(JSON.stringify(answer.body));
}
