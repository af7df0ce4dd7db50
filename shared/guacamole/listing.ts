import { type RawBuilder, sql } from 'kysely';
import { z } from 'zod';
import { ApiError } from '../errors.ts';
import { type FilterOperator, type FilterTerm, parseFilter } from './filter.ts';
import { suggestion } from './nearest.ts';
import { textProblem } from './text.ts';
import { isDateTime } from './times.ts';

type Value = string | number | null;

/** A field that `$filter` may name. */
export interface FilterField {
  /** Column or expression. */
  expression: string;
  /** Turns a literal into what the column holds; undefined: no such value can exist. Throws nothing. */
  write(literal: string | number | boolean | null): Value | undefined;
  /** A better condition than a comparison with the expression, where there is one. */
  where?(operator: FilterOperator, literal: string | number | boolean | null): RawBuilder<unknown> | undefined;
}

/** One way to sort. */
export interface SortOrder {
  /** Columns that together are unique, so that a page can begin where the last one ended. */
  keys: readonly SortKey[];
  /** The index that gives this order: a page of an unfiltered list must not sort the whole table first. */
  index: string;
}

interface SortKey {
  /** In ORDER BY, as the index has it. */
  column: string;
  /** What a token may say of it; servers refuse to compare with anything else, or do it without the index. */
  holds: keyof typeof tokenChecks;
  /** Where comparing needs another form (NULL). */
  compare?: string;
  /** The primary key behind the columns of a unique index: the index gives it, but naming it makes MariaDB sort. */
  implied?: boolean;
}

const tokenChecks = {
  number: (value: unknown) => Number.isSafeInteger(value),
  text: (value: unknown) => typeof value === 'string' && textProblem(value, 4096) === undefined,
  time: (value: unknown) => typeof value === 'string' && isDateTime(value),
};

export interface Listing {
  fields: Readonly<Record<string, FilterField>>;
  /** The first is the default. */
  orders: Readonly<Record<string, SortOrder>>;
  /** Without `$orderby` the newest come first. */
  newestFirst?: boolean;
}

/** Query parameters that every list takes. */
export const listQuery = z.strictObject({
  $top: z.coerce.number('must be a number from 1 to 1000').int().min(1).max(1000).default(100),
  $skiptoken: z.string().max(4000).optional(),
  $filter: z.string().max(4000).optional(),
  $orderby: z.string().max(100).optional(),
});

export type ListQuery = z.output<typeof listQuery>;

/** The clauses of one page; `limit` is one more than the page, to see whether there is a next one. */
export interface PageClauses {
  where: RawBuilder<unknown>;
  orderBy: RawBuilder<unknown>;
  limit: number;
  /** Behind the table's name. */
  hint: RawBuilder<unknown>;
  /** Columns to select as `k0`, `k1`…: what the next page's token is made of. */
  keys: RawBuilder<unknown>;
}

/** Text as it is, numbers as their digits. */
export const textField = (expression: string): FilterField => ({
  expression,
  write: (literal) => (typeof literal === 'string' ? literal : undefined),
});

/** An identifier: digits, with or without quotes; `ROOT` and null mean NULL. */
export const identifierField = (expression: string): FilterField => ({
  expression,
  write: (literal) => {
    if (literal === null || literal === 'ROOT') return null;
    return /^\d{1,10}$/.test(String(literal)) ? Number(literal) : undefined;
  },
});

/** true and false, stored as 1 and 0. */
export const flagField = (expression: string): FilterField => ({
  expression,
  write: (literal) => (typeof literal === 'boolean' ? Number(literal) : undefined),
});

/**
 * The clauses that read one page. ApiError 400 `InvalidFilter`, `InvalidOrder`, `InvalidSkipToken`.
 * @param fixed conditions that always hold
 */
export function pageClauses(listing: Listing, query: ListQuery, fixed: RawBuilder<unknown>[] = []): PageClauses {
  const { name, order, descending } = chooseOrder(listing, query.$orderby);
  const terms = parseFilter(query.$filter, Object.keys(listing.fields)).map((term) => condition(listing, term));
  const after = query.$skiptoken === undefined ? [] : [afterToken(query.$skiptoken, name, order, descending)];
  const conditions = [...fixed, ...terms, ...after];
  const direction = descending ? 'DESC' : 'ASC';
  const sorted = order.keys.filter((key) => terms.length > 0 || !key.implied);
  return {
    where: conditions.length === 0 ? sql`TRUE` : sql.join(conditions, sql` AND `),
    orderBy: sql.raw(sorted.map(({ column }) => `${column} ${direction}`).join(', ')),
    limit: query.$top + 1,
    // With a filter the optimizer may know a better way.
    hint: terms.length === 0 ? sql`FORCE INDEX FOR ORDER BY (${sql.ref(order.index)})` : sql``,
    keys: sql.raw(order.keys.map((key, index) => `${key.compare ?? key.column} AS k${index}`).join(', ')),
  };
}

