import { ArmError } from './failure.ts';

/**
 * What a request body may hold. `string`, `boolean`, `integer`, `any`; `a|b` one of these words (letter case does not matter);
 * `ro` read-only: accepted, because clients send back what they were given, and dropped; `{'*': s}` a map; `[s]` a list;
 * a property name ending in `!` is required.
 */
export type Shape = string | readonly [Shape] | { readonly [property: string]: Shape };

type Json = Record<string, unknown>;

/** How a provider words a body it cannot read. */
export type BodyErrors = (path: string, message: string) => ArmError;

export const bodyErrors = {
  network: (path, message) =>
    new ArmError(400, 'InvalidRequestFormat', 'Cannot parse the request.', {
      details: [{ code: 'InvalidJson', message, target: path }],
    }),
  compute: (path, message) => new ArmError(400, 'BadRequest', message, { target: path }),
  arm: (_path, message) =>
    new ArmError(
      400,
      'InvalidRequestContent',
      `The request content was invalid and could not be deserialized: '${message}'.`,
    ),
} satisfies Record<string, BodyErrors>;

interface Reading {
  errors: BodyErrors;
  /** A merge patch: nothing is required, and null says that a member shall go. */
  partial: boolean;
}

/** Returns the body without read-only members and nulls, words of enumerations in Azure's casing. Throws ArmError. */
export function readBody(
  shape: { readonly [property: string]: Shape },
  body: unknown,
  errors: BodyErrors,
  partial = false,
): Json {
  return readObject(shape, body, '', { errors, partial });
}

function readObject(
  shape: { readonly [property: string]: Shape },
  value: unknown,
  path: string,
  reading: Reading,
): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw reading.errors(
      path,
      `Error converting value ${text(value)} to an object. Path '${path}', line 1, position 1.`,
    );
  const result: Json = {};
  for (const [name, member] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const rule = shape[name] ?? shape[`${name}!`] ?? shape['*'];
    if (rule === undefined)
      throw reading.errors(
        at,
        `Could not find member '${name}' on object of type '${typeName(path)}'. Path '${at}', line 1, position 1.`,
      );
    if (rule === 'ro' || member === undefined || (member === null && !reading.partial)) continue;
    if (member === null) {
      result[name] = null;
      continue;
    }
    result[name] = readValue(rule, member, at, reading);
  }
  for (const name of reading.partial ? [] : Object.keys(shape)) {
    if (!name.endsWith('!') || result[name.slice(0, -1)] !== undefined) continue;
    const at = path === '' ? name.slice(0, -1) : `${path}.${name.slice(0, -1)}`;
    throw reading.errors(
      at,
      `Required property '${name.slice(0, -1)}' not found in JSON. Path '${path}', line 1, position 1.`,
    );
  }
  return result;
}

function readValue(shape: Shape, value: unknown, path: string, reading: Reading): unknown {
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) throw wrongType(value, 'array', path, reading.errors);
    return value.map((item, i) => readValue(shape[0], item, `${path}[${i}]`, reading));
  }
  if (typeof shape === 'object') return readObject(shape as { readonly [p: string]: Shape }, value, path, reading);
  if (shape === 'any') return value;
  if (shape === 'integer') {
    if (Number.isInteger(value)) return value;
    throw wrongType(value, 'integer', path, reading.errors);
  }
  if (shape === 'string' || shape === 'boolean') {
    if (typeof value === shape) return value;
    throw wrongType(value, shape, path, reading.errors);
  }
  const word = shape.split('|').find((w) => typeof value === 'string' && w.toLowerCase() === value.toLowerCase());
  if (word === undefined) throw wrongType(value, `one of ${shape.replaceAll('|', ', ')}`, path, reading.errors);
  return word;
}

const wrongType = (value: unknown, type: string, path: string, errors: BodyErrors): ArmError =>
  errors(path, `Error converting value ${text(value)} to type '${type}'. Path '${path}', line 1, position 1.`);

// No value longer than a few words in an error: it could be a secret.
const text = (value: unknown): string =>
  typeof value === 'object' ? (Array.isArray(value) ? '[...]' : '{...}') : `"${String(value).slice(0, 20)}"`;

const typeName = (path: string): string => {
  const last =
    path
      .replace(/\[\d+\]/g, '')
      .split('.')
      .at(-1) ?? '';
  return last === '' ? 'Resource' : last.charAt(0).toUpperCase() + last.slice(1);
};
