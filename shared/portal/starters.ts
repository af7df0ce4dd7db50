import { z } from 'zod';
import type { Route } from '../http.ts';

/** What can be started from the portal, and the API's call that does it. */
export const starters = {
  provision: { operationId: 'JumpServers_CreateOrUpdate', summary: 'Makes the jump server what `spec` says.' },
  heal: { operationId: 'JumpServers_Heal', summary: 'Looks at everything now, and repairs what does not work.' },
  scale: { operationId: 'JumpServers_Scale', summary: 'Asks for `count` nodes; 0 hibernates, 1 or more wakes.' },
  rotate: { operationId: 'JumpServers_Rotate', summary: 'Renews `credentials`, or all of them.' },
  teardown: { operationId: 'JumpServers_Delete', summary: 'Takes the jump server down with all that it owns.' },
} as const;

export type Action = keyof typeof starters;

/** The route that carries out an action. Throws when there is none. */
export function routeOf(routes: readonly Route[], action: Action): Route {
  const { operationId } = starters[action];
  const found = routes.find(({ definition }) => definition.operationId === operationId);
  if (found === undefined) throw new Error(`There is no route ${operationId}.`);
  return found;
}

const jumpServer = z.string().min(1, 'must be the name of a jump server').max(24).describe('Its name.');

/**
 * The body of a starter: the call's own body with the jump server's name in it. A spec, which is checked as a whole, is a member of
 * its own.
 */
export function starterBody({ definition }: Route): z.ZodType<{ jumpServer: string; body: unknown }> {
  const body = definition.body instanceof z.ZodPrefault ? definition.body.unwrap() : definition.body;
  if (body === undefined) return z.strictObject({ jumpServer }).transform((given) => ({ ...given, body: undefined }));
  if (!(body instanceof z.ZodObject))
    return z.strictObject({ jumpServer, spec: body }).transform(({ spec, ...given }) => ({ ...given, body: spec }));
  const joined = body.safeExtend({ jumpServer });
  return joined.transform(({ jumpServer: name, ...rest }) => ({ jumpServer: String(name), body: rest }));
}
