import type { OrchestrationContext, Task } from 'durable-functions';
import { carryOut } from './carryOut.ts';

/** Puts right what is broken in a jump server: resources that differ from its spec, and nodes that do not work. */
export function* heal(context: OrchestrationContext): Generator<Task, string, unknown> {
  return yield* carryOut(context, 'mend');
}
