import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

/** Reads a JSON body of at most 1 MiB; throws on other text. An empty body reads as `{}`. */
export async function readJson<T>(request: IncomingMessage): Promise<T> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > 1024 * 1024) throw new Error('The body is larger than 1 MiB.');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if (!text) return {} as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Error('The body is not valid JSON.');
  }
}

/** A request listener from an async handler; a defect becomes a 500 of this request, not the end of the process. */
export const answering =
  (handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>): RequestListener =>
  (request, response) => {
    handler(request, response).catch((error: Error) => {
      if (response.headersSent) return response.destroy();
      sendJson(response, 500, { error: { code: 'InternalServerError', message: error.message } });
    });
  };
