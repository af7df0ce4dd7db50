import type { ArmEnv } from './env.ts';
import { ArmError } from './failure.ts';
import { groupName } from './ids.ts';

/** The group of an id must be there and, for a write, not be going. Throws ArmError. */
export function checkGroup(env: ArmEnv, id: string, method: string): void {
  const name = groupName(id);
  if (name === undefined) return;
  const group = env.state.get(id.split('/').slice(0, 5).join('/'));
  if (group === undefined)
    throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`);
  const writes = method === 'PUT' || method === 'PATCH' || method === 'POST';
  if (writes && group.properties.provisioningState === 'Deleting')
    throw new ArmError(
      409,
      'ResourceGroupBeingDeleted',
      `The resource group '${name}' is in deprovisioning state and cannot perform this operation.`,
    );
}
