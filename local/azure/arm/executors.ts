import type { AzureFailure } from '../contract.ts';
import type { Stored } from '../state.ts';
import { actionOf, workAction } from './actions.ts';
import { type ArmEnv, kindOf, planeOf } from './env.ts';
import { groupExecutor } from './groupDelete.ts';
import { parentId } from './ids.ts';
import { isLeftFailed, isUnmade, made } from './made.ts';
import type { Executor, Operation } from './operations.ts';
import { forget, removeNow } from './remove.ts';
import { completeParts } from './show.ts';
import { asObject } from './values.ts';

/** What the kinds of operations do while they run and when they end. */
export function makeExecutors(env: ArmEnv): Record<Operation['kind'], Executor> {
  return {
    put: putExecutor(env),
    delete: deleteExecutor(env),
    action: actionExecutor(env),
    deleteGroup: groupExecutor(env),
  };
}

const setState = (
  env: ArmEnv,
  id: string,
  outcome: 'ready' | 'failed',
  learned: Record<string, unknown> = {},
): void => {
  env.state.update(id, (copy) => {
    const kind = kindOf(env, copy.type);
    Object.assign(copy.properties, learned);
    const fallback = outcome === 'ready' ? 'Succeeded' : 'Failed';
    copy.properties[kind?.state?.property ?? 'provisioningState'] = kind?.state?.[outcome] ?? fallback;
    if (kind) completeParts(kind, copy);
  });
};

const tellFailed = (env: ArmEnv, id: string, code: string, created: boolean): void => {
  env.state.update(id, (copy) => kindOf(env, copy.type)?.failed?.(copy, code, created || isUnmade(copy), env));
};

const failing =
  (env: ArmEnv): Executor['failing'] =>
  async ({ resourceId }, error) => {
    const stored = env.state.get(resourceId);
    if (stored) await kindOf(env, stored.type)?.failing?.(stored, error.code, env);
  };

function putExecutor(env: ArmEnv): Executor {
  return {
    async work(operation, secrets) {
      const stored = env.state.get(operation.resourceId);
      if (stored === undefined || isLeftFailed(env, stored, operation.method)) return {};
      const learned = await planeOf(env, stored.type)?.apply(stored, secrets);
      made(env, stored.id);
      // From here on the secrets are where they belong: a restart may repeat the rest.
      env.operations.repeatable(operation);
      await kindOf(env, stored.type)?.realise?.(env.state.get(operation.resourceId) ?? stored, env);
      return learned ?? {};
    },
    succeeded(operation, learned) {
      const stored = env.state.get(operation.resourceId);
      const left = stored !== undefined && isLeftFailed(env, stored, operation.method);
      setState(env, operation.resourceId, left ? 'failed' : 'ready', asObject(learned));
      return undefined;
    },
    failing: failing(env),
    failed(operation, error) {
      setState(env, operation.resourceId, 'failed');
      tellFailed(env, operation.resourceId, error.code, !operation.existed);
    },
  };
}

function deleteExecutor(env: ArmEnv): Executor {
  const row = (id: string): Stored | undefined => {
    const stored = env.state.get(id);
    return stored && kindOf(env, stored.type)?.embedded ? env.state.get(parentId(id)) : stored;
  };
  return {
    async work(operation) {
      const stored = env.state.get(operation.resourceId);
      if (stored !== undefined && !kindOf(env, stored.type)?.embedded) await removeNow(env, stored);
    },
    succeeded(operation) {
      const stored = env.state.get(operation.resourceId);
      if (stored === undefined) return undefined;
      if (!kindOf(env, stored.type)?.embedded) forget(env, stored.id);
      else {
        const owner = parentId(stored.id);
        void removeNow(env, stored);
        setState(env, owner, 'ready');
      }
      kindOf(env, stored.type.slice(0, stored.type.lastIndexOf('/')))?.changed?.(env);
      return undefined;
    },
    failed(operation, error) {
      const owner = row(operation.resourceId);
      if (owner === undefined) return;
      setState(env, owner.id, 'failed');
      tellFailed(env, owner.id, error.code, false);
    },
  };
}

function actionExecutor(env: ArmEnv): Executor {
  const rule = (operation: Operation) => {
    const kind = kindOf(env, operation.type);
    return kind === undefined ? undefined : actionOf(kind, operation.action ?? '')?.[1];
  };
  const owner = (operation: Operation): string =>
    kindOf(env, operation.type)?.embedded ? parentId(operation.resourceId) : operation.resourceId;
  return {
    failing: failing(env),
    work: (operation) => workAction(env, operation.resourceId, operation.action ?? '', operation.body ?? {}),
    succeeded(operation, answer) {
      const given = answer === undefined ? undefined : asObject(answer);
      let result = given;
      const end = rule(operation)?.end;
      if (end)
        env.state.update(owner(operation), (copy) => {
          result = end(copy, given, env);
        });
      return result;
    },
    failed(operation: Operation, error: AzureFailure) {
      if (!rule(operation)?.begin) return;
      setState(env, owner(operation), 'failed');
      tellFailed(env, owner(operation), error.code, false);
    },
  };
}
