import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { z } from 'zod';
import type { Deps } from '../shared/deps.ts';
import { ApiError, notFound } from '../shared/errors.ts';
import { type Route, route } from '../shared/http.ts';
import { describeJumpServer, jumpServerShape } from '../shared/jumpServerView.ts';
import { askedBecause, operationUrl, requestOperation, startOrchestration } from '../shared/operations.ts';
import { credentials, orderOf } from '../shared/rotation/credentials.ts';
import { sweepRotations } from '../shared/rotation/sweep.ts';
import { hibernated } from '../shared/scaling/hibernated.ts';
import { findJumpServer, type JumpServer } from '../shared/store/jumpServers.ts';

const rotateBody = z.strictObject({
  credentials: z
    .array(z.enum(credentials, `must be one of ${credentials.join(', ')}`))
    .min(1, 'must name at least one; leave it out to rotate all')
    .default([...credentials])
    .describe('What to rotate. Default: everything.'),
});

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
      responses: {
        202: { description: 'Accepted: `Operation-Location` says where to follow it.', schema: jumpServerShape },
      },
    },
    async ({ params, body, caller, because, startOperation }) => {
      const server = await ready(deps, params.name);
      const { name } = server;
      const order = orderOf(body.credentials);
      const reason = askedBecause(`${caller.name} asked to rotate ${order.credentials.join(', ')}`, because);
      const lease = await requestOperation(deps, startOperation, {
        jumpServer: name,
        kind: 'rotate',
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

/** Throws ApiError for a jump server whose credentials cannot be rotated now. */
async function ready(deps: Deps, name: string): Promise<JumpServer> {
  const server = await findJumpServer(deps.tables, name);
  if (server === undefined) throw notFound('jump server', name);
  if (server.state === 'Hibernated') throw hibernated(name);
  if (server.state !== 'Ready') {
    const message = `The jump server '${name}' is ${server.state}: only one that is Ready can have its credentials rotated.`;
    throw new ApiError(409, 'JumpServerNotReady', message, { target: name });
  }
  return server;
}

/** Every minute, a little after it began: what is due is rotated, and what was interrupted is carried on. */
export function registerRotation(deps: Deps): void {
  app.timer('rotation', {
    schedule: '4 * * * * *',
    extraInputs: [df.input.durableClient()],
    handler: async (_timer, context) => {
      const client = df.getClient(context);
      await sweepRotations(deps, (lease) => startOrchestration(client, lease));
    },
  });
}
