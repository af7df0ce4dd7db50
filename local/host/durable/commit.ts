import { randomUUID } from 'node:crypto';
import { log } from '../log.ts';
import { milliseconds, timestamp } from './clock.ts';
import type { HubDatabase } from './database.ts';
import { subOrchestrationFailed } from './failures.ts';
import { event, eventType, executionStarted, type HistoryEvent } from './history.ts';
import { createInstance, type Instance, sendMessage } from './instances.ts';
import type { Completion, Decision } from './replay.ts';
import type { Scheduled } from './scheduledWork.ts';

/** An episode that has been run and is to be written. */
export interface Episode {
  readonly instance: Instance;
  readonly owner: number;
  readonly messageIds: readonly number[];
  readonly pastLength: number;
  /** The events that this episode has added in front of its decisions. */
  readonly fresh: readonly HistoryEvent[];
  readonly decision: Decision;
  /** JSON text or null. */
  readonly customStatus: string | null;
}

/** Whom a commit has given something to do. */
export interface Wakes {
  readonly instances: readonly string[];
  readonly activities: number;
}

/**
 * Writes the whole result of an episode in one transaction: the messages it has consumed go, history, new work, the instance's state come,
 * its lease ends. A death before or after leaves either the old or the new state.
 * @returns null when this host no longer has the lease; then nothing is written.
 */
export function commitEpisode(database: HubDatabase, episode: Episode): Wakes | null {
  return database.transaction(() => {
    const { instance, decision } = episode;
    const held = database.get('SELECT owner, execution FROM instances WHERE id = ?', instance.id);
    if (held?.owner !== episode.owner || held.execution !== instance.execution) return null;
    for (const id of episode.messageIds) database.run('DELETE FROM messages WHERE id = ?', id);
    if (decision.completion?.status === 'ContinuedAsNew')
      return continueAsNew(database, episode, decision.completion.input);

    const wakes = new Set<string>();
    let activities = 0;
    const events = [...episode.fresh];
    for (const [id, scheduled] of decision.scheduled) {
      events.push(schedulingEvent(id, scheduled));
      if (scheduled.kind === 'activity') activities += 1;
      const woken = startScheduled(database, instance, id, scheduled);
      if (woken) wakes.add(woken);
    }
    if (decision.completion) events.push(completionEvent(decision.completion));
    // The first episode after continueAsNew finds its mark in the history already, and adds another only when it has scheduled something.
    if (episode.fresh.length || events.length) events.push(event(eventType.orchestratorCompleted, {}));
    appendHistory(database, instance.id, episode.pastLength, events);
    if (decision.completion) {
      const parent = tellParent(database, instance, decision.completion);
      if (parent) wakes.add(parent);
    }
    const state = stateAfter(decision);
    database.run(
      'UPDATE instances SET status = ?, output = ?, custom = ?, updated = ?, owner = NULL WHERE id = ?',
      state.status,
      state.output,
      episode.customStatus,
      timestamp(),
      instance.id,
    );
    return { instances: [...wakes], activities };
  });
}

function appendHistory(database: HubDatabase, id: string, position: number, events: readonly HistoryEvent[]): void {
  for (const [index, each] of events.entries()) {
    database.run(
      'INSERT INTO history (instance, position, event) VALUES (?, ?, ?)',
      id,
      position + index,
      JSON.stringify(each),
    );
  }
}

function schedulingEvent(id: number, scheduled: Scheduled): HistoryEvent {
  switch (scheduled.kind) {
    case 'activity':
      return event(
        eventType.taskScheduled,
        { Name: scheduled.name, Version: '', Input: null, ParentTraceContext: null, Tags: null },
        id,
      );
    case 'timer':
      return event(eventType.timerCreated, { FireAt: scheduled.fireAt }, id);
    case 'orchestration':
      return event(
        eventType.subOrchestrationCreated,
        {
          Name: scheduled.name,
          Version: null,
          InstanceId: scheduled.instanceId,
          Input: null,
          ClientSpanId: null,
          Tags: null,
        },
        id,
      );
  }
}

