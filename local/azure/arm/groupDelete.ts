import type { Stored } from '../state.ts';
import { seconds } from './durations.ts';
import { type ArmEnv, kindOf } from './env.ts';
import { ArmError } from './failure.ts';
import { key, within } from './ids.ts';
import type { Executor } from './operations.ts';
import { forget, removeNow } from './remove.ts';

/** Deletes everything in a group: what nobody refers to first, then what has become free, each with its own duration. */
export function groupExecutor(env: ArmEnv): Executor {
  return {
    async work(operation) {
      for (;;) {
        const left = members(env, operation.resourceId);
        if (left.length === 0) return;
        const free = left.filter((resource) => blockers(env, resource).length === 0);
        if (free.length === 0) {
          // A NIC that is reserved for a VM that failed is free after a while: ARM tries again.
          const until = Math.max(...left.map((resource) => Number(resource.internal.reservedUntil ?? 0)));
          if (until <= env.clock.wall()) throw blocked(env, operation.resourceId, left);
          await env.clock.until(until + 1);
          continue;
        }
        const longest = Math.max(...free.map((resource) => seconds(resource.type, 'delete')));
        await Promise.all([
          env.clock.until(env.clock.wall() + longest * 1000 * env.options.factor),
          ...free.map((resource) => env.operations.queued(resource.id, () => removeNow(env, resource))),
        ]);
        for (const resource of free) forget(env, resource.id);
      }
    },
    succeeded(operation) {
      forget(env, operation.resourceId);
      return undefined;
    },
    failed(operation) {
      env.state.update(operation.resourceId, (copy) => {
        copy.properties.provisioningState = 'Succeeded';
      });
    },
  };
}

/** The group's resources; children go with their parents. */
function members(env: ArmEnv, group: string): Stored[] {
  return env.state.all().filter((resource) => {
    const depth = resource.id.split('/').length;
    return within(resource.id, group) && depth === 9 && !/\/Microsoft\.Authorization\//i.test(resource.id);
  });
}

function blockers(env: ArmEnv, resource: Stored): string[] {
  const parts = Object.values(resource.properties).flatMap((list) =>
    Array.isArray(list) ? list.flatMap((part) => (typeof part?.id === 'string' ? [String(part.id)] : [])) : [],
  );
  const users = [resource.id, ...parts.filter((part) => within(part, resource.id))].flatMap((id) =>
    env.references.users(id),
  );
  const outside = users.filter((user) => !within(user, resource.id));
  // A private endpoint's own NIC goes with the endpoint, not by itself.
  const kind = kindOf(env, resource.type);
  try {
    kind?.checkDelete?.(resource, env);
  } catch (error) {
    if (error instanceof ArmError) return [...outside, error.message];
    throw error;
  }
  return outside;
}

function blocked(env: ArmEnv, group: string, left: Stored[]): ArmError {
  const details = left.map((resource) => ({
    code: 'Conflict',
    message: `${resource.id}: in use by ${blockers(env, resource).join(', ')}`,
  }));
  return new ArmError(
    409,
    'ResourceGroupDeletionBlocked',
    `Deletion of resource group '${key(group).split('/').at(-1)}' failed as resources with identifiers '${left.map((r) => r.id).join(',')}' could not be deleted. The provisioning state of the resource group will be rolled back. The tracking Id is '${crypto.randomUUID()}'. Please check audit logs for more details.`,
    { details },
  );
}
