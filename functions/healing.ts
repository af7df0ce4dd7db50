import { z } from 'zod';
import type { Deps } from '../shared/deps.ts';
import { orderByHand, resetBreaker } from '../shared/healing/byHand.ts';
import { reasonOf } from '../shared/healing/carryOutDecision.ts';
import { type Route, route } from '../shared/http.ts';
import { accepted, acceptedAnswer, readyJumpServer } from '../shared/jumpServerAnswers.ts';
import { askedBecause, requestOperation } from '../shared/operations.ts';

const healBody = z
  .strictObject({
    resetBreaker: z
      .boolean()
      .default(false)
      .describe('Let healing go on by itself where it has stopped after too many repairs.'),
  })
  .prefault({});

export const healingRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'JumpServers_Heal',
      summary: 'Looks at everything now, puts right what differs, and repairs a node that does not work.',
      method: 'POST',
      path: '/jump-servers/{name}/heal',
      role: 'JumpServer.Admin',
      body: healBody,
      startsOperations: true,
      responses: { 202: accepted },
    },
    async ({ params, body, caller, because, startOperation }) => {
      const server = await readyJumpServer(deps, params.name, 'be healed');
      const { name } = server;
      if (body.resetBreaker) await resetBreaker(deps, name);
      const order = await orderByHand(deps, server);
      const seen = reasonOf(order);
      const asked = askedBecause(`${caller.name} asked for it`, because);
      const reason = [asked, seen].filter(Boolean).join('. ');
      const lease = await requestOperation(deps, startOperation, {
        jumpServer: name,
        kind: 'heal',
        order,
        reason,
        caller,
      });
      return acceptedAnswer(deps, name, lease.operationId);
    },
  ),
];
