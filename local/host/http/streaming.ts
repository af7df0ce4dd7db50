import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { log } from '../log.ts';
import type { InvocationOutcome } from '../worker/worker.ts';
import { headerName, sendReply, startReply } from './reply.ts';
import { joinedHeaders } from './request.ts';

/** Host 4.1037 waits that long for the forwarded request before it looks at how the invocation ended. */
const forwardLimitMs = 240_000;
const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'host',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'expect',
]);

export interface Forwarding {
  readonly functionName: string;
  readonly workerUri: string;
  readonly path: string;
  readonly invocationId: string;
  /** The body when the host has read it already, else null: then it streams. */
  readonly body: Buffer | null;
}

/**
 * Sends a request on to the worker's own HTTP server and streams its answer back, as the real host does with
 * `enableHttpStream`. A function that throws, or returns nothing, never answers there: its client waits.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  forwarding: Forwarding,
  outcome: Promise<InvocationOutcome>,
): void {
  const target = new URL(forwarding.workerUri);
  const upstream = httpRequest({
    host: target.hostname,
    port: target.port,
    path: forwarding.path,
    method: request.method,
    headers: forwardedHeaders(request, target.host, forwarding.invocationId),
    agent,
  });
  const limit = setTimeout(() => {
    upstream.destroy();
    if (!response.headersSent) sendReply(response, { status: 500 });
    else response.destroy();
  }, forwardLimitMs);
  limit.unref();
  upstream.on('response', (answer) => {
    clearTimeout(limit);
    passBack(answer, response);
  });
  upstream.on('error', (error) => {
    if (response.headersSent) return void response.destroy(error);
    if (!response.destroyed) sendReply(response, { status: 502 });
  });
  response.on('close', () => {
    clearTimeout(limit);
    if (!response.writableFinished) upstream.destroy();
  });
  if (forwarding.body) upstream.end(forwarding.body);
  else request.pipe(upstream);
  void outcome.then((ended) => warnOfHang(ended, response, forwarding.functionName));
}

function forwardedHeaders(request: IncomingMessage, host: string, invocationId: string): Record<string, string> {
  const headers: Record<string, string> = { Host: host };
  for (const [name, value] of joinedHeaders(request)) if (!hopByHop.has(name.toLowerCase())) headers[name] = value;
  return {
    ...headers,
    'x-ms-invocation-id': invocationId,
    'X-Forwarded-For': request.socket.remoteAddress ?? '127.0.0.1',
    'X-Forwarded-Host': request.headers.host ?? host,
    'X-Forwarded-Proto': 'http',
  };
}

const notPassedBack = new Set(['connection', 'keep-alive', 'date', 'transfer-encoding']);

function passBack(answer: IncomingMessage, response: ServerResponse): void {
  startReply(response, answer.statusCode ?? 500);
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !notPassedBack.has(name)) response.setHeader(headerName(name), value);
  }
  response.flushHeaders();
  answer.on('aborted', () => response.destroy());
  answer.pipe(response);
}

function warnOfHang(outcome: InvocationOutcome, response: ServerResponse, functionName: string): void {
  if (response.headersSent || response.destroyed) return;
  if (outcome.ok && !outcome.returnedNothing) return;
  if (!outcome.ok) log('error', functionName, outcome.stack || outcome.message);
  const cause = outcome.ok ? 'It returned nothing' : 'It threw';
  log(
    'warning',
    functionName,
    `${cause}, and with enableHttpStream nothing answers its client then: as on the real host it waits (240 s).`,
  );
}
