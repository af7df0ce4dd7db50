import type { OrchestrationContext, Task } from 'durable-functions';
import { carryOut } from './carryOut.ts';

/** Takes a jump server down to nothing, dependants first. */
export function* teardown(context: OrchestrationContext): Generator<Task, string, unknown> {
  return yield* carryOut(context, 'dismantle');
}
