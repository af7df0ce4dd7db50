import { randomUUID } from 'node:crypto';
import { audited } from '../audited.ts';
import type { Deps } from '../deps.ts';
import { ApiError, notFound } from '../errors.ts';
import type { Route, RouteRequest } from '../http.ts';
import { parseJumpServerName } from '../jumpServerName.ts';
import { auditId } from '../store/audit.ts';

/** What an entrance asks of one jump server. */
export interface Wish {
  jumpServer: string;
  /** As the route's own schema returns it. */
  body: unknown;
  /** For the operation's reason. */
  because?: string;
}

/** What came of it. */
export interface Outcome {
  jumpServer: string;
  /** False when it was so already. */
  started: boolean;
  /** Where the operation is followed. */
  operation: string | null;
  message: string;
}

/** Who asks, and with what to start: of the entrance's own request. */
export type Entrance = Pick<RouteRequest<string, unknown, unknown>, 'caller' | 'headers' | 'url' | 'startOperation'>;

/**
 * Does what a call of the API would do, under the same checks, and leaves the same audit for the jump server; the caller is the
 * entrance. Throws what the route throws.
 */
export async function act(deps: Deps, entrance: Entrance, route: Route, wish: Wish): Promise<Outcome> {
  const { body, because } = wish;
  // As the API's own call does, before anything is written of it.
  const jumpServer = parseJumpServerName(wish.jumpServer);
  const { caller, headers, url, startOperation } = entrance;
  const answer = await audited(route, deps, {
    params: { name: jumpServer },
    query: {},
    body,
    caller,
    headers,
    url,
    startOperation,
    auditId: auditId(deps.now(), randomUUID()),
    ...(because === undefined ? {} : { because }),
    stream: null,
  });
  const { status = 200 } = answer;
  if (status === 204) throw notFound('jump server', jumpServer);
  const operation = answer.headers?.['Operation-Location'] ?? null;
  const meaning = route.definition.responses[status]?.description ?? '';
  const message = operation === null ? meaning : 'Started. `operation` says where to follow it.';
  return { jumpServer, started: operation !== null, operation, message };
}

/** For `catch`: what was refused is an outcome too. Everything else is thrown on, so that whoever sent it sends it again. */
export function orRefusal(error: unknown): ApiError {
  if (error instanceof ApiError && error.status < 500) return error;
  throw error;
}
