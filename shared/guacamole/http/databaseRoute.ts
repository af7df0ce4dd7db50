import type { Kysely } from 'kysely';
import type { z } from 'zod';
import type { Deps } from '../../deps.ts';
import { type Route, type RouteAnswer, type RouteDefinition, type RouteRequest, route } from '../../http.ts';
import { describeDatabaseError } from '../databaseErrors.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';

/** What our routes need of the world. */
export type DatabaseDeps = Pick<Deps, 'guacamole' | 'now'>;

export type DatabaseRequest<Path extends string, Query, Body> = RouteRequest<Path, Query, Body> & {
  db: Kysely<GuacamoleDatabase>;
};

/** `route()` for what lives in the database of the jump server `{name}`: opens it, and says what the database's errors mean. */
export function databaseRoute<
  const Path extends `/jump-servers/{name}${string}`,
  Query extends z.ZodType = z.ZodObject<Record<never, never>>,
  Body extends z.ZodType = z.ZodUndefined,
>(
  deps: DatabaseDeps,
  definition: RouteDefinition<Path, Query, Body>,
  handler: (request: DatabaseRequest<Path, z.output<Query>, z.output<Body>>) => Promise<RouteAnswer>,
): Route {
  return route<Path, Query, Body>(definition, async (request) => {
    // Every path begins with the jump server's name; the type of a generic path cannot show it.
    const { name } = request.params as unknown as { name: string };
    try {
      return await handler({ ...request, db: await deps.guacamole(name) });
    } catch (error) {
      throw describeDatabaseError(error);
    }
  });
}
