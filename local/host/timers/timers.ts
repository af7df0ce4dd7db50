import { Cron } from 'croner';
import type { HubDatabase } from '../durable/database.ts';
import { bindingOfType } from '../http/functionRoutes.ts';
import { log } from '../log.ts';
import { resolveAppSettings } from '../settings.ts';
import type { BindingInfo, TypedData } from '../worker/coreTypes.ts';
import type { RegisteredFunction, Worker } from '../worker/worker.ts';

/** Intervals under a minute have their monitor switched off, whatever the function asks for. */
const monitorFromMs = 60_000;
const maxDelayMs = 0x7fffffff;

interface Schedule {
  readonly target: RegisteredFunction;
  readonly binding: BindingInfo;
  readonly cron: Cron;
  readonly monitored: boolean;
  timer: NodeJS.Timeout | undefined;
}

interface MonitorStatus {
  readonly Last: string;
  readonly Next: string;
  readonly LastUpdated: string;
}

/**
 * Timer-triggered functions: six-field NCRONTAB schedules in UTC. Of several hosts on one store only one runs a tick, and none while
 * an earlier one still runs: as on the real host the next comes right after a run that was too long, however many it has outlasted.
 */
export class Timers {
  readonly #database: HubDatabase;
  readonly #hostId: number;
  readonly #worker: Worker;
  readonly #extraInputs: (target: RegisteredFunction) => { name: string; data: TypedData }[];
  readonly #schedules = new Map<string, Schedule>();
  #stopped = false;

  constructor(
    database: HubDatabase,
    hostId: number,
    worker: Worker,
    extraInputs: (target: RegisteredFunction) => { name: string; data: TypedData }[],
  ) {
    this.#database = database;
    this.#hostId = hostId;
    this.#worker = worker;
    this.#extraInputs = extraInputs;
    database.raw.exec(
      `CREATE TABLE IF NOT EXISTS timers (name TEXT PRIMARY KEY, last TEXT, next TEXT, updated TEXT, tick INTEGER) WITHOUT ROWID;
       CREATE TABLE IF NOT EXISTS timerRuns (name TEXT PRIMARY KEY, owner INTEGER NOT NULL) WITHOUT ROWID;`,
    );
  }

  /** Starts the schedules. A tick that was missed while no host ran comes at once, marked as past due. */
  start(): void {
    for (const target of this.#worker.functions.values()) {
      const binding = bindingOfType(target.metadata, 'timerTrigger');
      if (binding) this.#add(target, binding);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const schedule of this.#schedules.values()) clearTimeout(schedule.timer);
  }

  /** Runs a timer function by hand, also beside a tick. `input` only shows up in the trigger metadata, under the binding's name. */
  async runByHand(name: string, input: unknown): Promise<void> {
    const schedule = this.#schedules.get(name);
    if (!schedule) return;
    await this.#invoke(
      schedule,
      false,
      typeof input === 'string' ? { [schedule.binding.name]: { string: input } } : {},
    );
  }

