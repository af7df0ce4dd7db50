import type { OrchestrationContext, Task } from 'durable-functions';
import { carryOut } from './carryOut.ts';

/** Brings a jump server to its spec: from nothing, from an older spec, or from wherever an earlier attempt stopped. */
export function* provision(context: OrchestrationContext): Generator<Task, string, unknown> {
  return yield* carryOut(context, 'advance');
}
