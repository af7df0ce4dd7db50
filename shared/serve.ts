import { randomUUID } from 'node:crypto';
import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import type { z } from 'zod';
import { audited } from './audited.ts';
import { type Caller, hasRole, keyHolder } from './auth.ts';
import type { Deps } from './deps.ts';
import { ApiError, type ErrorDetail } from './errors.ts';
import type { DatabaseError } from './guacamole/databaseErrors.ts';
import { isAudited, type Route, type RouteAnswer, type RouteRequest } from './http.ts';
import { parseJumpServerName } from './jumpServerName.ts';
import { startOrchestration } from './operations.ts';
import { repeatable } from './repeatability.ts';
import { auditId } from './store/audit.ts';

/** Registers a route with the Functions runtime, which itself checks the keys of the portal's entrances; all others want a token. */
export function register(route: Route, deps: Deps): void {
  const { operationId, method, path, role, startsOperations } = route.definition;
  app.http(operationId, {
    ...(startsOperations === true ? { extraInputs: [df.input.durableClient()] } : {}),
    methods: [method],
    route: path.slice(1),
    authLevel: role === 'functionKey' ? 'function' : 'anonymous',
    handler: (request, context) => serve(route, deps, request, context),
  });
}

/**
 * Answers one request, whatever happens: with streaming on, the host hangs the client of a handler that throws or returns
 * nothing (functions-host.md, 4.3).
 */
export async function serve(
  route: Route,
  deps: Deps,
  request: HttpRequest,
  context: InvocationContext,
): Promise<HttpResponseInit> {
  const requestId = randomUUID();
  try {
    return respond(await answer(route, deps, request, context), requestId);
  } catch (error) {
    if (error instanceof ApiError) return respondError(error, requestId);
    context.error(`${route.definition.operationId} ${requestId} failed:`, describe(error));
    const message = `Something went wrong on our side. Try again; if it stays, look for ${requestId} in the log.`;
    return respondError(new ApiError(500, 'InternalError', message), requestId);
  }
}

async function answer(
  route: Route,
  deps: Deps,
  request: HttpRequest,
  context: InvocationContext,
): Promise<RouteAnswer> {
  const { definition } = route;
  const caller = await authorise(route, deps, request);
  const url = publicUrl(deps, request);
  const params = readParams(definition.path, request);
  const query = parse(definition.query, readQuery(url), 'query');
  const body =
    definition.body === undefined ? undefined : parse(definition.body, await readJson(definition, request), 'body');
  const id = auditId(deps.now(), randomUUID());
  const parsed: RouteRequest<string, unknown, unknown> = {
    params,
    query,
    body,
    caller,
    headers: request.headers as unknown as Headers,
    url,
    auditId: id,
    startOperation: (lease) => startOrchestration(df.getClient(context), lease),
    stream: request.body as unknown as ReadableStream<Uint8Array> | null,
  };
  const work = () => (isAudited(definition) ? audited(route, deps, parsed) : route.handle(parsed));
  return repeatable(deps, definition, parsed, work);
}

/** With streaming on the host puts its worker's address into the URL (functions-host.md, 4.3); callers know another one. */
function publicUrl(deps: Deps, request: HttpRequest): URL {
  const { pathname, search } = new URL(request.url);
  return new URL(`${pathname}${search}`, deps.config.MOLCAJETE_API_URL);
}

const nobody: Caller = { objectId: '', name: '', roles: [] };

async function authorise(route: Route, deps: Deps, request: HttpRequest): Promise<Caller> {
  const { role, operationId } = route.definition;
  if (role === 'anonymous') return nobody;
  if (role === 'functionKey') return keyHolder(operationId);
  const caller = await deps.authenticate(request.headers.get('authorization'));
  if (role !== 'node' && !hasRole(caller, role)) {
    throw new ApiError(
      403,
      'Forbidden',
      `This call needs the app role ${role}. Ask for it in the app registration's enterprise application.`,
    );
  }
  return caller;
}

/** Only the declared names: with streaming on the host mixes members of the body into the parameters (functions-host.md, 4.3). */
function readParams(path: string, request: HttpRequest): Record<string, string> {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const params = Object.fromEntries(names.map((name) => [name, decodeSlash(request.params[name] ?? '')]));
  refuseBrokenText(params, 'path');
  // It is a key of many tables, the audit's among them, and they refuse other characters with a 400 of their own.
  if (params.name !== undefined && !/^[a-z0-9-]{1,24}$/.test(params.name)) parseJumpServerName(params.name);
  return params;
}

