import type { OrchestrationContext, Task } from 'durable-functions';
import { carryOut } from './carryOut.ts';

/** Brings a jump server to another number of nodes: out by starting or making some, in by draining and switching off. */
export function* scale(context: OrchestrationContext): Generator<Task, string, unknown> {
  return yield* carryOut(context, 'scaleNodes');
}
