import type { OrchestrationContext, Task } from 'durable-functions';
import { secondsAfter } from '../shared/time.ts';
import { call, type Ending, type OrchestrationInput } from './contracts.ts';

/** Calls of the working activity before the orchestration goes on as a new execution, so that its history stays small. */
const callsPerExecution = 40;

/** The activity that does an operation's work, called again and again. */
type Work = 'advance' | 'dismantle' | 'scaleNodes' | 'mend' | 'rotateCredentials';

/**
 * The shape of every operation: take up the lease, call one activity until nothing is left, write down how it ended. The activity
 * looks before it does anything, so the orchestration may be stopped and started again at any point.
 */
export function* carryOut(context: OrchestrationContext, activity: Work): Generator<Task, string, unknown> {
  const { begun, ...holder } = context.df.getInput<OrchestrationInput>();
  if (begun === undefined) {
    const { proceed } = yield* call(context, 'beginOperation', holder);
    if (!proceed) return 'fenced';
  }
  const ending = yield* untilEnded(context, activity, holder);
  if (ending === undefined) {
    context.df.continueAsNew({ ...holder, begun: true });
    return 'continued';
  }
  if (ending.state !== 'fenced') yield* call(context, 'finishOperation', { ...holder, ending });
  return ending.state;
}

function* untilEnded(
  context: OrchestrationContext,
  activity: Work,
  holder: OrchestrationInput,
): Generator<Task, Ending | undefined, unknown> {
  try {
    for (let calls = 0; calls < callsPerExecution; calls++) {
      const progress = yield* call(context, activity, holder);
      if (progress.state !== 'pending') return progress;
      if (progress.waitSeconds > 0)
        yield context.df.createTimer(secondsAfter(context.df.currentUtcDateTime, progress.waitSeconds));
    }
    return undefined;
  } catch {
    // The error's text is .NET's and holds stacks; the log has it. The next PUT carries on.
    const message = 'The control plane could not go on: its own storage or vault did not answer for several minutes.';
    return {
      state: 'failed',
      failure: { code: 'ControlPlaneUnavailable', message, advice: 'Send the same request again.' },
    };
  }
}
