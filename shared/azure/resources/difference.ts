import { hasFailed } from '../resource.ts';

/**
 * The body to PUT so that `wanted` holds: all of it when nothing is there, undefined when all of it holds already, else what was
 * found with ours laid over it. Azure's answer has more than was sent (defaults, read-only fields, what others added) and may
 * change the case of ids and enumerations, so only what we set is compared.
 */
export function bodyToPut<Body extends object>(found: Body | undefined, wanted: Body): Body | undefined {
  if (found === undefined) return wanted;
  return holds(found, wanted) && !hasFailed(found) ? undefined : overlay(found, wanted);
}

/** Where a resource is cannot change, and Azure may answer with another spelling (`West Europe`). */
const ignored = new Set(['location']);

/** Does everything that `wanted` sets stand in `found`? Members of lists are found by `name` or `id`; others' members do not matter. */
export function holds(found: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) return Array.isArray(found) && listHolds(found, wanted);
  if (isObject(wanted)) {
    if (!isObject(found)) return false;
    return Object.entries(wanted).every(([key, value]) => {
      if (ignored.has(key)) return true;
      return key === 'tags' ? sameTags(found.tags, value) : holds(member(found, key), value);
    });
  }
  return sameScalar(found, wanted);
}

function listHolds(found: unknown[], wanted: unknown[]): boolean {
  if (!wanted.every(isObject)) {
    return found.length === wanted.length && wanted.every((one) => found.some((other) => sameScalar(other, one)));
  }
  return wanted.every((one) => holds(counterpart(found, one), one));
}

/** Ours over what was found: members of lists by `name` or `id`, others' kept; tags as ours say. */
export function overlay<T>(found: T, wanted: T): T;
export function overlay(found: unknown, wanted: unknown): unknown {
  if (wanted === undefined) return found;
  if (Array.isArray(wanted))
    return Array.isArray(found) && wanted.every(isObject) ? overlayList(found, wanted) : wanted;
  if (!isObject(wanted) || !isObject(found)) return wanted;
  const merged: Record<string, unknown> = { ...found };
  for (const [key, value] of Object.entries(wanted)) {
    if (value !== undefined) merged[key] = key === 'tags' ? value : overlay(found[key], value);
  }
  return merged;
}

function overlayList(found: unknown[], wanted: Record<string, unknown>[]): unknown[] {
  const kept = found.map((one) => {
    const ours = isObject(one) ? counterpart(wanted, one) : undefined;
    return ours === undefined ? one : overlay(one, ours);
  });
  return [...kept, ...wanted.filter((one) => counterpart(found, one) === undefined)];
}

function counterpart(list: unknown[], one: Record<string, unknown>): unknown {
  const key = typeof one.name === 'string' ? 'name' : 'id';
  return list.find((other) => isObject(other) && other[key] !== undefined && sameScalar(other[key], one[key]));
}

/** Keys that are ids (userAssignedIdentities) come back in another case. */
function member(object: Record<string, unknown>, key: string): unknown {
  if (key in object) return object[key];
  const other = Object.keys(object).find((name) => name.toLowerCase() === key.toLowerCase());
  return other === undefined ? undefined : object[other];
}

const sameScalar = (a: unknown, b: unknown): boolean =>
  typeof a === 'string' && typeof b === 'string' ? a.toLowerCase() === b.toLowerCase() : a === b;

function sameTags(found: unknown, wanted: unknown): boolean {
  const [a, b] = [Object.entries(found ?? {}), Object.entries(wanted ?? {})];
  return (
    a.length === b.length &&
    b.every(([key, value]) => a.some(([name, other]) => sameScalar(name, key) && other === value))
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
