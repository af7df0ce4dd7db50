import { z } from 'zod';
import type { Deps } from '../shared/deps.ts';
import { type Route, type RouteAnswer, route } from '../shared/http.ts';
import { existingJumpServer } from '../shared/jumpServerAnswers.ts';
import { parseJumpServerName } from '../shared/jumpServerName.ts';
import { describeJumpServer, jumpServerShape } from '../shared/jumpServerView.ts';
import { act, type Outcome } from '../shared/portal/act.ts';
import { alertBody } from '../shared/portal/alert.ts';
import { healForAlert, sharedLook } from '../shared/portal/healForAlert.ts';
import { obeyTag } from '../shared/portal/obeyTag.ts';
import { type Action, routeOf, starterBody, starters } from '../shared/portal/starters.ts';
import { actionTag, eventsBody, groupsWritten, validationCode } from '../shared/portal/tagEvent.ts';

const outcomeShape = z.object({
  jumpServer: z.string(),
  started: z.boolean(),
  operation: z.string().nullable().describe('Where the operation is followed; null when none was needed.'),
  message: z.string(),
});

const outcomesShape = z.object({ message: z.string(), value: z.array(outcomeShape) });

/** Entrances for who has a function's key and no token: people in the Azure portal, action groups, Event Grid. `api`: the calls behind them. */
export const portalRoutes = (deps: Deps, api: readonly Route[]): Route[] => [
  ...(Object.keys(starters) as Action[]).map((action) => starter(deps, action, routeOf(api, action))),
  showRoute(deps),
  alertRoute(deps, api),
  tagRoute(deps, api),
];

const titled = (word: string): string => `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}`;

const starter = (deps: Deps, action: Action, target: Route): Route =>
  route(
    {
      operationId: `Portal_${titled(action)}`,
      summary: `${starters[action].summary} For Code + Test in the Azure portal.`,
      method: 'POST',
      path: `/portal/${action}`,
      role: 'functionKey',
      // The call behind it leaves the rows, under the jump server's name.
      audited: false,
      body: starterBody(target),
      startsOperations: true,
      responses: {
        200: { description: 'It is so already; nothing was started.', schema: outcomeShape },
        202: { description: 'Started: `operation` says where to follow it.', schema: outcomeShape },
      },
    },
    async ({ body, ...entrance }) => answer(await act(deps, entrance, target, body)),
  );

const showBody = z.strictObject({ jumpServer: z.string().min(1).max(24) });

const showRoute = (deps: Deps): Route =>
  route(
    {
      operationId: 'Portal_Show',
      summary: 'One jump server with its state, and its last operation. For Code + Test in the Azure portal.',
      method: 'POST',
      path: '/portal/show',
      role: 'functionKey',
      audited: false,
      body: showBody,
      responses: { 200: { description: 'The jump server.', schema: jumpServerShape } },
    },
    async ({ body: { jumpServer } }) => {
      const server = await existingJumpServer(deps, parseJumpServerName(jumpServer));
      return { body: await describeJumpServer(deps, server) };
    },
  );

function alertRoute(deps: Deps, api: readonly Route[]): Route {
  const look = sharedLook(deps);
  return route(
    {
      operationId: 'Portal_Alert',
      summary:
        "Heals the jump servers that a fired alert of Azure Monitor is about. For an action group, with Azure's common alert schema.",
      method: 'POST',
      path: '/portal/alert',
      role: 'functionKey',
      audited: false,
      body: alertBody,
      startsOperations: true,
      responses: {
        200: { description: 'The alert has resolved; nothing was started.', schema: outcomesShape },
        202: { description: 'Heals were started.', schema: outcomesShape },
      },
    },
    async ({ body, ...entrance }) => {
      const value = await healForAlert(deps, entrance, routeOf(api, 'heal'), look, body.data.essentials);
      if (value.length === 0) return { body: { message: 'The alert has resolved: nothing to do.', value } };
      return { status: 202, body: { message: 'Started.', value } };
    },
  );
}

const validationShape = z.object({ validationResponse: z.string() });

const tagRoute = (deps: Deps, api: readonly Route[]): Route =>
  route(
    {
      operationId: 'Portal_TagEvent',
      summary: `Does what the tag ${actionTag} on a jump server's resource group says: heal, rotate or scale=N. For Event Grid, in its own event schema.`,
      method: 'POST',
      path: '/portal/tag-event',
      role: 'functionKey',
      audited: false,
      body: eventsBody,
      startsOperations: true,
      responses: { 200: { description: 'What came of it.', schema: z.union([outcomesShape, validationShape]) } },
    },
    async ({ body: events, ...entrance }) => {
      const code = validationCode(events);
      if (code !== undefined) return { body: { validationResponse: code } };
      const value: Outcome[] = [];
      for (const group of groupsWritten(events, deps.config.AZURE_SUBSCRIPTION_ID)) {
        const outcome = await obeyTag(deps, entrance, api, group);
        if (outcome !== undefined) value.push(outcome);
      }
      return { body: { message: value.length === 0 ? 'Nothing to do.' : 'Done.', value } };
    },
  );

const answer = (outcome: Outcome): RouteAnswer => ({
  status: outcome.started ? 202 : 200,
  body: outcome,
  ...(outcome.operation === null ? {} : { headers: { 'Operation-Location': outcome.operation } }),
});
