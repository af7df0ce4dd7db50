import { controlPlane } from '../auth.ts';
import type { Deps } from '../deps.ts';
import type { StartOperation } from '../http.ts';
import { isInProgress, requestOperation } from '../operations.ts';
import { findHealing, forgetNode, rememberServer } from '../store/healing.ts';
import { type HealingDecision, recentRepairs } from './decision.ts';
import type { Sight } from './findings.ts';
import type { HealOrder } from './order.ts';

/** Writes down what was decided, and asks for the operation. */
export async function carryOutDecision(
  deps: Deps,
  start: StartOperation,
  { server: { name }, memory: { server: memory }, now }: Pick<Sight, 'server' | 'memory' | 'now'>,
  { order, conditions, opensBreaker, recovered }: HealingDecision,
): Promise<void> {
  for (const number of recovered) await forgetNode(deps.tables, name, number);
  if (opensBreaker || JSON.stringify(conditions) !== JSON.stringify(memory.conditions))
    await rememberServer(deps.tables, name, { conditions, ...(opensBreaker ? { breakerSince: now } : {}) });
  if (order === undefined) return;
  const reason = reasonOf(order);
  const request = (asked: HealOrder) =>
    requestOperation(deps, start, { jumpServer: name, kind: 'heal', order: asked, reason, caller: controlPlane });
  // Somebody else may have been quicker since the leases were read: then the next sweep decides.
  await requestCounted(deps, name, order, now, request).catch((error: unknown) => {
    if (!isInProgress(error)) throw error;
  });
}

/** Counts the repair, then asks for it; a refusal takes it off again. In this order a crash counts one too many, never one too few. */
export async function requestCounted<Granted>(
  deps: Deps,
  jumpServer: string,
  order: HealOrder,
  now: Date,
  request: (order: HealOrder) => Promise<Granted>,
): Promise<Granted> {
  const repairs = async () => recentRepairs((await findHealing(deps.tables, jumpServer)).server.repairs, now);
  await rememberServer(deps.tables, jumpServer, { repairs: [...(await repairs()), now] });
  try {
    return await request({ ...order, countedAt: now.toISOString() });
  } catch (error) {
    if (isInProgress(error)) {
      const others = (await repairs()).filter((at) => at.getTime() !== now.getTime());
      await rememberServer(deps.tables, jumpServer, { repairs: others });
    }
    throw error;
  }
}

export const reasonOf = ({ evidence }: HealOrder): string => evidence.join('. ').slice(0, 2000);
