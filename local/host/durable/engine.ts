import { log } from '../log.ts';
import type { Worker } from '../worker/worker.ts';
import { Activities } from './activities.ts';
import type { HubDatabase } from './database.ts';
import { type DurableFunctions, Episodes } from './episodes.ts';
import { Leases } from './leases.ts';

export interface EngineLimits {
  readonly maxActivities: number;
  readonly maxOrchestrators: number;
}

/** How often hosts that share a store look whether another has died, left or written something. */
const neighbourCheckMs = 2_000;
/** After a failure of the host's own, such as a full disk. */
const retryMs = 1_000;
/** The longest delay that setTimeout takes. */
const maxDelayMs = 0x7fffffff;

/**
 * Drives everything durable. Nothing is polled: whoever writes a message or an activity wakes the engine, one timer waits for the earliest
 * due message. Only what other hosts on the same store do or leave undone is looked for from time to time.
 */
export class Engine {
  readonly #database: HubDatabase;
  readonly #leases: Leases;
  readonly #episodes: Episodes;
  readonly #activities: Activities;
  readonly #limits: EngineLimits;
  readonly #ready = new Set<string>();
  readonly #busy = new Set<string>();
  #activitiesRunning = 0;
  #pumpAsked = false;
  #stopping = false;
  /** Every message that was due at this time has had its instance woken. */
  #wokenUpTo = 0;
  #dueTimer: NodeJS.Timeout | undefined;
  #neighbourTimer: NodeJS.Timeout | undefined;

  /** What its leases are marked with. */
  get hostId(): number {
    return this.#leases.hostId;
  }

  constructor(database: HubDatabase, worker: Worker, functions: DurableFunctions, limits: EngineLimits) {
    this.#database = database;
    this.#limits = limits;
    this.#leases = new Leases(database);
    this.#episodes = new Episodes(database, worker, functions, this.#leases.hostId);
    this.#activities = new Activities(database, worker, functions, this.#leases.hostId);
  }

  /** Takes up everything that is due, also what a dead host has left. */
  start(): void {
    this.#wakeDue();
    this.#neighbourTimer = setInterval(() => this.#checkNeighbours(), neighbourCheckMs);
    this.#neighbourTimer.unref();
  }

  /** Says that an instance has a message, or that there may be a new one due later. */
  wake(...instances: readonly string[]): void {
    for (const id of instances) this.#ready.add(id);
    this.#askPump();
  }

  /** Takes no more work. What runs may finish; its results are still written. */
  stop(): void {
    this.#stopping = true;
    clearTimeout(this.#dueTimer);
    clearInterval(this.#neighbourTimer);
  }

  /** Gives back what is still held, for the next host to take at once. */
  leave(): void {
    this.#leases.leave();
  }

  #askPump(): void {
    if (this.#pumpAsked || this.#stopping) return;
    this.#pumpAsked = true;
    // One turn later, so that messages that arrive together come in one episode.
    setImmediate(() => {
      this.#pumpAsked = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#stopping) return;
    for (const id of this.#ready) {
      if (this.#busy.size >= this.#limits.maxOrchestrators) break;
      if (this.#busy.has(id)) continue;
      this.#ready.delete(id);
      void this.#runEpisode(id);
    }
    const free = this.#limits.maxActivities - this.#activitiesRunning;
    if (free > 0) for (const activity of this.#activities.claim(free)) void this.#runActivity(activity);
    this.#armDueTimer();
  }

  async #runEpisode(id: string): Promise<void> {
    this.#busy.add(id);
    try {
      const wakes = await this.#episodes.run(id);
      // A message may have come in while the episode ran.
      if (wakes) this.wake(id, ...wakes.instances);
    } catch (error) {
      log(
        'critical',
        'durable',
        `An episode of '${id}' could not be run or written and is tried again: ${String(error)}`,
      );
      setTimeout(() => this.#retry(id), retryMs).unref();
    } finally {
      this.#busy.delete(id);
      if (this.#ready.size) this.#askPump();
    }
  }

  #retry(id: string): void {
    if (this.#stopping) return;
    this.#episodes.release(id);
    this.wake(id);
  }

  async #runActivity(activity: Parameters<Activities['run']>[0]): Promise<void> {
    this.#activitiesRunning += 1;
    try {
      const instance = await this.#activities.run(activity);
      if (instance) this.#ready.add(instance);
    } catch (error) {
      log(
        'critical',
        activity.name,
        `The result for '${activity.instance}' could not be written and is left for a restart: ${String(error)}`,
      );
    } finally {
      this.#activitiesRunning -= 1;
      this.#askPump();
    }
  }

  #armDueTimer(): void {
    clearTimeout(this.#dueTimer);
    // Counted from the last look, not from now: what has become due since then must not be forgotten here.
    this.#wokenUpTo = Math.min(this.#wokenUpTo, Date.now());
    const due = this.#database.get('SELECT min(due) AS due FROM messages WHERE due > ?', this.#wokenUpTo)?.due;
    if (due === null || due === undefined) return;
    const delay = Math.max(0, Math.min(Number(due) - Date.now(), maxDelayMs));
    this.#dueTimer = setTimeout(() => this.#wakeDue(), delay);
  }

  #wakeDue(): void {
    this.#wokenUpTo = Date.now();
    const rows = this.#database.all('SELECT DISTINCT instance FROM messages WHERE due <= ?', this.#wokenUpTo);
    this.wake(...rows.map((row) => String(row.instance)));
  }

  #checkNeighbours(): void {
    if (this.#stopping) return;
    const someDied = this.#leases.releaseDead();
    if (someDied) log('information', 'durable', 'Another host on this store has died: its work is taken over.');
    // One that was stopped leaves no row behind, only work that is nobody's now, and timers that nobody waits for.
    if (this.#database.changedByOthers() || someDied) this.#wakeDue();
  }
}
