import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { z } from 'zod';
import type { Deps } from '../shared/deps.ts';
import { ApiError, notFound } from '../shared/errors.ts';
import { orderByHand, resetBreaker } from '../shared/healing/byHand.ts';
import { reasonOf } from '../shared/healing/carryOutDecision.ts';
import { compareResources } from '../shared/healing/compare.ts';
import { sweepHealing } from '../shared/healing/sweep.ts';
import { type Route, route } from '../shared/http.ts';
import { describeJumpServer, jumpServerShape } from '../shared/jumpServerView.ts';
import { askedBecause, operationUrl, requestOperation, startOrchestration } from '../shared/operations.ts';
import { hibernated } from '../shared/scaling/hibernated.ts';
import { findJumpServer } from '../shared/store/jumpServers.ts';

const healBody = z.strictObject({
  resetBreaker: z
    .boolean()
    .default(false)
    .describe('Let healing go on by itself where it has stopped after too many repairs.'),
});

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
      responses: {
        202: { description: 'Accepted: `Operation-Location` says where to follow it.', schema: jumpServerShape },
      },
    },
    async ({ params, body, caller, because, startOperation }) => {
      const server = await findJumpServer(deps.tables, params.name);
      if (server === undefined) throw notFound('jump server', params.name);
      const { name, state } = server;
      if (state === 'Hibernated') throw hibernated(name);
      if (state !== 'Ready') {
        const message = `The jump server '${name}' is ${state}: only one that is Ready can be healed. Send its spec again by PUT.`;
        throw new ApiError(409, 'JumpServerNotReady', message, { target: name });
      }
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
      return {
        status: 202,
        headers: { 'Operation-Location': operationUrl(deps, name, lease.operationId), 'Retry-After': '5' },
        body: await describeJumpServer(deps, server),
      };
    },
  ),
];

/** Every minute: nodes that do not work; and for a few jump servers a minute everything else. */
export function registerHealing(deps: Deps): void {
  const timers = { healing: ['22 * * * * *', sweepHealing], comparing: ['42 * * * * *', compareResources] } as const;
  for (const [name, [schedule, sweep]] of Object.entries(timers)) {
    app.timer(name, {
      schedule,
      extraInputs: [df.input.durableClient()],
      handler: async (_timer, context) => {
        const client = df.getClient(context);
        await sweep(deps, (lease) => startOrchestration(client, lease));
      },
    });
  }
}
