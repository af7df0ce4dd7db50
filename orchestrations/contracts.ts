import * as df from 'durable-functions';
import type { Ended } from '../shared/setback.ts';
import type { Holder } from '../shared/store/leases.ts';

/** How far one call of an operation's activity got. */
export type Progress =
  /** Not finished; worth another call after this many seconds. */
  { state: 'pending'; waitSeconds: number } | Ending;

/** The end of an operation. `fenced`: another one holds the lease, so nothing more may be written, not even how this one ended. */
export type Ending = Ended | { state: 'fenced' };

/** Every activity: what it takes and returns. Inputs and outputs are kept in the durable history, so they hold no secret. */
export interface Activities {
  beginOperation: { input: Holder; output: { proceed: boolean } };
  advance: { input: Holder; output: Progress };
  dismantle: { input: Holder; output: Progress };
  scaleNodes: { input: Holder; output: Progress };
  mend: { input: Holder; output: Progress };
  rotateCredentials: { input: Holder; output: Progress };
  finishOperation: { input: Holder & { ending: Ending }; output: { finished: boolean } };
}

export type ActivityName = keyof Activities;

/** What an orchestration is started with. `begun` is set when it goes on as a new execution of itself. */
export type OrchestrationInput = Holder & { begun?: true };

/**
 * Calls an activity and gives its typed result. An activity throws only what may succeed later (a table that does not answer),
 * so every call is retried: after 2, 4, 8 … at most 60 seconds, eight times.
 */
export function* call<Name extends ActivityName>(
  context: df.OrchestrationContext,
  name: Name,
  input: Activities[Name]['input'],
): Generator<df.Task, Activities[Name]['output'], unknown> {
  const retry = new df.RetryOptions(2_000, 8);
  retry.backoffCoefficient = 2;
  retry.maxRetryIntervalInMilliseconds = 60_000;
  return (yield context.df.callActivityWithRetry(name, retry, input)) as Activities[Name]['output'];
}
