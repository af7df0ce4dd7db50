import { createHash } from 'node:crypto';
import { canonicalJson } from './canonicalJson.ts';
import type { Deps } from './deps.ts';
import { ApiError } from './errors.ts';
import type { Route, RouteAnswer, RouteRequest } from './http.ts';
import {
  beginRepeatable,
  forgetRepeatable,
  type KeptAnswer,
  keepAnswer,
  type RepeatableRequest,
} from './store/repeatability.ts';
import { longestText } from './store/tables.ts';

const header = 'Repeatability-Request-ID';
const accepted = { 'Repeatability-Result': 'accepted' };

/** Members that may hold secrets; a kept answer goes without them. */
const secretMembers = new Set(['parameters', 'password']);

type Work = () => Promise<RouteAnswer>;

/**
 * Makes a POST with a `Repeatability-Request-ID` (OASIS Repeatable Requests 1.0; a UUID that the caller chose) safe to send again:
 * the work is done once, repeats get the first answer. Without the header, or for another method, the work is just done. Throws ApiError 400
 * when the id was used for another request, 409 while the first is running or when a crash has swallowed its answer.
 */
export async function repeatable(
  deps: Deps,
  definition: Route['definition'],
  request: RouteRequest<string, unknown, unknown>,
  work: Work,
): Promise<RouteAnswer> {
  const id = request.headers.get(header);
  if (definition.method !== 'POST' || id === null) return work();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
    throw new ApiError(400, 'InvalidHeader', `${header} must be a UUID.`, { target: header });
  }
  const first = {
    key: digest([request.caller.objectId, id.toLowerCase()]),
    fingerprint: digest([
      definition.operationId,
      request.url.pathname,
      request.url.search,
      request.body ?? [request.headers.get('content-type'), request.headers.get('content-length')],
    ]),
  };
  const stream = definition.body === undefined ? digestStream(request) : undefined;
  const begun = await beginRepeatable(deps.tables, first, deps.now());
  if (begun.state === 'first') return workOnce(deps, first, work, stream);
  if (begun.state === 'answered') {
    if (begun.answer.stream !== undefined && begun.answer.stream !== (await stream?.rest())) throw mismatch();
    return replay(begun.answer);
  }
  if (begun.state === 'other') throw mismatch();
  const message = `The first request with this ${header} began at ${begun.startedAt.toISOString()} and has no answer yet. Try again; if it stays so, the audit says how it ended.`;
  throw new ApiError(409, 'RepeatabilityInProgress', message, { target: header, headers: { 'Retry-After': '5' } });
}

const mismatch = (): ApiError =>
  new ApiError(400, 'RepeatabilityMismatch', `This ${header} was used for another request. Choose a new one.`, {
    target: header,
  });

/** A body that the handler itself reads: what it was is known when it has been read. */
interface DigestedStream {
  /** Reads what is left. */
  rest(): Promise<string>;
}

/** Puts a stream that also counts into the digest in the place of the request's own. */
function digestStream(request: RouteRequest<string, unknown, unknown>): DigestedStream {
  const hash = createHash('sha256');
  const source = request.stream;
  async function* through(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source ?? []) {
      hash.update(chunk);
      yield chunk;
    }
  }
  const chunks = through();
  request.stream = ReadableStream.from(chunks);
  return {
    async rest() {
      for await (const _ of chunks);
      return hash.digest('hex');
    },
  };
}

async function workOnce(
  deps: Deps,
  first: RepeatableRequest,
  work: Work,
  stream: DigestedStream | undefined,
): Promise<RouteAnswer> {
  try {
    const answer = await work();
    const read = stream === undefined ? {} : { stream: await stream.rest() };
    await keepAnswer(deps.tables, first, { ...keep(answer), ...read });
    return { ...answer, headers: { ...answer.headers, ...accepted } };
  } catch (error) {
    // Refused: nothing was changed, so the same request may be sent again in better times.
    if (error instanceof ApiError) await forgetRepeatable(deps.tables, first);
    throw error;
  }
}

function keep({ status = 200, headers = {}, body }: RouteAnswer): KeptAnswer {
  const text = JSON.stringify(body, (name, value) => (secretMembers.has(name) ? undefined : value));
  return { status, headers, body: text !== undefined && text.length <= longestText ? text : undefined };
}

const replay = ({ status, headers, body }: KeptAnswer): RouteAnswer => ({
  status,
  headers: { ...headers, ...accepted },
  ...(body === undefined ? {} : { body: JSON.parse(body) as unknown }),
});

const digest = (parts: unknown[]): string => createHash('sha256').update(canonicalJson(parts)).digest('hex');
