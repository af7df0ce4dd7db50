import { timestamp } from './clock.ts';

/** DurableTask's numbers for the events of a history. */
export const eventType = {
  executionStarted: 0,
  executionCompleted: 1,
  executionTerminated: 3,
  taskScheduled: 4,
  taskCompleted: 5,
  taskFailed: 6,
  subOrchestrationCreated: 7,
  subOrchestrationCompleted: 8,
  subOrchestrationFailed: 9,
  timerCreated: 10,
  timerFired: 11,
  orchestratorStarted: 12,
  orchestratorCompleted: 13,
  eventRaised: 15,
  executionSuspended: 19,
  executionResumed: 20,
} as const;

export type EventType = (typeof eventType)[keyof typeof eventType];

/** Names as the status API prints them. */
export const eventNames: Record<EventType, string> = {
  0: 'ExecutionStarted',
  1: 'ExecutionCompleted',
  3: 'ExecutionTerminated',
  4: 'TaskScheduled',
  5: 'TaskCompleted',
  6: 'TaskFailed',
  7: 'SubOrchestrationInstanceCreated',
  8: 'SubOrchestrationInstanceCompleted',
  9: 'SubOrchestrationInstanceFailed',
  10: 'TimerCreated',
  11: 'TimerFired',
  12: 'OrchestratorStarted',
  13: 'OrchestratorCompleted',
  15: 'EventRaised',
  19: 'ExecutionSuspended',
  20: 'ExecutionResumed',
};

/** One event. Members other than these four depend on the type and are spelt as on the wire. */
export interface HistoryEvent {
  readonly EventType: EventType;
  readonly EventId: number;
  readonly IsPlayed: boolean;
  readonly Timestamp: string;
  readonly [member: string]: unknown;
}

/** Events that arrive from outside an episode: the ones that count as played in every later episode. */
const arriving: ReadonlySet<EventType> = new Set([
  eventType.executionStarted,
  eventType.executionTerminated,
  eventType.taskCompleted,
  eventType.taskFailed,
  eventType.subOrchestrationCompleted,
  eventType.subOrchestrationFailed,
  eventType.timerFired,
  eventType.eventRaised,
  eventType.executionSuspended,
  eventType.executionResumed,
]);

/** Marks what an earlier episode has seen; scheduling events and the episode marks stay unplayed, as on the real host. */
export function asPlayed(event: HistoryEvent): HistoryEvent {
  return arriving.has(event.EventType) || event.carriedOver === true ? { ...event, IsPlayed: true } : event;
}

/** An event with the members in the order of the wire. `EventId` is -1 for everything that is not scheduled by number. */
export function event(type: EventType, members: Record<string, unknown>, eventId = -1, at = timestamp()): HistoryEvent {
  return { EventType: type, ...members, EventId: eventId, IsPlayed: false, Timestamp: at };
}

export interface ParentInstance {
  readonly name: string;
  readonly instanceId: string;
  readonly executionId: string;
  readonly taskId: number;
}

export function executionStarted(start: {
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  /** JSON text, or null for nothing at all. */
  readonly input: string | null;
  readonly parent: ParentInstance | null;
  readonly generation: number | null;
}): HistoryEvent {
  const { parent } = start;
  return {
    OrchestrationInstance: { InstanceId: start.instanceId, ExecutionId: start.executionId },
    EventType: eventType.executionStarted,
    ParentInstance: parent && {
      Name: parent.name,
      OrchestrationInstance: { InstanceId: parent.instanceId, ExecutionId: parent.executionId },
      TaskScheduleId: parent.taskId,
      Version: null,
    },
    Name: start.name,
    Version: null,
    Input: start.input,
    Tags: null,
    Correlation: null,
    ParentTraceContext: null,
    ScheduledStartTime: null,
    Generation: start.generation,
    GenerateNewTrace: false,
    EventId: -1,
    IsPlayed: false,
    Timestamp: timestamp(),
  };
}
