import { seconds } from './durations.ts';
import { type ArmEnv, kindOf, planeOf } from './env.ts';
import { ArmError, resourceNotFound } from './failure.ts';
import type { Faults } from './faults.ts';
import { groupName, lastName, parentId } from './ids.ts';
import type { ActionRule, ArmAnswer, ArmRequest, Kind } from './kind.ts';
import { checkNotBusy, locksOf } from './locks.ts';
import { isUnmade } from './made.ts';
import { acceptedAnswer } from './styles.ts';
import { asObject } from './values.ts';

/** The rule for an action by its name in any letter case. */
export function actionOf(kind: Kind, name: string): [name: string, rule: ActionRule] | undefined {
  return Object.entries(kind.actions ?? {}).find(([known]) => known.toLowerCase() === name.toLowerCase());
}

/** POST `{resource}/{action}`. */
export async function act(
  env: ArmEnv,
  faults: Faults,
  kind: Kind,
  id: string,
  [action, rule]: [string, ActionRule],
  request: ArmRequest,
): Promise<ArmAnswer> {
  const stored = env.state.get(id);
  if (stored === undefined) throw resourceNotFound(kind.type, lastName(id), groupName(id));
  const body = asObject(request.body);
  rule.check?.(stored, body, env);
  const owner = kind.embedded ? (env.state.get(parentId(id)) ?? stored) : stored;
  if (!rule.free) checkNotBusy(env, kind, stored, 'POST', action);
  if (rule.sync) {
    const answer = await planeOf(env, owner.type)?.act?.(owner, actionPath(kind, id, action), body);
    let shown = answer;
    env.state.update(owner.id, (copy) => {
      shown = rule.end?.(copy, answer, env) ?? answer;
    });
    return { status: rule.status ?? 200, body: rule.status === 204 ? undefined : shown };
  }
  if (rule.begin) env.state.update(owner.id, (copy) => rule.begin?.(copy, body, env));
  const operation = env.operations.start(
    {
      kind: 'action',
      resourceId: stored.id,
      locks: rule.free ? [] : locksOf(kind, stored.id),
      type: kind.type,
      method: 'POST',
      action,
      body: { ...body, ...queryFlags(request) },
      apiVersion: request.apiVersion,
      style: kind.style,
      location: owner.location,
      existed: true,
      failWith: faults.operation(request, kind, id, isUnmade(stored)),
    },
    seconds(owner.type, action) * 1000 * env.options.factor,
  );
  return acceptedAnswer(operation, undefined, request.origin, env);
}

// skipShutdown and its like come as query parameters.
const queryFlags = (request: ArmRequest): Record<string, boolean> =>
  Object.fromEntries(
    [...request.query]
      .filter(([, value]) => value === 'true' || value === 'false')
      .map(([name, value]) => [name, value === 'true']),
  );

/** `start`, or `loadBalancingRules/https/health` for an action of a part. */
export function actionPath(kind: Kind, id: string, action: string): string {
  if (!kind.embedded) return action;
  return `${kind.type.slice(kind.type.lastIndexOf('/') + 1)}/${lastName(id)}/${action}`;
}

/** The data plane's half of a running action. */
export async function workAction(
  env: ArmEnv,
  id: string,
  action: string,
  body: Record<string, unknown>,
): Promise<Record<string, unknown> | undefined> {
  const stored = env.state.get(id);
  const kind = stored && kindOf(env, stored.type);
  if (stored === undefined || kind === undefined) throw new ArmError(404, 'NotFound', `${id} was not found.`);
  const own = actionOf(kind, action)?.[1].work;
  if (own) return own(stored, env, body);
  const owner = kind.embedded ? (env.state.get(parentId(id)) ?? stored) : stored;
  return planeOf(env, owner.type)?.act?.(owner, actionPath(kind, id, action), body);
}
