import type { IncomingMessage } from 'node:http';
import type { TypedData } from '../worker/coreTypes.ts';

/** Headers as the host keeps them: original spelling, repeated ones joined by a comma. */
export function joinedHeaders(request: IncomingMessage): Map<string, string> {
  const byLowerName = new Map<string, [string, string]>();
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? '';
    const value = request.rawHeaders[index + 1] ?? '';
    const seen = byLowerName.get(name.toLowerCase());
    const separator = name.toLowerCase() === 'cookie' ? '; ' : ',';
    byLowerName.set(name.toLowerCase(), seen ? [seen[0], `${seen[1]}${separator}${value}`] : [name, value]);
  }
  return new Map(byLowerName.values());
}

/** Reads a whole body. A request without a body gives an empty buffer. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The announced length of a body; 0 for a chunked one, which is why the real host does not read those by itself. */
export function contentLength(request: IncomingMessage): number {
  return Number(request.headers['content-length'] ?? 0);
}

export function isJson(request: IncomingMessage): boolean {
  return /^application\/([\w.-]+\+)?json\b/i.test(request.headers['content-type'] ?? '');
}

/**
 * What the real host puts into the trigger metadata of an HTTP function: simple top-level members of a JSON body, then query
 * keys, then route values, and at last `Query` and `Headers` as JSON. In streaming mode all but those two become `params`.
 * @param declared names of the route's parameters: body members of that name are left out.
 */
export function httpTriggerMetadata(
  query: URLSearchParams,
  headers: ReadonlyMap<string, string>,
  params: Record<string, string>,
  declared: ReadonlySet<string>,
  jsonBody: unknown,
): Record<string, TypedData> {
  const metadata: Record<string, TypedData> = {};
  for (const [name, value] of Object.entries(objectOf(jsonBody))) {
    if (!declared.has(name) && !Array.isArray(value)) metadata[name] = memberData(value);
  }
  // Of repeated keys the last one stays here; the joined text only exists without streaming.
  for (const [name, value] of query) metadata[name] = { string: value };
  for (const [name, value] of Object.entries(params)) metadata[name] = { string: value };
  metadata.Query = { json: JSON.stringify(Object.fromEntries(query)) };
  metadata.Headers = { json: JSON.stringify(Object.fromEntries(headers)) };
  return metadata;
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

/** A JSON member as binding data: simple values become text in .NET's spelling, objects stay JSON. */
export function memberData(value: unknown): TypedData {
  if (typeof value === 'object' && value !== null) return { json: JSON.stringify(value) };
  if (typeof value === 'boolean') return { string: value ? 'True' : 'False' };
  return { string: value === null || value === undefined ? '' : String(value) };
}

/** Parses JSON that may be broken: bad JSON is no error for the host. */
export function parseLeniently(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
