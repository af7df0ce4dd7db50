import { attributeProblems, connectionAttributes } from '../attributes.ts';
import type { GroupNode } from '../groupTree.ts';
import { type Problem, problem } from '../problems.ts';
import { parameterForm, parameterProblems, protocolProblem } from '../protocols.ts';
import { nameProblem } from '../text.ts';

/** One connection of an import file, and everything that was found to be wrong with it. */
export interface ImportRecord {
  /** Counted from 0. */
  index: number;
  /** Where it begins in the file, from 1; JSON has none. */
  line?: number | undefined;
  name: string;
  protocol: string;
  parentIdentifier?: string;
  /** As `ROOT/Parent/Child`. */
  group?: string;
  users: readonly string[];
  groups: readonly string[];
  parameters: Record<string, string>;
  attributes: Record<string, string>;
  problems: Problem[];
}

/** Guacamole's three options, and ours. */
export interface ImportOptions {
  /** A connection of that name in that group is replaced; otherwise it is an error. */
  replaceConnections: boolean;
  /** What a replaced connection's users and groups were granted on it is taken away first. */
  resetPermissions: boolean;
  /** Connection groups that are not there are made; otherwise they are an error. */
  createGroups: boolean;
  allowUnknownParameters: boolean;
}

/** A record with its place, ready to be written unless it has problems. */
export interface PlannedRecord {
  record: ImportRecord;
  /** undefined: there is no such group, as a problem says. */
  parent: GroupNode | undefined;
  /** The connection that is replaced. */
  existingId: number | undefined;
}

/** What the file says, before it is known to be right. */
export interface RawRecord {
  index: number;
  line?: number;
  fields: Record<string, unknown>;
  problems: Problem[];
}

const fieldNames = ['name', 'protocol', 'parameters', 'attributes', 'parentIdentifier', 'group', 'users', 'groups'];

/** Checks one record as far as that is possible without the database. Collects (in the record's own list), never throws. */
export function checkRecord(raw: RawRecord, allowUnknownParameters: boolean, suggestions: number): ImportRecord {
  const { fields, problems } = raw;
  for (const name of Object.keys(fields)) {
    if (!fieldNames.includes(name))
      problems.push(
        problem(name.slice(0, 128), `There is no field '${name.slice(0, 128)}'; known: ${fieldNames.join(', ')}.`),
      );
  }
  const record: ImportRecord = {
    index: raw.index,
    line: raw.line,
    name: textOf(fields, 'name', problems) ?? '',
    protocol: textOf(fields, 'protocol', problems) ?? '',
    users: namesOf(fields, 'users', problems),
    groups: namesOf(fields, 'groups', problems),
    parameters: {},
    attributes: valuesOf(fields, 'attributes', problems),
    problems,
  };
  placeRecord(record, fields, problems);
  const wrongName = nameProblem(record.name);
  if (wrongName)
    problems.push(problem('name', record.name === '' ? 'A connection needs a name.' : `The name ${wrongName}.`));
  const wrongProtocol =
    record.protocol === ''
      ? 'A connection needs a protocol.'
      : protocolProblem(record.protocol, allowUnknownParameters);
  if (wrongProtocol) problems.push(problem('protocol', wrongProtocol));
  record.parameters = correctOptions(record.protocol, valuesOf(fields, 'parameters', problems));
  if (!wrongProtocol)
    problems.push(...parameterProblems(record.protocol, record.parameters, allowUnknownParameters, suggestions));
  problems.push(...attributeProblems(connectionAttributes, record.attributes));
  limitProblems(problems);
  return record;
}

/** Problems of one record at most. */
const mostProblemsOfRecord = 20;

function limitProblems(problems: Problem[]): void {
  if (problems.length <= mostProblemsOfRecord) return;
  const more = problems.splice(mostProblemsOfRecord).length;
  problems.push(problem('record', `${more} more problems of this record are not listed.`, 'MoreProblems'));
}

function placeRecord(record: ImportRecord, fields: Record<string, unknown>, problems: Problem[]): void {
  const parent = textOf(fields, 'parentIdentifier', problems, true);
  const group = textOf(fields, 'group', problems);
  if (parent && group)
    problems.push(problem('group', 'Only one of group and parentIdentifier can be given.', 'AmbiguousParent'));
  if (parent) record.parentIdentifier = parent;
  else if (group) record.group = group;
}

/** A field's text; a number counts as its digits where identifiers are meant (YAML reads `7` as a number). */
function textOf(
  fields: Record<string, unknown>,
  name: string,
  problems: Problem[],
  digits = false,
): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  if (digits && typeof value === 'number') return String(value);
  problems.push(problem(name, `The field '${name}' must be text.`));
  return undefined;
}

function namesOf(fields: Record<string, unknown>, name: 'users' | 'groups', problems: Problem[]): readonly string[] {
  const value = fields[name];
  if (value === undefined || value === null) return nobody;
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) {
    problems.push(problem(name, `The field '${name}' must be a list of names.`));
    return nobody;
  }
  for (const one of value as string[]) {
    const wrong = nameProblem(one);
    if (wrong) problems.push(problem(name, `A name in '${name}' ${wrong}.`));
  }
  return [...new Set(value as string[])];
}

/** Text, numbers and booleans become text, as YAML writes `port: 3389`; null and '' mean "not set". */
function valuesOf(
  fields: Record<string, unknown>,
  name: 'parameters' | 'attributes',
  problems: Problem[],
): Record<string, string> {
  const given = fields[name];
  const values: Record<string, string> = {};
  if (given === undefined || given === null) return values;
  if (typeof given !== 'object' || Array.isArray(given)) {
    problems.push(problem(name, `The field '${name}' must be an object of names and values.`));
    return values;
  }
  const members = given as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(members)) {
    const value = members[key];
    if (value === null || value === '') continue;
    const isText = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    // No name of Guacamole's, and no member like others.
    if (isText && key !== '__proto__') values[key] = String(value);
    else problems.push(problem(`${name}.${key.slice(0, 128)}`, `The value of '${key.slice(0, 128)}' must be text.`));
  }
  return values;
}

/** Guacamole takes a choice that differs only in case or outer spaces for the choice itself. Changes the values. */
function correctOptions(protocol: string, values: Record<string, string>): Record<string, string> {
  for (const name of Object.keys(values)) {
    const form = parameterForm(protocol, name);
    const options = form === 'BOOLEAN' ? booleans : typeof form === 'object' ? form : undefined;
    const value = values[name] ?? '';
    if (options === undefined || options.includes(value)) continue;
    const wanted = value.trim().toLowerCase();
    values[name] = options.find((option) => option.toLowerCase() === wanted) ?? value;
  }
  return values;
}

/** Most records name neither users nor groups. */
const nobody: readonly string[] = [];

const booleans: readonly string[] = ['true', 'false'];
