import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { key, parentId } from './arm/ids.ts';
import type { ArmResource, State } from './contract.ts';

/** A resource with what ARM keeps to itself (times, the VM's power state, addresses it gave out). */
export interface Stored extends ArmResource {
  internal: Record<string, unknown>;
}

type Change = { id: string; before?: ArmResource; after?: ArmResource };
type Element = { id: string; name: string; etag?: string; properties?: Record<string, unknown> };

const schema = `
  create table if not exists resources (key text primary key, type text not null, json text not null);
  create table if not exists meta (key text primary key, value text not null);
  create table if not exists operations (id text primary key, running integer not null, json text not null);
  create index if not exists operations_running on operations (running);
`;

/**
 * Every resource, in memory and in SQLite. A write is on disk before the call returns, so that a killed process loses nothing.
 * What Azure keeps inside its parent's document (subnets, pools, rules) is found by `get` and `list` too, but a change of it
 * is announced as a change of the parent. Nobody may change what `get` returns: clone it.
 */
export class StateStore implements State {
  readonly db: DatabaseSync;
  readonly #rows = new Map<string, Stored>();
  readonly #types = new Map<string, Map<string, Stored>>();
  readonly #listeners = new Set<(change: Change) => void>();

  /** `file`: the SQLite file, or `:memory:`. */
  constructor(file: string) {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
    this.db = new DatabaseSync(file);
    this.db.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000;');
    this.db.exec(schema);
    for (const row of this.db.prepare('select json from resources').all()) this.#index(JSON.parse(String(row.json)));
  }

  get(id: string): Stored | undefined {
    return this.#rows.get(key(id)) ?? this.#embedded(id);
  }

  list(type: string, below?: string): Stored[] {
    const own = [...(this.#types.get(type.toLowerCase())?.values() ?? [])];
    const cut = type.lastIndexOf('/');
    const parents = this.#types.get(type.slice(0, cut).toLowerCase());
    for (const parent of parents?.values() ?? []) own.push(...embeddedIn(parent, type.slice(cut + 1)));
    if (below === undefined) return own;
    const prefix = `${key(below)}/`;
    return own.filter((resource) => key(resource.id).startsWith(prefix));
  }

  /** Every resource with its own row. */
  all(): Stored[] {
    return [...this.#rows.values()];
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes a resource that has its own row. */
  put(resource: Stored): void {
    const before = this.#rows.get(key(resource.id));
    this.db
      .prepare('insert or replace into resources (key, type, json) values (?, ?, ?)')
      .run(key(resource.id), resource.type, JSON.stringify(resource));
    this.#index(resource);
    this.#announce({ id: resource.id, before, after: resource });
  }

  /** Changes a copy of a stored resource and writes it; does nothing when it is gone. */
  update(id: string, change: (copy: Stored) => void): Stored | undefined {
    const row = this.#rows.get(key(id));
    if (row === undefined) return undefined;
    const copy = structuredClone(row);
    change(copy);
    this.put(copy);
    return copy;
  }

  delete(id: string): void {
    const before = this.#rows.get(key(id));
    if (before === undefined) return;
    this.db.prepare('delete from resources where key = ?').run(key(id));
    this.#rows.delete(key(id));
    this.#types.get(before.type.toLowerCase())?.delete(key(id));
    this.#announce({ id: before.id, before });
  }

  /** A value that is made once and kept, e.g. the subscription's id; see `set`. */
  once(name: string, make: () => string): string {
    const row = this.db.prepare('select value from meta where key = ?').get(name);
    if (row !== undefined) return String(row.value);
    const value = make();
    this.db.prepare('insert into meta (key, value) values (?, ?)').run(name, value);
    return value;
  }

  set(name: string, value: string): void {
    this.db.prepare('insert or replace into meta (key, value) values (?, ?)').run(name, value);
  }

  /** Many writes as one on disk. */
  transaction(work: () => void): void {
    this.db.exec('begin');
    try {
      work();
      this.db.exec('commit');
    } catch (error) {
      this.db.exec('rollback');
      throw error;
    }
  }

  close(): void {
    this.#listeners.clear();
    this.db.close();
  }

  #index(resource: Stored): void {
    this.#rows.set(key(resource.id), resource);
    const type = resource.type.toLowerCase();
    const rows = this.#types.get(type) ?? new Map<string, Stored>();
    rows.set(key(resource.id), resource);
    this.#types.set(type, rows);
  }

  #embedded(id: string): Stored | undefined {
    const parent = this.#rows.get(key(parentId(id)));
    if (parent === undefined) return undefined;
    const property = id.split('/').at(-2) ?? '';
    return embeddedIn(parent, property).find((child) => key(child.id) === key(id));
  }

  #announce(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function embeddedIn(parent: Stored, property: string): Stored[] {
  const name = Object.keys(parent.properties).find((p) => p.toLowerCase() === property.toLowerCase());
  const value = name === undefined ? undefined : parent.properties[name];
  if (name === undefined || !Array.isArray(value)) return [];
  return (value as Element[])
    .filter((element) => typeof element?.id === 'string' && key(element.id).startsWith(`${key(parent.id)}/`))
    .map((element) => ({
      id: element.id,
      name: element.name,
      type: `${parent.type}/${name}`,
      location: parent.location,
      properties: element.properties ?? {},
      internal: parent.internal,
    }));
}
