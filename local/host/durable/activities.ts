import { bindingOfType } from '../http/functionRoutes.ts';
import { log } from '../log.ts';
import type { TypedData } from '../worker/coreTypes.ts';
import type { InvocationOutcome, Worker } from '../worker/worker.ts';
import type { HubDatabase, Row } from './database.ts';
import type { DurableFunctions } from './episodes.ts';
import { taskFailed } from './failures.ts';
import { event, eventType, type HistoryEvent } from './history.ts';
import { sendMessage } from './instances.ts';
import { activityTrigger } from './trigger.ts';

/** An activity that this host has taken. */
export interface ClaimedActivity {
  readonly id: number;
  readonly instance: string;
  readonly execution: string;
  readonly task: number;
  readonly name: string;
  readonly input: string | null;
}

/** Runs activities. Each is run at least once: again when its host died before the result was written. */
export class Activities {
  readonly #database: HubDatabase;
  readonly #worker: Worker;
  readonly #functions: DurableFunctions;
  readonly #hostId: number;

  constructor(database: HubDatabase, worker: Worker, functions: DurableFunctions, hostId: number) {
    this.#database = database;
    this.#worker = worker;
    this.#functions = functions;
    this.#hostId = hostId;
  }

  /** Takes the oldest free activities, at most so many. */
  claim(limit: number): ClaimedActivity[] {
    const rows = this.#database.all(
      `UPDATE activities SET owner = ? WHERE id IN (SELECT id FROM activities WHERE owner IS NULL ORDER BY id LIMIT ?)
       RETURNING id, instance, execution, task, name, input`,
      this.#hostId,
      limit,
    );
    return rows.map(toActivity).sort((a, b) => a.id - b.id);
  }

  /**
   * Runs a taken activity and writes its result in one transaction with the end of the work item.
   * @returns the instance that now has a message, or null when its result no longer matters.
   */
  async run(activity: ClaimedActivity): Promise<string | null> {
    const target = this.#functions.activities.get(activity.name.toLowerCase());
    const binding = target && bindingOfType(target.metadata, 'activityTrigger');
    if (!target || !binding) {
      log(
        'warning',
        activity.name,
        `Instance '${activity.instance}' waits for this activity, which the app no longer registers.`,
      );
      return null;
    }
    const trigger = activityTrigger(binding, activity.instance, activity.input);
    const outcome = await this.#worker.invoke(target, trigger.inputData, trigger.metadata);
    if (!outcome.ok) log('error', activity.name, outcome.stack || outcome.message);
    return this.#finish(activity, resultEvent(activity, outcome));
  }

  #finish(activity: ClaimedActivity, result: HistoryEvent): string | null {
    return this.#database.transaction(() => {
      const held = this.#database.run('DELETE FROM activities WHERE id = ? AND owner = ?', activity.id, this.#hostId);
      const current = this.#database.get(
        "SELECT 1 FROM instances WHERE id = ? AND execution = ? AND status IN ('Pending', 'Running', 'Suspended')",
        activity.instance,
        activity.execution,
      );
      if (!held || !current) return null;
      sendMessage(this.#database, activity.instance, activity.execution, result);
      return activity.instance;
    });
  }
}

function toActivity(row: Row): ClaimedActivity {
  return {
    id: Number(row.id),
    instance: String(row.instance),
    execution: String(row.execution),
    task: Number(row.task),
    name: String(row.name),
    input: row.input === null ? null : String(row.input),
  };
}

function resultEvent({ task, name }: ClaimedActivity, outcome: InvocationOutcome): HistoryEvent {
  if (!outcome.ok) return taskFailed(task, name, outcome.message, outcome.stack);
  return event(eventType.taskCompleted, { TaskScheduledId: task, Result: resultText(outcome.response.returnValue) });
}

/** A result as JSON text; nothing, null and undefined are all null. */
function resultText(data: TypedData | null | undefined): string | null {
  if (!data) return null;
  if (data.json !== undefined) return data.json;
  if (data.string !== undefined) return JSON.stringify(data.string);
  if (data.bytes !== undefined) return JSON.stringify(Buffer.from(data.bytes).toString('base64'));
  const number = data.int ?? data.double;
  return number === undefined || number === null ? null : JSON.stringify(number);
}
