import { parseLeniently } from '../http/request.ts';
import { toSecond } from './clock.ts';
import { eventNames, eventType, type HistoryEvent } from './history.ts';
import type { Instance } from './instances.ts';

export interface StatusOptions {
  readonly showInput: boolean;
  /** Given when the history is wanted. */
  readonly history: readonly HistoryEvent[] | null;
  readonly showHistoryOutput: boolean;
}

/** The status of an instance in the extension's JSON. */
export function statusOf(instance: Instance, options: StatusOptions): object {
  return {
    name: instance.name,
    instanceId: instance.id,
    runtimeStatus: instance.status,
    input: options.showInput ? JSON.parse(instance.input) : null,
    customStatus: instance.custom === null ? null : JSON.parse(instance.custom),
    output: instance.output === null ? null : jsonOrText(instance.output),
    createdTime: toSecond(instance.created),
    lastUpdatedTime: toSecond(instance.updated),
    ...(options.history && { historyEvents: foldHistory(options.history, options.showHistoryOutput) }),
  };
}

function jsonOrText(text: string): unknown {
  const value = parseLeniently(text);
  return value === undefined ? text : value;
}

/** Two scheduling events of one kind and number, as a non-deterministic orchestrator makes them: the real host answers 400 then. */
export class DuplicateHistoryKey extends Error {}

const folded: ReadonlySet<number> = new Set([eventType.taskScheduled, eventType.subOrchestrationCreated]);
const hidden: ReadonlySet<number> = new Set([eventType.orchestratorStarted, eventType.orchestratorCompleted]);
const completions: Record<number, number> = {
  [eventType.taskCompleted]: eventType.taskScheduled,
  [eventType.taskFailed]: eventType.taskScheduled,
  [eventType.subOrchestrationCompleted]: eventType.subOrchestrationCreated,
  [eventType.subOrchestrationFailed]: eventType.subOrchestrationCreated,
};

/**
 * The history as clients see it: what was scheduled is folded into its completion, the marks of episodes are left out.
 * @throws DuplicateHistoryKey
 */
function foldHistory(history: readonly HistoryEvent[], showOutput: boolean): object[] {
  const scheduled = new Map<string, HistoryEvent>();
  const shown: object[] = [];
  for (const each of history) {
    if (folded.has(each.EventType)) {
      const key = `${eventNames[each.EventType]}_${each.EventId}`;
      if (scheduled.has(key))
        throw new DuplicateHistoryKey(`An item with the same key has already been added. Key: ${key}`);
      scheduled.set(key, each);
    } else if (!hidden.has(each.EventType)) {
      shown.push(shownEvent(each, scheduled, showOutput));
    }
  }
  return shown;
}

const notShown = new Set([
  'EventType',
  'EventId',
  'IsPlayed',
  'Timestamp',
  'TaskScheduledId',
  'TimerId',
  'Result',
  'carriedOver',
]);
const notShownOfStart = new Set(['OrchestrationInstance', 'ParentInstance', 'Name', 'Version', 'Tags']);

function shownEvent(each: HistoryEvent, scheduled: ReadonlyMap<string, HistoryEvent>, showOutput: boolean): object {
  const isStart = each.EventType === eventType.executionStarted;
  const shown: Record<string, unknown> = { EventType: eventNames[each.EventType] };
  for (const [name, value] of Object.entries(each)) {
    if (name === 'Result' && showOutput) shown.Result = typeof value === 'string' ? jsonOrText(value) : value;
    else if (!notShown.has(name) && !(isStart && notShownOfStart.has(name))) shown[name] = value;
  }
  shown.Timestamp = each.Timestamp;
  if (isStart) shown.FunctionName = each.Name;
  const origin = completions[each.EventType];
  const before =
    origin === undefined
      ? undefined
      : scheduled.get(`${eventNames[origin as keyof typeof eventNames]}_${each.TaskScheduledId}`);
  if (!before) return shown;
  const where = before.InstanceId === undefined ? {} : { InstanceId: before.InstanceId };
  return {
    ...shown,
    ScheduledTime: before.Timestamp.replace(/Z$/, '+00:00'),
    FunctionName: before.Name,
    ...where,
    Input: null,
  };
}
