/** Reading and writing inside JSON documents by dotted paths; `name[]` walks a list. */

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A list of objects, or an empty one. */
export const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);

export const asObject = (value: unknown): Json => (isObject(value) ? value : {});

export const asText = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The id in `{id}` or a plain id. */
export const idOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : isObject(value) && typeof value.id === 'string' ? value.id : undefined;

export function getAt(root: unknown, path: string): unknown {
  let value: unknown = root;
  for (const name of path.split('.')) value = isObject(value) ? value[name] : undefined;
  return value;
}

export function setAt(root: Json, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let at = root;
  for (const name of names) {
    if (!isObject(at[name])) at[name] = {};
    at = asObject(at[name]);
  }
  if (value === undefined) delete at[last];
  else at[last] = value;
}

export interface Found {
  value: unknown;
  /** The ids of the objects on the way, the nearest first. */
  holders: string[];
}

/** Everything at a path with lists in it, e.g. `properties.ipConfigurations[].properties.subnet`. */
export function findAll(root: unknown, path: string): Found[] {
  let found: Found[] = [{ value: root, holders: [] }];
  for (const step of path.split('.')) {
    const list = step.endsWith('[]');
    const name = list ? step.slice(0, -2) : step;
    found = found.flatMap(({ value, holders }) => {
      if (!isObject(value)) return [];
      const around = typeof value.id === 'string' ? [value.id, ...holders] : holders;
      const next = value[name];
      if (next === undefined || next === null) return [];
      if (!list) return [{ value: next, holders: around }];
      // A map such as userAssignedIdentities is walked by its keys.
      const items = Array.isArray(next) ? next : isObject(next) ? Object.keys(next) : [];
      return items.map((item) => ({ value: item, holders: around }));
    });
  }
  return found;
}

/** `patch` over `base` as JSON merge patch (RFC 7396): null deletes, lists are replaced. */
export function merge(base: Json, patch: Json): Json {
  const result = { ...base };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else if (isObject(value)) result[name] = merge(asObject(result[name]), value);
    else result[name] = value;
  }
  return result;
}

/** Fills in what is missing. */
export function defaults(target: Json, values: Json): void {
  for (const [name, value] of Object.entries(values)) {
    if (target[name] === undefined) target[name] = structuredClone(value);
    else if (isObject(value) && isObject(target[name])) defaults(asObject(target[name]), value);
  }
}

/** Equal as JSON, without regard to the order of members. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => sameJson(x, b[i]));
  if (isObject(a) && isObject(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...names].every((name) => sameJson(a[name], b[name]));
  }
  return a === b;
}
