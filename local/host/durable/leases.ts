import { readFileSync } from 'node:fs';
import type { HubDatabase } from './database.ts';

/**
 * Who works on what. A work item belongs to one host process by a lease row; a lease lasts as long as the process, which is looked up by
 * process id and start time (all hosts of a store run on one machine). So a killed host's work is free at once and a slow one's never.
 */
export class Leases {
  readonly hostId: number;
  readonly #database: HubDatabase;

  constructor(database: HubDatabase) {
    this.#database = database;
    this.hostId = database.transaction(() => {
      const started = processStart(process.pid);
      const row = database.get(
        'INSERT INTO hosts (pid, started) VALUES (?, ?) RETURNING id',
        process.pid,
        started ?? '',
      );
      return Number(row?.id);
    });
    this.releaseDead();
  }

  /** Frees what hosts held that no longer live; answers whether there was anything. */
  releaseDead(): boolean {
    const others = this.#database.all('SELECT id, pid, started FROM hosts WHERE id <> ?', this.hostId);
    const dead = others.filter((row) => processStart(Number(row.pid)) !== String(row.started));
    for (const row of dead) this.#release(Number(row.id));
    return dead.length > 0;
  }

  /** Frees everything this host holds and forgets it. */
  leave(): void {
    this.#release(this.hostId);
  }

  #release(hostId: number): void {
    this.#database.transaction(() => {
      this.#database.run('UPDATE instances SET owner = NULL WHERE owner = ?', hostId);
      this.#database.run('UPDATE activities SET owner = NULL WHERE owner = ?', hostId);
      this.#database.run('DELETE FROM hosts WHERE id = ?', hostId);
    });
  }
}

/** When a process started, in the kernel's ticks since boot, or null when there is no such process (a zombie counts as none). */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
