import type { Deps } from './deps.ts';
import { ApiError } from './errors.ts';
import type { Route, RouteAnswer, RouteRequest } from './http.ts';
import { noJumpServer, writeIntent, writeOutcome } from './store/audit.ts';

/** Does what the route does, with the intent in the audit before it and the outcome after it. */
export async function audited(route: Route, deps: Deps, request: Request): Promise<RouteAnswer> {
  const jumpServer = jumpServerOf(request);
  const { auditId: id, caller } = request;
  await writeIntent(deps.tables, {
    id,
    jumpServer,
    time: deps.now(),
    caller,
    operation: route.definition.operationId,
    target: targetOf(request),
  });
  try {
    const result = await route.handle(request);
    await writeOutcome(deps.tables, jumpServer, id, { outcome: 'succeeded', status: result.status ?? 200 });
    return result;
  } catch (error) {
    const known = error instanceof ApiError ? error : undefined;
    // A failure of ours may have happened after the change: leave the intent open, the sweep finds out.
    if (known !== undefined) {
      await writeOutcome(deps.tables, jumpServer, id, { outcome: 'refused', status: known.status, code: known.code });
    }
    throw error;
  }
}

type Request = RouteRequest<string, unknown, unknown>;

/** What no jump server can be called may hold characters that the table's keys may not. */
function jumpServerOf({ params }: Request): string {
  const { name } = params as Record<string, string>;
  return name !== undefined && /^[a-z0-9-]{3,24}$/.test(name) ? name : noJumpServer;
}

/** Of the query only what makes it another kind of call: a dry run changes nothing. */
function targetOf({ url, query }: Request): string {
  const { dryRun } = (query ?? {}) as { dryRun?: unknown };
  return dryRun === true ? `${url.pathname}?dryRun=true` : url.pathname;
}
