import type { Stored } from '../state.ts';
import type { ArmEnv } from './env.ts';
import { ArmError } from './failure.ts';
import type { ArmAnswer, ArmRequest } from './kind.ts';
import { show } from './show.ts';

/** Azure's own page sizes are unknown but for the status-only VM list (about 200). */
const pageSize = 200;

/** A page of a list, shown by `view`; the next page's URL is opaque to clients. */
export function page<T>(items: T[], request: ArmRequest, view: (item: T) => unknown = (item) => item): ArmAnswer {
  const top = Number(request.query.get('$top') ?? pageSize);
  const size = Number.isInteger(top) && top > 0 ? Math.min(top, 1000) : pageSize;
  const token = request.query.get('$skiptoken') ?? request.query.get('$skipToken');
  const from = token === null ? 0 : Number(Buffer.from(token, 'base64url').toString());
  if (!Number.isInteger(from) || from < 0)
    throw new ArmError(400, 'InvalidSkipToken', 'The provided $skiptoken is invalid.');
  const value = items.slice(from, from + size).map(view);
  if (from + size >= items.length) return { status: 200, body: { value } };
  const query = new URLSearchParams(request.query);
  query.delete('$skipToken');
  query.set('$skiptoken', Buffer.from(String(from + size)).toString('base64url'));
  return { status: 200, body: { value, nextLink: `${request.origin}${encodeURI(request.path)}?${query}` } };
}

/** A page of resources as clients see them, in a steady order. */
export function pageOf(resources: Stored[], env: ArmEnv, request: ArmRequest): ArmAnswer {
  return page(byId(resources), request, (resource) => show(resource, env, request));
}

export const byId = (resources: Stored[]): Stored[] => resources.toSorted((a, b) => (a.id < b.id ? -1 : 1));

/** `a eq 'x' and b eq 'y'` as pairs; throws 400 for anything else. */
export function parseFilter(filter: string | null): [name: string, value: string][] {
  if (filter === null || filter.trim() === '') return [];
  return filter.split(/\s+and\s+/i).map((clause) => {
    const match = /^\s*\(?\s*([\w/]+)\s+eq\s+'((?:[^']|'')*)'\s*\)?\s*$/i.exec(clause);
    if (match?.[1] === undefined || match[2] === undefined)
      throw new ArmError(
        400,
        'InvalidFilterInQueryString',
        `Invalid $filter '${filter}' specified in the query string.`,
      );
    return [match[1], match[2].replaceAll("''", "'")];
  });
}
