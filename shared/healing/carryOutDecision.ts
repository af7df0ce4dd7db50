import type { Deps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { StartOperation } from '../http.ts';
import { requestOperation } from '../operations.ts';
import { forgetNode, rememberServer, type ServerMemory } from '../store/healing.ts';
import { type Decision, recentRepairs, type Sight } from './decision.ts';
import type { HealOrder } from './order.ts';

/** Who asks for what the sweep finds. */
const healer = { objectId: 'molcajete', name: 'Molcajete', roles: [] };

/** Writes down what was decided, and asks for the operation. */
export async function carryOutDecision(
  deps: Deps,
  start: StartOperation,
  { server: { name }, memory: { server: memory }, now }: Pick<Sight, 'server' | 'memory' | 'now'>,
  { order, conditions, opensBreaker, recovered }: Decision,
): Promise<void> {
  for (const number of recovered) await forgetNode(deps.tables, name, number);
  if (opensBreaker || JSON.stringify(conditions) !== JSON.stringify(memory.conditions))
    await rememberServer(deps.tables, name, { conditions, ...(opensBreaker ? { breakerSince: now } : {}) });
  if (order === undefined) return;
  await request(deps, start, name, await counted(deps, name, memory, order, now));
}

/** Counted before it is asked for: a crash in between must not make repairs that nobody counts. */
export async function counted(
  deps: Deps,
  jumpServer: string,
  { repairs }: Pick<ServerMemory, 'repairs'>,
  order: HealOrder,
  now: Date,
): Promise<HealOrder> {
  await rememberServer(deps.tables, jumpServer, { repairs: [...recentRepairs(repairs, now), now] });
  return { ...order, countedAt: now.toISOString() };
}

export const reasonOf = ({ evidence }: HealOrder): string => evidence.join('. ').slice(0, 2000);

/** Somebody else may have been quicker since the leases were read: then the next sweep decides. */
async function request(deps: Deps, start: StartOperation, jumpServer: string, order: HealOrder): Promise<void> {
  try {
    await requestOperation(deps, start, { jumpServer, kind: 'heal', order, reason: reasonOf(order), caller: healer });
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'OperationInProgress')) throw error;
  }
}
