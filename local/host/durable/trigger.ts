import { memberData } from '../http/request.ts';
import type { BindingInfo, TypedData } from '../worker/coreTypes.ts';
import { asPlayed, type HistoryEvent } from './history.ts';
import type { Instance } from './instances.ts';

/** What an invocation is given. */
export interface TriggerInput {
  readonly inputData: { name: string; data: TypedData }[];
  readonly metadata: Record<string, TypedData>;
}

/** One episode's input for an orchestrator: the whole history, the past of it marked as played. */
export function orchestrationTrigger(
  binding: BindingInfo,
  instance: Instance,
  past: readonly HistoryEvent[],
  fresh: readonly HistoryEvent[],
): TriggerInput {
  const history = [...past.map(asPlayed), ...fresh].map(withoutMarks);
  const input: unknown = JSON.parse(instance.input);
  const isReplaying = past.length > 0;
  const parentInstanceId = instance.parent?.instanceId ?? null;
  const limits = {
    upperSchemaVersion: 1,
    upperSchemaVersionNew: 3,
    longRunningTimerIntervalDuration: '3.00:00:00',
    maximumShortTimerDuration: '6.00:00:00',
    // The spelling is the extension's.
    defaultHttpAsyncRequestSleepTimeMillseconds: 30000,
  };
  const text = JSON.stringify(
    { history, input, instanceId: instance.id, isReplaying, parentInstanceId, ...limits },
    null,
    2,
  );
  const metadata: Record<string, TypedData> = { [binding.name]: { string: text } };
  if (input !== null) metadata.input = memberData(input);
  metadata.instanceId = { string: instance.id };
  metadata.isReplaying = memberData(isReplaying);
  if (parentInstanceId !== null) metadata.parentInstanceId = { string: parentInstanceId };
  for (const [name, value] of Object.entries(limits)) metadata[name] = memberData(value);
  return { inputData: [{ name: binding.name, data: { string: text } }], metadata };
}

function withoutMarks(event: HistoryEvent): HistoryEvent {
  if (event.carriedOver === undefined) return event;
  const { carriedOver: _mark, ...rest } = event;
  return rest as HistoryEvent;
}

/** An activity's input: JSON text, or nothing at all for null and undefined. */
export function activityTrigger(binding: BindingInfo, instanceId: string, input: string | null): TriggerInput {
  const metadata: Record<string, TypedData> = { instanceId: { string: instanceId } };
  if (input === null) return { inputData: [{ name: binding.name, data: {} }], metadata };
  const value: unknown = JSON.parse(input);
  metadata[binding.name] = { string: input };
  metadata.data = { json: typeof value === 'string' ? JSON.stringify(input) : input };
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, member] of Object.entries(value)) if (!Array.isArray(member)) metadata[name] = memberData(member);
  }
  return { inputData: [{ name: binding.name, data: { string: input } }], metadata };
}