/** The host decodes a path segment but for an escaped slash (functions-host.md, 4.2); user names may hold one. */
const decodeSlash = (text: string): string => text.replace(/%2f/gi, '/');

function readQuery(url: URL): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    // Function keys travel as ?code=; they are the host's affair.
    if (name === 'code') continue;
    if (name in query)
      throw new ApiError(400, 'InvalidQuery', `The query parameter '${name}' is there twice.`, { target: name });
    query[name] = value;
  }
  refuseBrokenText(query, 'query');
  return query;
}

async function readJson(definition: Route['definition'], request: HttpRequest): Promise<unknown> {
  const accepted = definition.contentTypes ?? ['application/json'];
  const given = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? 'application/json';
  if (!accepted.includes(given)) {
    throw new ApiError(415, 'UnsupportedMediaType', `Send the body as ${accepted.join(' or ')}, not ${given}.`);
  }
  const text = await readText(request, definition.maxBodyBytes ?? 1024 * 1024);
  if (text === '') return undefined;
  const value = parseJson(text);
  refuseBrokenText(value, 'body');
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The engine's message quotes the text around the fault; that may be a password.
    const position = /position (\d+)/.exec(describe(error))?.[1];
    throw new ApiError(
      400,
      'InvalidJson',
      `The body is not JSON${position === undefined ? '' : ` (at character ${position})`}.`,
    );
  }
}

async function readText(request: HttpRequest, limit: number): Promise<string> {
  const tooLarge = () =>
    new ApiError(413, 'PayloadTooLarge', `The body is larger than the ${limit} bytes this call takes.`);
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new ApiError(400, 'InvalidJson', 'The body is not UTF-8.');
  }
}

/** No body of ours nests deeper than a few levels; far deeper ones would exhaust the stack. */
const deepestBody = 64;

/** Text that is not well-formed Unicode (a lone surrogate) can be stored nowhere. */
function refuseBrokenText(value: unknown, where: string, path = '', depth = 0): void {
  if (depth > deepestBody) throw new ApiError(400, 'InvalidJson', `The ${where} is nested too deep.`);
  if (typeof value === 'string') {
    if (!value.isWellFormed()) {
      throw new ApiError(400, 'InvalidText', `${path || where} holds a lone surrogate, which is not Unicode text.`, {
        target: path || where,
      });
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      refuseBrokenText(name, where, path, depth + 1);
      refuseBrokenText(member, where, path === '' ? name : `${path}.${name}`, depth + 1);
    }
  }
}

function parse(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.map((issue): ErrorDetail => {
    const target = issue.path.map(String).join('.');
    return { code: issue.code ?? 'invalid', message: issue.message, ...(target === '' ? {} : { target }) };
  });
  const first = details[0];
  const message = `The ${where} is not valid: ${first?.target === undefined ? '' : `${first.target}: `}${first?.message ?? ''}`;
  throw new ApiError(400, 'InvalidRequest', message, { target: first?.target ?? where, details });
}

function respond(result: RouteAnswer, requestId: string): HttpResponseInit {
  const headers = { 'x-ms-request-id': requestId, 'cache-control': 'no-store', ...result.headers };
  const status = result.status ?? 200;
  const { body } = result;
  if (body === undefined) return { status, headers };
  if (typeof body === 'string' || body instanceof ReadableStream) return { status, headers, body: body as string };
  return { status, headers, jsonBody: body };
}

function respondError(error: ApiError, requestId: string): HttpResponseInit {
  const { code, message, target, details } = error;
  return respond(
    {
      status: error.status,
      body: { error: { code, message, target, details } },
      ...(error.headers === undefined ? {} : { headers: error.headers }),
    },
    requestId,
  );
}

/** For our own log: the error's text and place. The text of a MySQL error can quote values; its code and number cannot. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, errno, message, stack = message } = error as DatabaseError;
  if (errno === undefined && !('sql' in error)) return stack;
  const place = stack.split('\n').filter((line) => /^ {4}at /.test(line));
  return [`${code ?? 'unknown'} (${errno ?? '?'})`, ...place].join('\n');
}
