import { bindingOfType } from '../http/functionRoutes.ts';
import { log } from '../log.ts';
import type { RegisteredFunction, Worker } from '../worker/worker.ts';
import { readAnswer } from './answer.ts';
import { commitEpisode, type Wakes } from './commit.ts';
import type { HubDatabase } from './database.ts';
import { event, eventType, type HistoryEvent } from './history.ts';
import { historyOf, type Instance, isFinished, toInstance } from './instances.ts';
import { type Decision, replay } from './replay.ts';
import { orchestrationTrigger } from './trigger.ts';

/** The durable functions of the app by lower-cased name. */
export interface DurableFunctions {
  readonly orchestrators: ReadonlyMap<string, RegisteredFunction>;
  readonly activities: ReadonlyMap<string, RegisteredFunction>;
}

interface Claimed {
  readonly instance: Instance;
  readonly messages: readonly { id: number; execution: string | null; event: HistoryEvent | null }[];
}

/** How many warnings are remembered as said. */
const maxWarned = 10_000;

/** Runs orchestrator episodes of the instances that have something in their inbox. */
export class Episodes {
  readonly #database: HubDatabase;
  readonly #worker: Worker;
  readonly #functions: DurableFunctions;
  readonly #hostId: number;
  readonly #warned = new Set<string>();

  constructor(database: HubDatabase, worker: Worker, functions: DurableFunctions, hostId: number) {
    this.#database = database;
    this.#worker = worker;
    this.#functions = functions;
    this.#hostId = hostId;
  }

  /**
   * Runs one episode of an instance.
   * @returns what it has woken, or null when there was nothing to do or another host is at it. Otherwise the caller looks again: a
   * message that came while this host had the instance woke nobody if another host wrote it.
   */
  async run(id: string): Promise<Wakes | null> {
    const claimed = this.#claim(id);
    if (!claimed) return null;
    const { instance } = claimed;
    const past = historyOf(this.#database, id);
    const used = claimed.messages.filter((message) => concerns(message, instance));
    const messageIds = claimed.messages.map((message) => message.id);
    if (isFinished(instance.status) || !used.length) {
      this.#drop(id, messageIds);
      return { instances: [], activities: 0 };
    }
    const arrived = used.flatMap((message) => message.event ?? []);
    // After continueAsNew the history begins with the marks of the episode that ended: the first one adds none.
    const isContinuation = arrived.length === 0;
    const before = isContinuation ? [] : past;
    const fresh = isContinuation ? past : [event(eventType.orchestratorStarted, {}), ...arrived];
    const { decision, customStatus } = await this.#decide(instance, before, fresh);
    for (const warning of decision.warnings) this.#warnOnce(instance, warning);
    return commitEpisode(this.#database, {
      instance,
      owner: this.#hostId,
      messageIds,
      pastLength: past.length,
      fresh: isContinuation ? [] : fresh,
      decision,
      customStatus,
    });
  }

  /** A replay sees the same thing again in every episode. */
  #warnOnce({ id, name, execution }: Instance, text: string): void {
    const key = `${execution} ${text}`;
    if (this.#warned.has(key)) return;
    if (this.#warned.size >= maxWarned) this.#warned.clear();
    this.#warned.add(key);
    log('warning', name, `Instance '${id}': ${text}`);
  }

  #claim(id: string): Claimed | null {
    return this.#database.transaction(() => {
      const rows = this.#database.all(
        'SELECT id, execution, event FROM messages WHERE instance = ? AND due <= ? ORDER BY due, id',
        id,
        Date.now(),
      );
      if (!rows.length) return null;
      const row = this.#database.get(
        'UPDATE instances SET owner = ? WHERE id = ? AND owner IS NULL RETURNING *',
        this.#hostId,
        id,
      );
      if (!row) {
        // Without an instance (purged, or never created) its messages concern nobody.
        if (!this.#database.get('SELECT 1 FROM instances WHERE id = ?', id))
          this.#database.run('DELETE FROM messages WHERE instance = ?', id);
        return null;
      }
      const messages = rows.map(({ id: messageId, execution, event: text }) => ({
        id: Number(messageId),
        execution: execution === null ? null : String(execution),
        event: text === null ? null : (JSON.parse(String(text)) as HistoryEvent),
      }));
      // The request for an episode after continueAsNew is handled alone.
      const alone = messages.filter((message) => message.event === null).slice(0, 1);
      return { instance: toInstance(row), messages: alone.length ? alone : messages };
    });
  }

  /** Gives an instance back whose episode could not be run or written; its messages stay. */
  release(id: string): void {
    this.#drop(id, []);
  }

  #drop(id: string, messageIds: readonly number[]): void {
    this.#database.transaction(() => {
      for (const messageId of messageIds) this.#database.run('DELETE FROM messages WHERE id = ?', messageId);
      this.#database.run('UPDATE instances SET owner = NULL WHERE id = ? AND owner = ?', id, this.#hostId);
    });
  }

  async #decide(
    instance: Instance,
    past: readonly HistoryEvent[],
    fresh: readonly HistoryEvent[],
  ): Promise<{ decision: Decision; customStatus: string | null }> {
    const target = this.#functions.orchestrators.get(instance.name.toLowerCase());
    const binding = target && bindingOfType(target.metadata, 'orchestrationTrigger');
    if (!target || !binding) return { decision: this.#unknownOrchestrator(instance), customStatus: instance.custom };
    const trigger = orchestrationTrigger(binding, instance, past, fresh);
    const answer = readAnswer(await this.#worker.invoke(target, trigger.inputData, trigger.metadata));
    const decision = replay([...past, ...fresh], answer, {
      name: instance.name,
      executionId: instance.execution,
      activities: new Set(this.#functions.activities.keys()),
      orchestrators: new Set(this.#functions.orchestrators.keys()),
    });
    const status = answer.customStatus;
    return { decision, customStatus: status === undefined || status === null ? null : JSON.stringify(status) };
  }

  #unknownOrchestrator(instance: Instance): Decision {
    const known = [...this.#functions.orchestrators.values()].map(({ metadata }) => `'${metadata.name}'`).join(', ');
    const reason = `The function '${instance.name}' doesn't exist, is disabled, or is not an orchestrator function. Additional info: The following are the known orchestrator functions: ${known}.`;
    return {
      scheduled: [],
      completion: {
        status: 'Failed',
        output: `Orchestrator function '${instance.name}' failed: ${reason}`,
        details: reason,
      },
      suspended: null,
      unconsumedEvents: [],
      warnings: [],
    };
  }
}

/** Messages to an earlier execution of the same id are dropped. */
function concerns(message: Claimed['messages'][number], instance: Instance): boolean {
  if (message.execution === null || message.execution === instance.execution) return true;
  if (message.event?.EventType === eventType.executionStarted) {
    const text =
      'was started twice at the same moment: as on the real host both starts were accepted, and one is dropped.';
    log('warning', instance.name, `Instance '${instance.id}' ${text}`);
  }
  return false;
}
