import type { OrchestrationContext } from 'durable-functions';
import { expect, test } from 'vitest';
import type { Progress } from '../../orchestrations/contracts.ts';
import { provision } from '../../orchestrations/provision.ts';
import { teardown } from '../../orchestrations/teardown.ts';

const holder = { jumpServer: 'office', operationId: 'op-1', fence: 3 };

/** What an orchestrator asked for. */
type Asked = { activity: string; input: unknown } | { timer: Date };

/** Drives an orchestrator as the replaying host does: every yield is answered by the next result, an Error is thrown in. */
function drive(orchestrator: typeof provision, input: object, answer: (asked: Asked) => unknown) {
  const asked: Asked[] = [];
  let continuedWith: unknown;
  const df = {
    getInput: () => input,
    currentUtcDateTime: new Date('2026-11-23T12:00:00Z'),
    callActivityWithRetry: (activity: string, _retry: unknown, given: unknown) => ({ activity, input: given }),
    createTimer: (timer: Date) => ({ timer }),
    continueAsNew: (given: unknown) => {
      continuedWith = given;
    },
  };
  const run = orchestrator({ df } as unknown as OrchestrationContext);
  let step = run.next();
  while (step.done !== true) {
    const one = step.value as unknown as Asked;
    asked.push(one);
    const result = answer(one);
    step = result instanceof Error ? run.throw(result) : run.next(result);
  }
  return { asked, result: step.value, continuedWith };
}

/** Answers `begin` with yes, the working activity with each progress in turn, and everything else with nothing. */
function answers(progress: (Progress | Error)[]) {
  return (asked: Asked) => {
    if ('timer' in asked) return undefined;
    if (asked.activity === 'beginOperation') return { proceed: true };
    if (asked.activity === 'finishOperation') return { finished: true };
    return progress.length > 1 ? progress.shift() : progress[0];
  };
}

const names = (asked: Asked[]) =>
  asked.map((one) => ('timer' in one ? `timer ${one.timer.toISOString()}` : one.activity));

test('a provision begins, advances until nothing is left, and finishes', () => {
  const { asked, result } = drive(
    provision,
    holder,
    answers([{ state: 'pending', waitSeconds: 0 }, { state: 'done' }]),
  );
  expect(names(asked)).toEqual(['beginOperation', 'advance', 'advance', 'finishOperation']);
  expect(asked.at(-1)).toEqual({ activity: 'finishOperation', input: { ...holder, ending: { state: 'done' } } });
  expect(result).toBe('done');
});

test('a teardown is the same with dismantle', () => {
  expect(names(drive(teardown, holder, answers([{ state: 'done' }])).asked)).toEqual([
    'beginOperation',
    'dismantle',
    'finishOperation',
  ]);
});

test('a long wait is a durable timer from the orchestration time', () => {
  const { asked } = drive(provision, holder, answers([{ state: 'pending', waitSeconds: 60 }, { state: 'done' }]));
  expect(names(asked)).toEqual([
    'beginOperation',
    'advance',
    'timer 2026-11-23T12:01:00.000Z',
    'advance',
    'finishOperation',
  ]);
});

test('an operation that lost its lease before it began does nothing', () => {
  const { asked, result } = drive(provision, holder, () => ({ proceed: false }));
  expect(names(asked)).toEqual(['beginOperation']);
  expect(result).toBe('fenced');
});

test('an operation that lost its lease on the way writes no end', () => {
  expect(names(drive(provision, holder, answers([{ state: 'fenced' }])).asked)).toEqual(['beginOperation', 'advance']);
});

test('a failure is written down as the end, with what to do', () => {
  const failure = { code: 'QuotaExceeded', message: 'no cores', advice: 'ask for more' };
  const { asked } = drive(provision, holder, answers([{ state: 'failed', failure }]));
  expect(asked.at(-1)).toMatchObject({ input: { ending: { state: 'failed', failure } } });
});

test('an activity that keeps failing ends the operation without the text of its error', () => {
  const { asked } = drive(provision, holder, answers([new Error('Activity function failed: password=hunter2')]));
  const last = asked.at(-1) as { input: { ending: { failure: { code: string } } } };
  expect(last.input.ending.failure.code).toBe('ControlPlaneUnavailable');
  expect(JSON.stringify(asked)).not.toContain('hunter2');
});

test('after forty calls it goes on as a new execution that does not begin again', () => {
  const { asked, continuedWith, result } = drive(provision, holder, answers([{ state: 'pending', waitSeconds: 0 }]));
  expect(asked.filter((one) => 'activity' in one && one.activity === 'advance')).toHaveLength(40);
  expect(names(asked)).not.toContain('finishOperation');
  expect(continuedWith).toEqual({ ...holder, begun: true });
  expect(result).toBe('continued');
  const next = drive(provision, continuedWith as object, answers([{ state: 'done' }]));
  expect(names(next.asked)).toEqual(['advance', 'finishOperation']);
});
