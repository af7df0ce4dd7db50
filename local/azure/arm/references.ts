import type { StateStore, Stored } from '../state.ts';
import { key } from './ids.ts';
import type { Kind, Reference } from './kind.ts';
import { findAll, idOf } from './values.ts';

export interface Use {
  /** The resource that holds the reference. */
  source: string;
  /** The part of it that does (an ipConfiguration), or the resource itself. */
  holder: string;
  target: string;
  reference: Reference;
}

/** The references of a document, in its own words. */
export function usesOf(kind: Kind, resource: Stored): Use[] {
  return (kind.references ?? []).flatMap((reference) =>
    findAll(resource, reference.path).flatMap(({ value, holders }) => {
      const target = idOf(value);
      if (target === undefined) return [];
      const holder = reference.whole ? resource.id : (holders[0] ?? resource.id);
      return [{ source: resource.id, holder, target, reference }];
    }),
  );
}

/**
 * Who refers to whom: the one place behind back references and in-use checks. A reference counts until its resource is gone,
 * and for `lagMs()` after that, as in Azure, where a deleted NIC may still occupy its subnet for a moment.
 */
export class References {
  readonly #bySource = new Map<string, Use[]>();
  readonly #byTarget = new Map<string, Set<Use>>();
  readonly #kinds: Map<string, Kind>;
  readonly #end: () => void;

  constructor(state: StateStore, kinds: Map<string, Kind>, lagMs: () => number = () => 0) {
    this.#kinds = kinds;
    for (const resource of state.all()) this.#set(resource);
    this.#end = state.onChange(({ id, after }) => {
      if (after !== undefined) this.#set(after as Stored);
      else if (lagMs() === 0) this.#drop(id);
      else setTimeout(() => state.get(id) ?? this.#drop(id), lagMs()).unref();
    });
  }

  /** Uses of exactly this id. */
  of(id: string): Use[] {
    return [...(this.#byTarget.get(key(id)) ?? [])];
  }

  /** Ids of those whose reference keeps `id` from being deleted; its own parts do not count. */
  users(id: string): string[] {
    const own = key(id);
    return this.of(id)
      .filter((use) => use.reference.loose !== true && key(use.source) !== own)
      .map((use) => use.holder);
  }

  close(): void {
    this.#end();
  }

  #set(resource: Stored): void {
    this.#drop(resource.id);
    const kind = this.#kinds.get(resource.type.toLowerCase());
    if (kind?.references === undefined) return;
    const uses = usesOf(kind, resource);
    this.#bySource.set(key(resource.id), uses);
    for (const use of uses) {
      const set = this.#byTarget.get(key(use.target)) ?? new Set<Use>();
      set.add(use);
      this.#byTarget.set(key(use.target), set);
    }
  }

  #drop(id: string): void {
    for (const use of this.#bySource.get(key(id)) ?? []) this.#byTarget.get(key(use.target))?.delete(use);
    this.#bySource.delete(key(id));
  }
}