/** `{value, nextLink}` from the rows that were read with the clauses. */
export function toPage<Row extends object, Item>(
  listing: Listing,
  query: ListQuery,
  url: URL,
  rows: readonly Row[],
  toItem: (row: Row) => Item,
): { value: Item[]; nextLink?: string } {
  const page = rows.slice(0, query.$top);
  const last = page.at(-1);
  const value = page.map(toItem);
  if (rows.length <= query.$top || !last) return { value };
  const { name, order, descending } = chooseOrder(listing, query.$orderby);
  const cells = new Map(Object.entries(last));
  const keys = order.keys.map((_, index) => cells.get(`k${index}`));
  const next = new URL(url);
  next.searchParams.set(
    '$skiptoken',
    Buffer.from(JSON.stringify([sortName(name, descending), ...keys])).toString('base64url'),
  );
  return { value, nextLink: next.toString() };
}

const sortName = (name: string, descending: boolean): string => (descending ? `-${name}` : name);

function chooseOrder(
  listing: Listing,
  text: string | undefined,
): { name: string; order: SortOrder; descending: boolean } {
  const names = Object.keys(listing.orders);
  const [, given = names[0] ?? '', direction = text === undefined && listing.newestFirst ? 'desc' : 'asc'] =
    /^\s*(\w+)(?:\s+(asc|desc))?\s*$/.exec(text ?? '') ?? [];
  const order = Object.hasOwn(listing.orders, given) ? listing.orders[given] : undefined;
  if (!order || (text !== undefined && !/^\s*\w+(\s+(asc|desc))?\s*$/.test(text))) {
    const message = `The $orderby '${(text ?? '').slice(0, 40)}' is not known${suggestion(given, names)} Use one of ${names.join(', ')}, with asc or desc.`;
    throw new ApiError(400, 'InvalidOrder', message, { target: '$orderby' });
  }
  return { name: given, order, descending: direction === 'desc' };
}

const operators = { eq: '=', gt: '>', ge: '>=', lt: '<', le: '<=' } as const;

function condition(listing: Listing, { field, operator, value }: FilterTerm): RawBuilder<unknown> {
  const known = listing.fields[field];
  if (!known) return sql`FALSE`;
  const impossible = typeof value === 'string' ? textProblem(value, 4096) : undefined;
  if (impossible)
    throw new ApiError(400, 'InvalidFilter', `A value of the $filter ${impossible}.`, { target: '$filter' });
  const special = known.where?.(operator, value);
  if (special) return special;
  const expression = sql.raw(known.expression);
  if (operator === 'contains' || operator === 'startswith') {
    const pattern = String(value).replace(/[\\%_]/g, '\\$&');
    return sql`${expression} LIKE ${operator === 'contains' ? `%${pattern}%` : `${pattern}%`}`;
  }
  const written = known.write(value);
  if (written === undefined) {
    throw new ApiError(
      400,
      'InvalidFilter',
      `The field '${field}' cannot be compared with ${JSON.stringify(value).slice(0, 60)}.`,
      { target: '$filter' },
    );
  }
  if (written === null) return operator === 'eq' ? sql`${expression} IS NULL` : sql`${expression} IS NOT NULL`;
  // `<>` would leave out what has no value at all.
  return operator === 'ne'
    ? sql`NOT (${expression} <=> ${written})`
    : sql`${expression} ${sql.raw(operators[operator])} ${written}`;
}

/**
 * Rows behind the last one of the page before. The first comparison alone bounds the range of the index; the rest only sorts
 * out rows that are equal in the first column.
 */
function afterToken(token: string, name: string, order: SortOrder, descending: boolean): RawBuilder<unknown> {
  const values = decodeToken(token);
  const fits =
    values?.[0] === sortName(name, descending) &&
    values.length === order.keys.length + 1 &&
    order.keys.every((key, index) => tokenChecks[key.holds](values[index + 1]));
  if (!fits) {
    throw new ApiError(
      400,
      'InvalidSkipToken',
      'The $skiptoken does not belong to this list and order; begin again without one.',
      { target: '$skiptoken' },
    );
  }
  const sign = sql.raw(descending ? '<' : '>');
  const keys = order.keys.map((key, index) => ({
    expression: sql.raw(key.compare ?? key.column),
    value: values[index + 1] ?? null,
  }));
  const behind = keys.reduceRight<RawBuilder<unknown>>(
    (rest, { expression, value }) => sql`(${expression} ${sign} ${value} OR (${expression} = ${value} AND ${rest}))`,
    sql`FALSE`,
  );
  const [first] = keys;
  return first ? sql`${first.expression} ${sign}= ${first.value} AND ${behind}` : behind;
}

function decodeToken(token: string): Value[] | undefined {
  try {
    const values: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}
