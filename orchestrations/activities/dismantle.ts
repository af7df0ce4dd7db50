import type { Writes } from '../../shared/azure/armStep.ts';
import type { Deps } from '../../shared/deps.ts';
import { removalSteps } from '../../shared/steps/removal.ts';
import { listInventory } from '../../shared/store/inventory.ts';
import { findHeldLease, type Holder } from '../../shared/store/leases.ts';
import type { Progress } from '../contracts.ts';
import { carryOutSteps } from './carryOutSteps.ts';

/** Removes what the jump server owns, as far as one call's budget goes. */
export const dismantle =
  (deps: Deps, writes: Writes) =>
  async (holder: Holder): Promise<Progress> => {
    if ((await findHeldLease(deps.tables, holder)) === undefined) return { state: 'fenced' };
    const owned = await listInventory(deps.tables, holder.jumpServer);
    await deps.databases.forget(holder.jumpServer);
    return carryOutSteps(deps, holder, removalSteps(deps, writes, holder.jumpServer, owned));
  };
