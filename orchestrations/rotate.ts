import type { OrchestrationContext, Task } from 'durable-functions';
import { carryOut } from './carryOut.ts';

/** Renews credentials one after the other; a working login remains at every moment. */
export function* rotate(context: OrchestrationContext): Generator<Task, string, unknown> {
  return yield* carryOut(context, 'rotateCredentials');
}
