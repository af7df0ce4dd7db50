import { z } from 'zod';
import type { InvocationOutcome } from '../worker/worker.ts';

const retryOptions = z.object({
  firstRetryIntervalInMilliseconds: z.number(),
  maxNumberOfAttempts: z.number(),
  backoffCoefficient: z.number().nullish(),
  maxRetryIntervalInMilliseconds: z.number().nullish(),
  retryTimeoutInMilliseconds: z.number().nullish(),
});
export type RetryOptions = z.infer<typeof retryOptions>;

/** The actions an orchestrator may answer with; entities, locks and HTTP calls are `other`. */
export const actionType = {
  callActivity: 0,
  callActivityWithRetry: 1,
  callSubOrchestrator: 2,
  callSubOrchestratorWithRetry: 3,
  continueAsNew: 4,
  timer: 5,
  externalEvent: 6,
  any: 11,
  all: 12,
} as const;

const action = z.object({
  actionType: z.number(),
  functionName: z.string().default(''),
  input: z.unknown().optional(),
  instanceId: z.string().nullish(),
  retryOptions: retryOptions.nullish(),
  fireAt: z.string().default(''),
  isCanceled: z.boolean().default(false),
  externalEventName: z.string().default(''),
  get compoundActions() {
    return z.array(action).default([]);
  },
});
export type Action = z.infer<typeof action>;

const answerSchema = z.object({
  isDone: z.boolean(),
  actions: z.array(z.array(action)),
  output: z.unknown().optional(),
  error: z.string().nullish(),
  customStatus: z.unknown().optional(),
});
/** What the worker answers to one episode: everything since the start of the execution, one entry a yield. */
export type OrchestratorAnswer = z.infer<typeof answerSchema>;

/** Before this label the library puts `false`, after it the answer, into the message of a failed orchestrator invocation. */
const dataLabel = '\n\n$OutOfProcData$:';

/** Reads the answer out of an invocation, be it a success or a failure. */
export function readAnswer(outcome: InvocationOutcome): OrchestratorAnswer {
  if (outcome.ok) {
    const text = outcome.response.returnValue?.json ?? outcome.response.returnValue?.string;
    return text === undefined ? failed('The orchestrator gave no answer.') : answerSchema.parse(JSON.parse(text));
  }
  const at = outcome.message.indexOf(dataLabel);
  return at < 0
    ? failed(outcome.message)
    : answerSchema.parse(JSON.parse(outcome.message.slice(at + dataLabel.length)));
}

function failed(error: string): OrchestratorAnswer {
  return { isDone: false, actions: [[]], output: undefined, error, customStatus: undefined };
}
