import type { Stored } from '../state.ts';
import type { ArmEnv } from './env.ts';
import { ArmError } from './failure.ts';
import { key, lastName, parentId, within } from './ids.ts';
import type { Kind } from './kind.ts';
import type { Operation } from './operations.ts';

/** What an operation on this resource keeps others from writing. */
export function locksOf(kind: Kind, id: string): string[] {
  return [key(id), ...(kind.lockedWithParent || kind.embedded ? [key(parentId(id))] : [])];
}

/** Throws when another operation is writing the resource; a VM's delete and deallocate push the other one out instead. */
export function checkNotBusy(env: ArmEnv, kind: Kind, resource: Stored, method: string, action?: string): void {
  for (const lock of locksOf(kind, resource.id)) {
    const running = env.operations.running(lock);
    if (running === undefined) continue;
    const pushes =
      kind.type === 'Microsoft.Compute/virtualMachines' && (method === 'DELETE' || action === 'deallocate');
    if (!pushes || running.kind === 'delete') throw busy(env, kind, resource, running, action ?? method);
    env.operations.preempt(running, {
      code: 'OperationPreempted',
      message: 'The operation has been preempted by a more recent operation.',
    });
  }
}

function busy(env: ArmEnv, kind: Kind, resource: Stored, running: Operation, wanted: string): ArmError {
  const name = lastName(resource.id);
  if (kind.style === 'network' && env.options.busyNetwork === 'retryable')
    return new ArmError(429, 'RetryableError', 'A retryable error occurred.', {
      details: [
        {
          code: 'RetryableErrorDueToAnotherOperation',
          message: `Operation ${wanted} (${resource.id}) is not allowed now: another operation (${running.id}) on this or dependent resource is in progress.`,
        },
      ],
    });
  if (kind.style === 'network')
    return new ArmError(
      409,
      'AnotherOperationInProgress',
      `Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: /subscriptions/${resource.id.split('/')[2]}/providers/Microsoft.Network/locations/${running.location}/operations/${running.id}?api-version=${running.apiVersion}.`,
    );
  if (kind.style === 'mysql')
    return new ArmError(
      409,
      'ServerIsBusy',
      `Cannot complete operation while server '${name}' is busy processing another operation. Try again later.`,
    );
  if (running.kind === 'delete')
    return new ArmError(
      409,
      'OperationNotAllowed',
      `Operation '${wanted}' is not allowed on VM '${name}' since the VM is marked for deletion. You can only retry the Delete operation (or wait for an ongoing one to complete).`,
    );
  return new ArmError(
    409,
    'OperationNotAllowed',
    `Operation '${wanted}' is not allowed on '${name}' since another operation is in progress.`,
  );
}

/** Management locks: CanNotDelete keeps from deleting, ReadOnly also from writing. Throws 409 ScopeLocked. */
export function checkLocks(env: ArmEnv, id: string, method: string): void {
  // A lock does not hold itself.
  if (/\/providers\/Microsoft\.Authorization\/locks\//i.test(id)) return;
  for (const lock of env.state.list('Microsoft.Authorization/locks')) {
    const scope = lock.id.slice(0, lock.id.toLowerCase().lastIndexOf('/providers/microsoft.authorization/locks/'));
    const level = lock.properties.level;
    if (level === 'CanNotDelete' && method !== 'DELETE') continue;
    // The delete of a group or a parent is refused for a lock on anything inside it.
    if (!within(id, scope) && !(method === 'DELETE' && within(scope, id))) continue;
    throw new ArmError(
      409,
      'ScopeLocked',
      `The scope '${id}' cannot perform ${method === 'DELETE' ? 'delete' : 'write'} operation because following scope(s) are locked: '${scope}'. Please remove the lock and try again.`,
    );
  }
}