/** Puts scheduled work where it is picked up; answers the instance that now has a message, if any. */
function startScheduled(database: HubDatabase, instance: Instance, id: number, scheduled: Scheduled): string | null {
  switch (scheduled.kind) {
    case 'activity':
      database.run(
        'INSERT INTO activities (instance, execution, task, name, input) VALUES (?, ?, ?, ?, ?)',
        instance.id,
        instance.execution,
        id,
        scheduled.name,
        scheduled.input,
      );
      return null;
    case 'timer': {
      const fired = event(eventType.timerFired, { TimerId: id, FireAt: scheduled.fireAt });
      // The storage queue takes a delay in whole seconds, so a timer fires up to a second early.
      const left = milliseconds(scheduled.fireAt) - Date.now();
      const seconds = Math.max(0, Math.floor(left / 1000));
      if (left > 0 && !seconds) {
        const text = `a timer of ${Math.round(left)} ms fires at once, as on the real host, which cuts delays to whole seconds.`;
        log('warning', instance.name, `Instance '${instance.id}': ${text}`);
      }
      sendMessage(database, instance.id, instance.execution, fired, seconds ? Date.now() + seconds * 1000 : 0);
      return seconds ? null : instance.id;
    }
    case 'orchestration':
      createChild(database, instance, id, scheduled);
      return scheduled.instanceId;
  }
}

function createChild(
  database: HubDatabase,
  parent: Instance,
  taskId: number,
  child: Extract<Scheduled, { kind: 'orchestration' }>,
): void {
  const execution = randomUUID().replaceAll('-', '');
  const link = { name: parent.name, instanceId: parent.id, executionId: parent.execution, taskId };
  const start = {
    instanceId: child.instanceId,
    executionId: execution,
    name: child.name,
    // Null from a parent arrives as nothing, null from a client as the text `null`.
    input: child.input === 'null' ? null : child.input,
    parent: link,
    generation: null,
  };
  createInstance(database, {
    id: child.instanceId,
    execution,
    name: child.name,
    input: child.input,
    parent: link,
    started: executionStarted(start),
  });
}

function completionEvent(completion: Completion): HistoryEvent {
  const result = completion.status === 'ContinuedAsNew' ? completion.input : completion.output;
  return event(eventType.executionCompleted, {
    OrchestrationStatus: completion.status,
    Result: result,
    FailureDetails: null,
  });
}

function tellParent(database: HubDatabase, instance: Instance, completion: Completion): string | null {
  const { parent } = instance;
  if (!parent || completion.status === 'ContinuedAsNew') return null;
  const told =
    completion.status === 'Completed'
      ? event(eventType.subOrchestrationCompleted, { TaskScheduledId: parent.taskId, Result: completion.output })
      : subOrchestrationFailed(parent.taskId, completion.output ?? '', completion.details ?? completion.output ?? '');
  sendMessage(database, parent.instanceId, parent.executionId, told);
  return parent.instanceId;
}

function stateAfter({ completion, suspended }: Decision): { status: string; output: string | null } {
  if (suspended) return { status: 'Suspended', output: suspended.reason };
  if (completion && completion.status !== 'ContinuedAsNew')
    return { status: completion.status, output: completion.output };
  return { status: 'Running', output: null };
}

/** A new execution under the same id: its history begins anew and already holds the mark of a finished episode, as on the real host. */
function continueAsNew(database: HubDatabase, { instance, decision, customStatus }: Episode, input: string): Wakes {
  const execution = randomUUID().replaceAll('-', '');
  const started = executionStarted({
    instanceId: instance.id,
    executionId: execution,
    name: instance.name,
    input,
    parent: instance.parent,
    generation: null,
  });
  database.run('DELETE FROM history WHERE instance = ?', instance.id);
  appendHistory(database, instance.id, 0, [
    event(eventType.orchestratorStarted, {}),
    started,
    { ...event(eventType.orchestratorCompleted, {}), carriedOver: true },
  ]);
  database.run(
    "UPDATE instances SET execution = ?, status = 'Running', input = ?, output = NULL, custom = ?, created = ?, updated = ?, owner = NULL WHERE id = ?",
    execution,
    input,
    customStatus,
    started.Timestamp,
    timestamp(),
    instance.id,
  );
  sendMessage(database, instance.id, execution, null);
  for (const { name, input: data } of decision.unconsumedEvents) {
    sendMessage(
      database,
      instance.id,
      null,
      event(eventType.eventRaised, { Name: name, Input: data, ParentTraceContext: null }),
    );
  }
  return { instances: [instance.id], activities: 0 };
}
