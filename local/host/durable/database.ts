import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';

const schema = `
  CREATE TABLE IF NOT EXISTS hosts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL, started TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS instances (
    id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, input TEXT NOT NULL,
    output TEXT, custom TEXT, created TEXT NOT NULL, updated TEXT NOT NULL, generation INTEGER NOT NULL,
    parent TEXT, owner INTEGER) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS instances_owned ON instances (owner) WHERE owner IS NOT NULL;
  CREATE TABLE IF NOT EXISTS history (
    instance TEXT NOT NULL, position INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance, position)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL, execution TEXT, due REAL NOT NULL, event TEXT);
  CREATE INDEX IF NOT EXISTS messages_due ON messages (due);
  CREATE INDEX IF NOT EXISTS messages_of ON messages (instance, due);
  CREATE TABLE IF NOT EXISTS activities (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL, execution TEXT NOT NULL, task INTEGER NOT NULL,
    name TEXT NOT NULL, input TEXT, owner INTEGER);
  CREATE INDEX IF NOT EXISTS activities_free ON activities (id) WHERE owner IS NULL;
  CREATE INDEX IF NOT EXISTS activities_owned ON activities (owner) WHERE owner IS NOT NULL;
`;

const modeAttempts = 100;
const modeRetryMs = 20;

export type Row = Record<string, SQLOutputValue>;

/**
 * The state of one task hub on disk. Several hosts may have it open. Write-ahead log with NORMAL durability: what is committed
 * survives any death of the process; only the machine's own death may take the last commits.
 */
export class HubDatabase {
  readonly raw: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #seenVersion: SQLOutputValue | undefined;

  constructor(dir: string, hubName: string) {
    mkdirSync(dir, { recursive: true });
    this.raw = new DatabaseSync(join(dir, `${hubName.replace(/[^\w-]/g, '_')}.sqlite`), { timeout: 10_000 });
    this.#useWriteAheadLog();
    this.transaction(() => this.raw.exec(schema));
  }

  /** The change of mode does not wait for a lock by itself: two hosts may be making the store at the same moment. */
  #useWriteAheadLog(): void {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.raw.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
        return;
      } catch (error) {
        if (attempt >= modeAttempts) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, modeRetryMs);
      }
    }
  }

  /** Changes rows; the answer is how many. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  /** All or nothing. Takes the write lock at once, so that nothing read inside can be outdated when it is written. */
  transaction<T>(work: () => T): T {
    this.raw.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.raw.exec('COMMIT');
      return result;
    } catch (error) {
      this.raw.exec('ROLLBACK');
      throw error;
    }
  }

  /** Whether another connection has written anything since the last time this was asked. */
  changedByOthers(): boolean {
    const version = this.get('PRAGMA data_version')?.data_version;
    const changed = version !== this.#seenVersion;
    this.#seenVersion = version;
    return changed;
  }

  close(): void {
    this.raw.close();
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const made = this.raw.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}
