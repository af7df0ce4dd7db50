import { ApiError } from '../errors.ts';
import { suggestion } from './nearest.ts';

const comparisons = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;
const functions = ['contains', 'startswith'] as const;

export type FilterOperator = (typeof comparisons)[number] | (typeof functions)[number];

/** One term of `$filter`. */
export interface FilterTerm {
  field: string;
  operator: FilterOperator;
  value: string | number | boolean | null;
}

const literalPattern = String.raw`('(?:[^']|'')*'|-?\d{1,15}|true|false|null)`;
const comparisonPattern = new RegExp(String.raw`^(\w+)\s+(${comparisons.join('|')})\s+${literalPattern}`);
const functionPattern = new RegExp(String.raw`^(${functions.join('|')})\(\s*(\w+)\s*,\s*${literalPattern}\s*\)`);

/**
 * Reads the part of OData's filter language that lists take: comparisons, `contains` and `startswith`, joined by `and`, e.g.
 * `protocol eq 'rdp' and startswith(name,'web')`. ApiError 400 for anything else, and for fields that are not in `fields`.
 */
export function parseFilter(text: string | undefined, fields: readonly string[]): FilterTerm[] {
  const terms: FilterTerm[] = [];
  let rest = (text ?? '').trim();
  while (rest !== '') {
    const { term, length } = parseTerm(rest, fields);
    terms.push(term);
    if (terms.length > 20) throw invalid('it has more than 20 terms');
    rest = rest.slice(length).trim();
    if (rest === '') break;
    if (!/^and\s+\S/.test(rest)) throw invalid(`'and' is expected before '${rest.slice(0, 30)}'`);
    rest = rest.slice(3).trim();
  }
  return terms;
}

function parseTerm(text: string, fields: readonly string[]): { term: FilterTerm; length: number } {
  const comparison = comparisonPattern.exec(text);
  const called = comparison ? null : functionPattern.exec(text);
  const match = comparison ?? called;
  if (!match)
    throw invalid(`'${text.slice(0, 40)}' is not a comparison such as name eq 'web1' or contains(name,'web')`);
  const [whole, first = '', second = '', literal = ''] = match;
  const [field, operator] = comparison ? [first, second] : [second, first];
  if (!fields.includes(field))
    throw invalid(`there is no field '${field}'${suggestion(field, fields)} Fields: ${fields.join(', ')}`);
  return { term: { field, operator: operator as FilterOperator, value: parseLiteral(literal) }, length: whole.length };
}

function parseLiteral(text: string): string | number | boolean | null {
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return Number(text);
}

const invalid = (why: string): ApiError =>
  new ApiError(400, 'InvalidFilter', `The $filter cannot be read: ${why}.`, { target: '$filter' });
