import { describe, expect, it } from 'vitest';
import type { Action, OrchestratorAnswer } from '../../local/host/durable/answer.ts';
import { event, eventType, type HistoryEvent } from '../../local/host/durable/history.ts';
import { type Decision, replay } from '../../local/host/durable/replay.ts';

const context = { name: 'o', executionId: 'e', activities: new Set(['a', 'b']), orchestrators: new Set(['child']) };

const action = (members: Partial<Action> & { actionType: number }): Action => ({
  functionName: '',
  fireAt: '',
  isCanceled: false,
  externalEventName: '',
  compoundActions: [],
  input: undefined,
  ...members,
});
const call = (functionName: string, input: unknown = 1): Action => action({ actionType: 0, functionName, input });
const callWithRetry = (functionName: string, maxNumberOfAttempts: number): Action =>
  action({
    actionType: 1,
    functionName,
    retryOptions: { firstRetryIntervalInMilliseconds: 1000, maxNumberOfAttempts, backoffCoefficient: 2 },
  });
const any = (...compoundActions: Action[]): Action => action({ actionType: 11, compoundActions });
const all = (...compoundActions: Action[]): Action => action({ actionType: 12, compoundActions });
const wait = (externalEventName: string): Action => action({ actionType: 6, externalEventName });
const timer = (isCanceled = false): Action => action({ actionType: 5, fireAt: '2026-01-01T00:00:10.000Z', isCanceled });

const answer = (actions: Action[], rest: Partial<OrchestratorAnswer> = {}): OrchestratorAnswer => ({
  isDone: false,
  actions: [actions],
  ...rest,
});
const started = [
  event(eventType.orchestratorStarted, {}, -1, '2026-01-01T00:00:00Z'),
  event(eventType.executionStarted, {}),
];
const scheduled = (id: number, Name: string): HistoryEvent => event(eventType.taskScheduled, { Name }, id);
const completed = (id: number): HistoryEvent => event(eventType.taskCompleted, { TaskScheduledId: id, Result: '1' });
const failed = (id: number): HistoryEvent => event(eventType.taskFailed, { TaskScheduledId: id });
const raised = (Name: string): HistoryEvent => event(eventType.eventRaised, { Name, Input: '1' });
const run = (history: HistoryEvent[], given: OrchestratorAnswer): Decision =>
  replay([...started, ...history], given, context);
const numbers = (decision: Decision): number[] => decision.scheduled.map(([id]) => id);

