import type { Writes } from '../azure/armStep.ts';
import type { Deps } from '../deps.ts';
import type { Failure } from '../errors.ts';
import type { Ended } from '../setback.ts';
import { findHealing, rememberServer, type ServerMemory } from '../store/healing.ts';
import type { Holder, Lease } from '../store/leases.ts';
import { recentRepairs } from './decision.ts';
import { type HealOrder, parseHealOrder } from './order.ts';
import { repairFacts } from './repairs.ts';

const canceled: Failure = {
  code: 'HealCanceled',
  message: 'The last heal was canceled. It is tried again after a pause.',
  advice: 'To stop that, set healing.enabled to false in the spec.',
};

/**
 * Keeps what a heal that did not work failed at: a condition until a heal or a PUT works or a comparison finds all well, and the reason for a pause. Repeating it
 * changes nothing.
 */
export async function rememberEnding(deps: Deps, lease: Lease, ending: Ended): Promise<void> {
  const { jumpServer } = lease;
  const { server: memory } = await findHealing(deps.tables, jumpServer);
  if (ending.state !== 'done') {
    const { code, message, advice } = ending.state === 'canceled' ? canceled : ending.failure;
    const condition = { type: code, message: advice === undefined ? message : `${message} ${advice}` };
    await rememberServer(deps.tables, jumpServer, { failure: [condition], failedAt: deps.now() });
  }
  const order = parseHealOrder(lease.spec);
  if (order.countedAt === undefined || !isFruitless(order, memory.wrote === lease.operationId, ending)) return;
  const begun = new Date(order.countedAt);
  const others = (times: readonly Date[]) => times.filter((time) => time.getTime() !== begun.getTime());
  await rememberServer(deps.tables, jumpServer, {
    repairs: others(memory.repairs),
    fruitless: [...recentRepairs(others(memory.fruitless), deps.now()), begun],
  });
}

/** Azure's own lack: no repair is too many for it, and other nodes must go on being repaired. */
const noRoom = new Set([
  'AllocationFailed',
  'ZonalAllocationFailed',
  'OverconstrainedAllocationRequest',
  'OverconstrainedZonalAllocationRequest',
  'SkuNotAvailable',
  'QuotaExceeded',
  'OperationNotAllowed',
]);

/**
 * Whether the breaker leaves this heal out of its count: when it wrote nothing (one that says it worked is counted all the same, or it would be asked
 * for every minute; an alert's is not, for alerts repeat), and when Azure had no room and nobody was disturbed. Pure.
 */
export function isFruitless(order: Pick<HealOrder, 'nodes' | 'alert'>, wrote: boolean, ending: Ended): boolean {
  if (!wrote && (ending.state !== 'done' || order.alert === true)) return true;
  const disturbedNobody = order.nodes.every(({ repair }) => !repairFacts[repair].disrupts);
  return ending.state === 'failed' && noRoom.has(ending.failure.code) && disturbedNobody;
}

/** The same writes; that an operation has sent any is remembered before it does. */
export function notedWrites(deps: Deps, { jumpServer, operationId }: Holder, writes: Writes): Writes {
  const wrote: Pick<ServerMemory, 'wrote'> = { wrote: operationId };
  let noted: Promise<void> | undefined;
  return {
    ...writes,
    start: (id, queue, write) =>
      writes.start(id, queue, async () => {
        noted ??= rememberServer(deps.tables, jumpServer, wrote);
        await noted;
        await write();
      }),
  };
}