  #add(target: RegisteredFunction, binding: BindingInfo): void {
    const cron = parseSchedule(target.metadata.name, binding);
    if (!cron) return;
    const [first, second] = cron.nextRuns(2);
    const interval = first && second ? second.getTime() - first.getTime() : Number.POSITIVE_INFINITY;
    const monitored = binding.useMonitor !== false && interval >= monitorFromMs;
    const schedule: Schedule = { target, binding, cron, monitored, timer: undefined };
    this.#schedules.set(target.metadata.name, schedule);
    const missed = monitored ? this.#missedTick(schedule) : null;
    if (missed || binding.runOnStartup === true) void this.#tick(schedule, missed ?? new Date(), missed !== null);
    else this.#arm(schedule, cron.nextRun());
  }

  #missedTick({ target, cron }: Schedule): Date | null {
    const status = this.#status(target.metadata.name);
    if (!status) this.#write(target.metadata.name, '0001-01-01T00:00:00+00:00', cron.nextRun());
    return status && Date.parse(status.Next) < Date.now() ? new Date(status.Next) : null;
  }

  #arm(schedule: Schedule, next: Date | null): void {
    if (!next || this.#stopped) return;
    const left = next.getTime() - Date.now();
    // setTimeout may be a millisecond early: aim at the tick, and look again when it is not there yet.
    schedule.timer = setTimeout(
      () => {
        if (Date.now() < next.getTime()) this.#arm(schedule, next);
        else void this.#tick(schedule, next, false);
      },
      Math.max(1, Math.min(left, maxDelayMs)),
    );
  }

  /** True for the one host that may run this tick: no host has run it, and none that lives is still at an earlier one. */
  #claimTick(name: string, tick: number): boolean {
    return this.#database.transaction(() => {
      if (this.#database.get('SELECT 1 FROM timerRuns JOIN hosts ON hosts.id = owner WHERE name = ?', name))
        return false;
      const isNew = this.#database.run(
        `INSERT INTO timers (name, tick) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET tick = ?2 WHERE tick IS NULL OR tick < ?2`,
        name,
        tick,
      );
      if (isNew) this.#database.run('INSERT OR REPLACE INTO timerRuns (name, owner) VALUES (?, ?)', name, this.#hostId);
      return isNew > 0;
    });
  }

  /** Runs a tick if it is this host's, and waits for the one after its beginning. Only ticks, not runs by hand, are written into the monitor. */
  async #tick(schedule: Schedule, tick: Date, isPastDue: boolean): Promise<void> {
    const { name } = schedule.target.metadata;
    const startedAt = new Date();
    const next = schedule.cron.nextRun(startedAt);
    try {
      if (!this.#claimTick(name, tick.getTime())) return;
      await this.#invoke(schedule, isPastDue, {});
      if (schedule.monitored) this.#write(name, offsetText(startedAt), next);
      this.#database.run('DELETE FROM timerRuns WHERE name = ? AND owner = ?', name, this.#hostId);
    } catch (error) {
      log('critical', name, `A tick could not be run or written: ${String(error)}`);
    } finally {
      this.#arm(schedule, next);
    }
  }

  async #invoke(schedule: Schedule, isPastDue: boolean, metadata: Record<string, TypedData>): Promise<void> {
    const { target, binding, monitored } = schedule;
    const { name } = target.metadata;
    const status = monitored ? this.#status(name) : null;
    const input = { Schedule: { AdjustForDST: true }, ScheduleStatus: status, IsPastDue: isPastDue };
    const inputs = [{ name: binding.name, data: { json: JSON.stringify(input) } }, ...this.#extraInputs(target)];
    const outcome = await this.#worker.invoke(target, inputs, {
      TimerTrigger: { string: localText(new Date()) },
      ...metadata,
    });
    if (!outcome.ok) log('error', name, outcome.stack || outcome.message);
  }

  #status(name: string): MonitorStatus | null {
    const row = this.#database.get('SELECT last, next, updated FROM timers WHERE name = ? AND next IS NOT NULL', name);
    return row ? { Last: String(row.last), Next: String(row.next), LastUpdated: String(row.updated) } : null;
  }

  #write(name: string, last: string, next: Date | null): void {
    this.#database.run(
      `INSERT INTO timers (name, last, next, updated) VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT (name) DO UPDATE SET last = ?2, next = ?3, updated = ?4`,
      name,
      last,
      next ? offsetText(next) : null,
      offsetText(new Date()),
    );
  }
}

function parseSchedule(name: string, binding: BindingInfo): Cron | null {
  try {
    return new Cron(resolveAppSettings(String(binding.schedule)), { timezone: 'UTC', mode: '6-part', paused: true });
  } catch (error) {
    log(
      'error',
      name,
      `The schedule '${String(binding.schedule)}' is not a six-field NCRONTAB expression: ${String(error)}`,
    );
    return null;
  }
}

function offsetText(date: Date): string {
  return date.toISOString().replace(/(\.000)?Z$/, '+00:00');
}

/** MM/dd/yyyy HH:mm:ss. */
function localText(date: Date): string {
  const [year, month, day] = date.toISOString().slice(0, 10).split('-');
  return `${month}/${day}/${year} ${date.toISOString().slice(11, 19)}`;
}
