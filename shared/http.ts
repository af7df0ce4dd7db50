import { z } from 'zod';
import type { Caller, Role } from './auth.ts';
import type { Lease } from './store/leases.ts';

/** The names between braces in a path, as keys of `request.params`. */
type ParamsOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Record<Name, string> & ParamsOf<Rest>
  : Record<never, string>;

/** Starts the orchestration that a lease stands for, under the lease's operation id. Starting it twice is harmless. */
export type StartOperation = (lease: Lease) => Promise<void>;

export interface RouteAnswer {
  /** Default 200. */
  status?: number;
  /** Sent as JSON; a string or a stream is sent as it is, with the content type that `headers` names. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface RouteRequest<Path extends string, Query, Body> {
  params: ParamsOf<Path>;
  query: Query;
  body: Body;
  caller: Caller;
  headers: Headers;
  /** The request's path and query on the API's public address, for `nextLink`. */
  url: URL;
  /** Why, where the caller only passes on what somebody else saw or wished; part of an operation's reason. */
  because?: string;
  /** The id of this call's audit row; a change writes it in its own transaction, so that a crash can be settled. */
  auditId: string;
  /** Starts the orchestration of a lease; only in a definition that `startsOperations`. */
  startOperation: StartOperation;
  /** The body as it arrives, for a definition without `body`. */
  stream: ReadableStream<Uint8Array> | null;
}

export interface RouteDefinition<Path extends string, Query extends z.ZodType, Body extends z.ZodType> {
  /** Name of the function and of the operation in openapi.json. */
  operationId: string;
  summary: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api`, with `{name}` for parameters. */
  path: Path;
  /**
   * The least role that may call; `anonymous` for the health check; `node` for a node's own identity (the handler checks which);
   * `functionKey` for who cannot bring a token: the host checks the function's key.
   */
  role: Role | 'anonymous' | 'node' | 'functionKey';
  /** Query parameters; unknown ones are refused when the schema is strict. */
  query?: Query;
  /** JSON body; one that parses `undefined` may be left out. Without it the handler may read `request.stream`. */
  body?: Body;
  /** Content types accepted for `body`, default application/json. */
  contentTypes?: readonly string[];
  /** Largest body in bytes, default 1 MiB. */
  maxBodyBytes?: number;
  /** Default: every method but GET, of every route but a node's, leaves an intent and an outcome in the audit; reads of secrets ask for it with `true`. */
  audited?: boolean;
  /** Gives the handler the durable client's start. */
  startsOperations?: true;
  /** Status → what it means, and the answer's shape for the OpenAPI document. */
  responses: Record<number, { description: string; schema?: z.ZodType }>;
}

/** A route with its types folded away: what functions/index.ts registers and openapi.ts describes. */
export interface Route {
  definition: RouteDefinition<string, z.ZodType, z.ZodType>;
  handle(request: RouteRequest<string, unknown, unknown>): Promise<RouteAnswer>;
}

/**
 * Declares one HTTP route. The handler gets everything parsed and checked; it throws ApiError for what the caller did wrong.
 * `shared/serve.ts` does the rest: token, role, body, audit, errors.
 */
export function route<
  const Path extends string,
  Query extends z.ZodType = z.ZodObject<Record<never, never>>,
  Body extends z.ZodType = z.ZodUndefined,
>(
  definition: RouteDefinition<Path, Query, Body>,
  handler: (request: RouteRequest<Path, z.output<Query>, z.output<Body>>) => Promise<RouteAnswer>,
): Route {
  return {
    definition: definition as unknown as Route['definition'],
    // The server parses with the definition's own schemas before it calls, which is what makes this cast true.
    handle: (request) => handler(request as unknown as RouteRequest<Path, z.output<Query>, z.output<Body>>),
  };
}

/** `{value, nextLink}` of Azure's REST guidelines. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ value: z.array(item), nextLink: z.string().optional() });

/** Does this definition leave audit rows? */
export const isAudited = (definition: Route['definition']): boolean =>
  definition.audited ?? (definition.method !== 'GET' && definition.role !== 'node');
