import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';

/** An answer that the host itself gives. */
export interface Reply {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

/** Names that the real host's server writes in its own spelling whatever code wrote. */
const knownNames = [
  'Accept-Ranges',
  'Access-Control-Allow-Origin',
  'Allow',
  'Cache-Control',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Language',
  'Content-Length',
  'Content-Location',
  'Content-Range',
  'Content-Security-Policy',
  'Content-Type',
  'ETag',
  'Expires',
  'Last-Modified',
  'Location',
  'Pragma',
  'Retry-After',
  'Set-Cookie',
  'Strict-Transport-Security',
  'Vary',
  'WWW-Authenticate',
];
const spelling = new Map(knownNames.map((name) => [name.toLowerCase(), name]));

export function headerName(name: string): string {
  return spelling.get(name.toLowerCase()) ?? name;
}

/** Starts an answer the way Kestrel does: `Server` on every response, no `Connection` on a kept-alive one. */
export function startReply(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.statusMessage = STATUS_CODES[status] ?? '';
  response.setHeader('Server', 'Kestrel');
  response.removeHeader('Connection');
}

export function sendReply(response: ServerResponse, reply: Reply): void {
  startReply(response, reply.status);
  for (const [name, value] of Object.entries(reply.headers ?? {}))
    if (value !== undefined) response.setHeader(name, value);
  const bodyAllowed = reply.status !== 204 && reply.status !== 304;
  if (bodyAllowed && response.req.method !== 'HEAD')
    response.setHeader('Content-Length', Buffer.byteLength(reply.body ?? ''));
  response.end(reply.body);
}

export function jsonReply(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Reply {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  };
}
