import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { ApiError } from '../../errors.ts';
import { connectionAttributes } from '../attributes.ts';
import { suggestion } from '../nearest.ts';
import { type Problem, problem } from '../problems.ts';
import { allParameters, parameterForm, protocolNames } from '../protocols.ts';
import type { RawRecord } from './record.ts';

const fixedColumns = ['name', 'protocol', 'group', 'parentIdentifier', 'users', 'groups'] as const;

/** What a column holds; `either` is told apart for each record by its protocol. */
interface Column {
  kind: 'field' | 'parameters' | 'attributes' | 'either';
  name: string;
}

/**
 * Reads Guacamole's CSV and hands on record by record; from within the parser, because waiting for each of 10,000 costs more than
 * parsing them. ApiError 400 for what makes the whole file unreadable: its header, its quoting.
 */
export async function readCsv(
  bytes: AsyncIterable<Uint8Array>,
  allowUnknownParameters: boolean,
  take: (record: RawRecord) => void,
): Promise<void> {
  let readCells: ReturnType<typeof cellReader> | undefined;
  let index = 0;
  const parser = parse({
    bom: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: 2_000_000,
    on_record: (record: string[], { lines }) => {
      if (readCells) take({ index: index++, line: firstLine(record, lines), ...readCells(record) });
      else readCells = cellReader(readHeader(record, allowUnknownParameters));
      return null;
    },
  });
  try {
    await pipeline(Readable.from(bytes, { objectMode: false }), parser, async (rest) => {
      for await (const _ of rest);
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const fault = csvFaults[error.code] ?? 'its quoting is wrong';
    throw new ApiError(400, 'InvalidCsv', `The CSV cannot be read at line ${Number(error.lines ?? 0)}: ${fault}.`);
  }
}

const csvFaults: Record<string, string> = {
  CSV_MAX_RECORD_SIZE: 'a record is larger than 2 MB; a quote may be missing',
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
};

/** The parser counts the line at which a record ends. */
const firstLine = (record: readonly string[], last: number): number =>
  record.reduce((line, cell) => (cell.includes('\n') ? line - cell.split('\n').length + 1 : line), last);

function readHeader(header: readonly string[], allowUnknown: boolean): Column[] {
  const problems: Problem[] = [];
  const names = header.map((cell) => cell.trim());
  const columns = names.map((name, index) => {
    if (names.indexOf(name) !== index)
      problems.push(problem(name, `The CSV header '${name}' is there twice.`, 'DuplicateHeader'));
    const column = readHeaderCell(name, allowUnknown);
    if ('message' in column) problems.push(column);
    return column;
  });
  for (const needed of ['name', 'protocol']) {
    if (!names.includes(needed))
      problems.push(problem(needed, `The CSV header has no column '${needed}'.`, 'MissingHeader'));
  }
  if (problems.length > 0) {
    throw new ApiError(400, 'InvalidHeader', problems[0]?.message ?? '', {
      details: problems.map((one) => ({ ...one, line: 1 })),
    });
  }
  return columns.filter((column): column is Column => 'kind' in column);
}

function readHeaderCell(name: string, allowUnknown: boolean): Column | Problem {
  if ((fixedColumns as readonly string[]).includes(name)) return { kind: 'field', name };
  const suffixed = /^(.+) \((attribute|parameter)\)$/.exec(name);
  if (suffixed) return { kind: suffixed[2] === 'attribute' ? 'attributes' : 'parameters', name: suffixed[1] ?? '' };
  const isAttribute = Object.hasOwn(connectionAttributes, name);
  if (isAttribute || allParameters.has(name)) return { kind: 'either', name };
  if (allowUnknown && name !== '') return { kind: 'parameters', name };
  const known = [...fixedColumns, ...Object.keys(connectionAttributes), ...allParameters];
  return problem(
    name.slice(0, 128),
    `The CSV header '${name.slice(0, 128)}' is neither a field, an attribute nor a parameter${suggestion(name, known) || '.'}`,
    'UnknownHeader',
  );
}

/** Where the cells of one protocol's records go. */
type Layout = readonly (Place | Problem)[];

interface Place {
  kind: 'field' | 'parameters' | 'attributes';
  name: string;
}

/** Reads records under a header; what a column means is worked out once for each protocol. */
function cellReader(columns: readonly Column[]) {
  const layouts = new Map<string, Layout>();
  const protocolAt = columns.findIndex((column) => column.kind === 'field' && column.name === 'protocol');
  const layoutOf = (protocol: string): Layout => {
    let layout = layouts.get(protocol);
    if (!layout) {
      layout = columns.map((column) => placeColumn(column, protocol));
      layouts.set(protocol, layout);
    }
    return layout;
  };
  return (cells: readonly string[]): Pick<RawRecord, 'fields' | 'problems'> => {
    const problems: Problem[] = [];
    if (cells.length !== columns.length) {
      problems.push(
        problem('record', `The record has ${cells.length} cells, the header ${columns.length}.`, 'CellCount'),
      );
    }
    const protocol = cells[protocolAt] ?? '';
    const layout = layoutOf(protocolNames.includes(protocol) ? protocol : '');
    return { fields: readFields(layout, cells, problems), problems };
  };
}

function readFields(layout: Layout, cells: readonly string[], problems: Problem[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const maps: Record<'parameters' | 'attributes', Record<string, string>> = { parameters: {}, attributes: {} };
  for (let index = 0; index < layout.length; index++) {
    const value = cells[index];
    const place = layout[index];
    // Empty cells let one file mix protocols.
    if (place === undefined || value === undefined || value === '') continue;
    if (!('kind' in place)) problems.push(place);
    else if (place.kind === 'field') fields[place.name] = listFields.has(place.name) ? splitNames(value) : value;
    else maps[place.kind][place.name] = value;
  }
  fields.parameters = maps.parameters;
  fields.attributes = maps.attributes;
  return fields;
}

const listFields: ReadonlySet<string> = new Set(['users', 'groups']);

/** `protocol` is empty for one that is not known. */
function placeColumn({ kind, name }: Column, protocol: string): Place | Problem {
  // No name of Guacamole's, and no member like others.
  if (name === '__proto__') return problem(`${kind}.${name}`, `The value of '${name}' must be text.`);
  if (kind !== 'either') return { kind, name };
  const isAttribute = Object.hasOwn(connectionAttributes, name);
  const isParameter = parameterForm(protocol, name) !== undefined;
  if (isAttribute && isParameter) {
    return problem(
      name,
      `'${name}' is both an attribute and a parameter of ${protocol}; say which: '${name} (attribute)'.`,
      'AmbiguousHeader',
    );
  }
  if (isAttribute) return { kind: 'attributes', name };
  // A parameter that the protocol lacks is reported by the check of parameters, one of a protocol of a newer Guacamole is kept.
  return { kind: 'parameters', name };
}

/** `a;b\;c` are the names `a` and `b;c`. */
export function splitNames(text: string): string[] {
  const names = [''];
  for (const [, escaped, plain] of text.matchAll(/\\([\s\S])|([\s\S])/g)) {
    if (plain === ';') names.push('');
    else names.push((names.pop() ?? '') + (escaped ?? plain ?? ''));
  }
  return names.filter((name) => name !== '');
}

export const joinNames = (names: readonly string[]): string =>
  names.map((name) => name.replace(/[\\;]/g, '\\$&')).join(';');
