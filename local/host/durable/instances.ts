import type { HubDatabase, Row } from './database.ts';
import type { HistoryEvent, ParentInstance } from './history.ts';

export const runtimeStatuses = ['Pending', 'Running', 'Suspended', 'Completed', 'Failed', 'Terminated'] as const;
export type RuntimeStatus = (typeof runtimeStatuses)[number];

export interface Instance {
  readonly id: string;
  readonly execution: string;
  readonly name: string;
  readonly status: RuntimeStatus;
  /** JSON text. */
  readonly input: string;
  /** JSON text of a completed instance, plain text of one that failed, was terminated or is suspended. */
  readonly output: string | null;
  readonly custom: string | null;
  readonly created: string;
  readonly updated: string;
  readonly generation: number;
  readonly parent: ParentInstance | null;
}

export function isFinished(status: RuntimeStatus): boolean {
  return status === 'Completed' || status === 'Failed' || status === 'Terminated';
}

export function toInstance(row: Row): Instance {
  return {
    id: String(row.id),
    execution: String(row.execution),
    name: String(row.name),
    status: row.status as RuntimeStatus,
    input: String(row.input),
    output: row.output === null ? null : String(row.output),
    custom: row.custom === null ? null : String(row.custom),
    created: String(row.created),
    updated: String(row.updated),
    generation: Number(row.generation),
    parent: row.parent === null ? null : (JSON.parse(String(row.parent)) as ParentInstance),
  };
}

export function findInstance(database: HubDatabase, id: string): Instance | undefined {
  const row = database.get('SELECT * FROM instances WHERE id = ?', id);
  return row && toInstance(row);
}

export function historyOf(database: HubDatabase, id: string): HistoryEvent[] {
  const rows = database.all('SELECT event FROM history WHERE instance = ? ORDER BY position', id);
  return rows.map((row) => JSON.parse(String(row.event)) as HistoryEvent);
}

/** Puts a message into an instance's inbox. `event` null only asks for an episode. `due` is in milliseconds since 1970. */
export function sendMessage(
  database: HubDatabase,
  instance: string,
  execution: string | null,
  event: HistoryEvent | null,
  due = 0,
): void {
  const text = event && JSON.stringify(event);
  database.run(
    'INSERT INTO messages (instance, execution, due, event) VALUES (?, ?, ?, ?)',
    instance,
    execution,
    due,
    text,
  );
}

/** Removes an instance with everything it has; answers whether there was one. */
export function deleteInstance(database: HubDatabase, id: string): boolean {
  database.run('DELETE FROM history WHERE instance = ?', id);
  database.run('DELETE FROM messages WHERE instance = ?', id);
  return database.run('DELETE FROM instances WHERE id = ?', id) > 0;
}

export interface NewInstance {
  readonly id: string;
  readonly execution: string;
  readonly name: string;
  readonly input: string;
  readonly parent: ParentInstance | null;
  readonly started: HistoryEvent;
}

/**
 * Creates an instance and sends it its start, inside the caller's transaction. A finished one of that id is replaced; beside an active
 * one only the message is sent, and its first episode drops it: the first start wins.
 */
export function createInstance(database: HubDatabase, start: NewInstance): 'created' | 'beside an active one' {
  const existing = findInstance(database, start.id);
  const beside = existing !== undefined && !isFinished(existing.status);
  if (!beside) {
    if (existing) deleteInstance(database, start.id);
    const generation = existing ? existing.generation + 1 : 0;
    const at = start.started.Timestamp;
    database.run(
      `INSERT INTO instances (id, execution, name, status, input, created, updated, generation, parent)
       VALUES (?, ?, ?, 'Pending', ?, ?, ?, ?, ?)`,
      start.id,
      start.execution,
      start.name,
      start.input,
      at,
      at,
      generation,
      start.parent && JSON.stringify(start.parent),
    );
  }
  sendMessage(database, start.id, start.execution, start.started);
  return beside ? 'beside an active one' : 'created';
}
