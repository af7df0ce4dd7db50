import { z } from 'zod';
import type { Deps } from '../shared/deps.ts';
import { type Route, route } from '../shared/http.ts';
import { accepted, acceptedAnswer, readyJumpServer } from '../shared/jumpServerAnswers.ts';
import { askedBecause, requestOperation } from '../shared/operations.ts';
import { credentials, orderOf } from '../shared/rotation/credentials.ts';

const rotateBody = z
  .strictObject({
    credentials: z
      .array(z.enum(credentials, `must be one of ${credentials.join(', ')}`))
      .min(1, 'must name at least one; leave it out to rotate all')
      .default([...credentials])
      .describe('What to rotate. Default: everything.'),
  })
  .prefault({});

export const rotationRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'JumpServers_Rotate',
      summary: 'Renews credentials while users go on working: each new one is proven before the former is retired.',
      method: 'POST',
      path: '/jump-servers/{name}/rotate',
      role: 'JumpServer.Admin',
      body: rotateBody,
      startsOperations: true,
      responses: { 202: accepted },
    },
    async ({ params, body, caller, because, startOperation }) => {
      const { name } = await readyJumpServer(deps, params.name, 'have its credentials rotated');
      const order = orderOf(body.credentials);
      const reason = askedBecause(`${caller.name} asked to rotate ${order.credentials.join(', ')}`, because);
      const lease = await requestOperation(deps, startOperation, {
        jumpServer: name,
        kind: 'rotate',
        order,
        reason,
        caller,
      });
      return acceptedAnswer(deps, name, lease.operationId);
    },
  ),
];
