import type { Deps } from './deps.ts';
import { ApiError } from './errors.ts';
import type { Route, RouteAnswer, RouteRequest } from './http.ts';
import { noJumpServer, writeIntent, writeOutcome } from './store/audit.ts';

/** Does what the route does, with the intent in the audit before it and the outcome after it. */
export async function audited(
  route: Route,
  deps: Deps,
  request: RouteRequest<string, unknown, unknown>,
): Promise<RouteAnswer> {
  const jumpServer = (request.params as Record<string, string>).name ?? noJumpServer;
  const { auditId: id, caller } = request;
  await writeIntent(deps.tables, {
    id,
    jumpServer,
    time: deps.now(),
    caller,
    operation: route.definition.operationId,
    target: request.url.pathname,
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
