import type { Deps } from './deps.ts';
import { ApiError, notFound } from './errors.ts';
import type { RouteAnswer } from './http.ts';
import { describeJumpServer, jumpServerShape } from './jumpServerView.ts';
import { operationUrl } from './operations.ts';
import { hibernated } from './scaling/hibernated.ts';
import { findJumpServer, type JumpServer } from './store/jumpServers.ts';

/** How every route describes that an operation was started. */
export const accepted = {
  description: 'Accepted: `Operation-Location` says where to follow it.',
  schema: jumpServerShape,
};

/** 202 with where to follow the operation, and the jump server as it stands now (none while its first row is being written). */
export async function acceptedAnswer(deps: Deps, name: string, operationId: string): Promise<RouteAnswer> {
  const server = await findJumpServer(deps.tables, name);
  return {
    status: 202,
    headers: { 'Operation-Location': operationUrl(deps, name, operationId), 'Retry-After': '5' },
    ...(server === undefined ? {} : { body: await describeJumpServer(deps, server) }),
  };
}

/** Throws ApiError 404. */
export async function existingJumpServer(deps: Deps, name: string): Promise<JumpServer> {
  const server = await findJumpServer(deps.tables, name);
  if (server === undefined) throw notFound('jump server', name);
  return server;
}

/**
 * Throws ApiError 404, or 409 for one that hibernates or is not whole.
 * @param what what cannot be done with it then: `be healed`
 */
export async function readyJumpServer(deps: Deps, name: string, what: string): Promise<JumpServer> {
  const server = await existingJumpServer(deps, name);
  if (server.state === 'Hibernated') throw hibernated(name);
  if (server.state !== 'Ready') throw notReady(server, what);
  return server;
}

/** @param what what cannot be done with it then */
export function notReady({ name, state }: JumpServer, what: string): ApiError {
  const message = `The jump server '${name}' is ${state}: only one that is Ready can ${what}. Send its spec again by PUT.`;
  return new ApiError(409, 'JumpServerNotReady', message, { target: name });
}
