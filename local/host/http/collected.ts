import type { IncomingMessage, ServerResponse } from 'node:http';
import { log } from '../log.ts';
import type { HttpCookie, HttpData } from '../worker/coreTypes.ts';
import type { InvocationOutcome } from '../worker/worker.ts';
import { headerName, sendReply, startReply } from './reply.ts';

/** The request as one message, the way a function gets it without `enableHttpStream`. */
export function requestData(
  request: IncomingMessage,
  url: string,
  headers: ReadonlyMap<string, string>,
  params: Record<string, string>,
  query: URLSearchParams,
  body: Buffer | null,
): HttpData {
  return {
    method: request.method ?? 'GET',
    url,
    nullableHeaders: boxed([...headers].map(([name, value]) => [name.toLowerCase(), value])),
    nullableParams: boxed(Object.entries(params)),
    nullableQuery: boxed([...new Set(query.keys())].map((name) => [name, query.getAll(name).join(',')])),
    body: body?.length ? { bytes: body } : null,
  };
}

function boxed(entries: readonly (readonly [string, string])[]): Record<string, { value: string }> {
  return Object.fromEntries(entries.map(([name, value]) => [name, { value }]));
}

/** Writes a collected answer: an error is an empty 500, nothing returned a 204, everything else one piece. */
export function answerCollected(response: ServerResponse, outcome: InvocationOutcome, functionName: string): void {
  if (response.destroyed) return;
  if (!outcome.ok) {
    log('error', functionName, outcome.stack || outcome.message);
    log('warning', functionName, 'It threw: as on the real host its client gets a 500 without any text.');
  }
  const answer = outcome.ok ? outcome.response.returnValue?.http : undefined;
  if (answer) writeAnswer(response, answer);
  else sendReply(response, { status: outcome.ok ? 204 : 500 });
}

function writeAnswer(response: ServerResponse, answer: HttpData): void {
  const status = Number(answer.statusCode ?? 200);
  const body = answer.body?.bytes ?? new Uint8Array();
  startReply(response, status);
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.appendHeader(headerName(name), value);
  for (const cookie of answer.cookies ?? []) response.appendHeader('Set-Cookie', cookieText(cookie));
  if (!body.length && status !== 204 && response.req.method !== 'HEAD') response.setHeader('Content-Length', 0);
  // Kestrel sends what a function returned chunked, whatever its length; so does Node after a write before the end.
  if (body.length) response.write(body);
  response.end();
}

/** ASP.NET's form of a cookie: lower-case attributes in its own order. */
function cookieText(cookie: HttpCookie): string {
  const sameSite = { lax: 'lax', strict: 'strict', explicitNone: 'none' }[String(cookie.sameSite)];
  const seconds = cookie.expires?.value?.seconds;
  return [
    `${cookie.name ?? ''}=${cookie.value ?? ''}`,
    seconds === undefined ? null : `expires=${new Date(seconds * 1000).toUTCString()}`,
    cookie.maxAge?.value === undefined ? null : `max-age=${Math.trunc(cookie.maxAge.value)}`,
    cookie.domain?.value ? `domain=${cookie.domain.value}` : null,
    cookie.path?.value ? `path=${cookie.path.value}` : null,
    cookie.secure?.value ? 'secure' : null,
    sameSite ? `samesite=${sameSite}` : null,
    cookie.httpOnly?.value ? 'httponly' : null,
  ]
    .filter((part) => part !== null)
    .join('; ');
}
