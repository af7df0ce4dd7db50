import { RestError } from '@azure/core-rest-pipeline';
import { forCaller } from '../azure/forCaller.ts';
import type { Deps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Route } from '../http.ts';
import { isInProgress } from '../operations.ts';
import { listJumpServers } from '../store/jumpServers.ts';
import { act, type Entrance, type Outcome, orRefusal } from './act.ts';
import { findObeyed, forgetObeyed, type Obeyed, rememberObeyed } from './obeyed.ts';
import { routeOf } from './starters.ts';
import { actionTag, describeOutcome, readAction, serverOf, settledTags, type Tags, tagOf } from './tagEvent.ts';

/**
 * Does what the action tag of a resource group says, as Azure has it now, and replaces the tag by one that says what came of it. Undefined when
 * there is nothing to do: no jump server's group, no tag. The start comes first and joins one that is running, so a crash in between
 * loses no wish; where only the tag cannot be replaced, the next event replaces it and starts nothing. Throws ApiError 409 `OperationInProgress` and leaves the tag: whoever sent the event sends it again.
 */
export async function obeyTag(
  deps: Deps,
  entrance: Entrance,
  routes: readonly Route[],
  group: string,
): Promise<Outcome | undefined> {
  const inGroup = (await listJumpServers(deps.tables)).filter(({ spec }) => spec.resourceGroup.toLowerCase() === group);
  if (inGroup.length === 0) return undefined;
  const tags = await tagsOf(deps, group);
  const value = tagOf(tags, actionTag);
  const server = serverOf(inGroup, tags);
  const before = await findObeyed(deps, group, value);
  if (value === undefined || server === undefined) return undefined;
  const obeyed = before ?? (await obey(deps, entrance, routes, server.name, value));
  if (before === undefined) await rememberObeyed(deps, group, value, obeyed);
  await settle(deps, group, value, obeyed.result);
  await forgetObeyed(deps, group, value);
  return obeyed.outcome;
}

async function obey(
  deps: Deps,
  entrance: Entrance,
  routes: readonly Route[],
  jumpServer: string,
  value: string,
): Promise<Obeyed> {
  const outcome = await carryOut(deps, entrance, routes, jumpServer, value).catch(orRefusal);
  if (isInProgress(outcome)) throw outcome;
  const result = describeOutcome(value, outcome, deps.now());
  return outcome instanceof ApiError
    ? { outcome: { jumpServer, started: false, operation: null, message: outcome.message }, result }
    : { outcome, result };
}

async function carryOut(
  deps: Deps,
  entrance: Entrance,
  routes: readonly Route[],
  jumpServer: string,
  value: string,
): Promise<Outcome> {
  const asked = readAction(value);
  if (asked === undefined) {
    const message = `${actionTag} takes heal, rotate or scale=N, not '${value.slice(0, 40)}'.`;
    throw new ApiError(400, 'InvalidAction', message, { target: actionTag });
  }
  const route = routeOf(routes, asked.action);
  const body = route.definition.body?.parse(asked.body);
  return act(deps, entrance, route, { jumpServer, body, because: `the tag ${actionTag}: ${value}` });
}

async function tagsOf(deps: Deps, group: string): Promise<Tags | undefined> {
  try {
    return (await deps.azure.resources.resourceGroups.get(group)).tags;
  } catch (error) {
    if (error instanceof RestError && error.statusCode === 404) return undefined;
    throw forCaller(error, `the resource group ${group}`);
  }
}

/** A PATCH of a group replaces all its tags, so they are read just before. A tag that says something else by now is another wish. */
async function settle(deps: Deps, group: string, value: string, result: string): Promise<void> {
  const tags = await tagsOf(deps, group);
  if (tags === undefined || tagOf(tags, actionTag) !== value) return;
  await deps.azure.resources.resourceGroups.update(group, { tags: settledTags(tags, result) });
}