describe('The replay of an action list', () => {
  it('starts only the first entry until that is finished', () => {
    expect(run([], answer([call('a'), call('b')])).scheduled).toEqual([
      [0, { kind: 'activity', name: 'a', input: '1' }],
    ]);
    const next = run([scheduled(0, 'a'), completed(0)], answer([call('a'), call('b')]));
    expect(next.scheduled).toEqual([[1, { kind: 'activity', name: 'b', input: '1' }]]);
  });

  it('ignores that the worker is done while an entry is not finished', () => {
    const given = answer([all(call('a'), call('b'))], { error: 'no' });
    const early = run([scheduled(0, 'a'), scheduled(1, 'b'), failed(0)], given);
    expect(early.completion).toBeNull();
    expect(early.warnings).toEqual([expect.stringContaining('stays Running')]);
    const late = run([scheduled(0, 'a'), scheduled(1, 'b'), failed(0), completed(1)], given);
    expect(late.completion).toEqual({
      status: 'Failed',
      output: "Orchestrator function 'o' failed: no",
      details: 'no',
    });
  });

  it('starts a pending member of a Task.any again when it stands in the next one, and warns', () => {
    const decision = run(
      [scheduled(0, 'a'), scheduled(1, 'b'), completed(1)],
      answer([any(call('a', 'x'), call('b', 'y')), any(call('a', 'x'))]),
    );
    expect(numbers(decision)).toEqual([2]);
    expect(decision.warnings).toEqual([expect.stringContaining('started again')]);
  });

  it('gives an event to the newest wait, without regard to case, and says when the worker will not see it', () => {
    const decision = run([raised('GO')], answer([wait('go')], { isDone: true, output: 1 }));
    expect(decision.completion).toMatchObject({ status: 'Completed', output: '1' });
    expect(decision.warnings).toEqual([expect.stringContaining('letter by letter')]);
  });

  it('warns when an event goes to a wait that was left behind', () => {
    const fired = event(eventType.timerFired, { TimerId: 0 });
    const history = [event(eventType.timerCreated, {}, 0), fired, scheduled(1, 'a'), raised('go')];
    expect(run(history, answer([any(timer(), wait('go')), call('a')])).warnings).toEqual([
      expect.stringContaining('may be lost'),
    ]);
  });

  it('makes the timers between the attempts of a retry, and one without delay after the last', () => {
    const given = answer([callWithRetry('a', 2)]);
    const first = run([scheduled(0, 'a'), failed(0)], given);
    expect(first.scheduled).toEqual([[1, { kind: 'timer', fireAt: '2026-01-01T00:00:01Z' }]]);
    const fired = (id: number): HistoryEvent[] => [
      event(eventType.timerCreated, {}, id),
      event(eventType.timerFired, { TimerId: id }),
    ];
    const second = run([scheduled(0, 'a'), failed(0), ...fired(1), scheduled(2, 'a'), failed(2)], given);
    expect(second.scheduled).toEqual([[3, { kind: 'timer', fireAt: '2026-01-01T00:00:00Z' }]]);
  });

  it('ends an entry with a cancelled timer at once', () => {
    const decision = run([raised('go')], answer([any(timer(true), wait('go'))], { isDone: true, output: 1 }));
    expect(decision.completion?.status).toBe('Completed');
  });

  it('splits a timer of more than six days into steps of three', () => {
    const far = action({ actionType: 5, fireAt: '2026-01-09T00:00:00.000Z' });
    expect(run([], answer([far])).scheduled).toEqual([[0, { kind: 'timer', fireAt: '2026-01-04T00:00:00Z' }]]);
  });

  it('names sub-orchestrations after the execution and their number in decimal', () => {
    const children = Array.from({ length: 11 }, () => action({ actionType: 2, functionName: 'child' }));
    const [, last] = run([], answer([all(...children)])).scheduled.at(-1) ?? [];
    expect(last).toMatchObject({ kind: 'orchestration', instanceId: 'e:10' });
  });

  it('waits for ever for an activity that is not registered', () => {
    const decision = run([], answer([call('missing')]));
    expect([decision.scheduled, decision.completion]).toEqual([[], null]);
    expect(decision.warnings).toEqual([expect.stringContaining("no activity function 'missing'")]);
  });

  it('fails an orchestrator that schedules something else than before, and lets the wrong thing run once', () => {
    const decision = run([scheduled(0, 'a'), completed(0)], answer([call('b')], { isDone: true }));
    expect(decision.completion).toMatchObject({
      status: 'Failed',
      output: expect.stringContaining("sequence number 0 named 'a'"),
    });
    expect(numbers(decision)).toEqual([0]);
  });

  it('leaves results that come while it is suspended for the resume, but not the end', () => {
    const suspended = event(eventType.executionSuspended, { Reason: 'pause' });
    const history = [scheduled(0, 'a'), suspended, completed(0)];
    const given = answer([call('a')], { isDone: true, output: 7 });
    expect(run(history, given)).toMatchObject({ completion: null, suspended: { reason: 'pause' } });
    expect(run([...history, event(eventType.executionResumed, {})], given).completion).toMatchObject({
      status: 'Completed',
      output: '7',
    });
    const terminated = event(eventType.executionTerminated, { Input: 'stop' });
    expect(run([...history, terminated], given)).toMatchObject({
      suspended: null,
      completion: { status: 'Terminated', output: 'stop' },
    });
  });

  it('schedules nothing more for one that is terminated', () => {
    const history = [scheduled(0, 'a'), completed(0), event(eventType.executionTerminated, { Input: 'stop' })];
    expect(run(history, answer([call('a'), call('b')]))).toMatchObject({
      scheduled: [],
      completion: { status: 'Terminated', output: 'stop' },
    });
  });

  it('carries events that nobody waited for into the next generation', () => {
    const again = action({ actionType: 4, input: { n: 2 } });
    const decision = run([raised('later')], answer([again], { isDone: true }));
    expect(decision.completion).toEqual({ status: 'ContinuedAsNew', input: '{"n":2}' });
    expect(decision.unconsumedEvents).toEqual([{ name: 'later', input: '1' }]);
  });
});
