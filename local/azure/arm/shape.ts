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

/** Returns the body without read-only members and nulls, words of enumerations in Azure's casing. Throws ArmError. */
export function readBody(shape: { readonly [property: string]: Shape }, body: unknown, errors: BodyErrors): Json {
  return readObject(shape, body, '', errors);
}

function readObject(
  shape: { readonly [property: string]: Shape },
  value: unknown,
  path: string,
  errors: BodyErrors,
): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw errors(path, `Error converting value ${text(value)} to an object. Path '${path}', line 1, position 1.`);
  const result: Json = {};
  for (const [name, member] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const rule = shape[name] ?? shape[`${name}!`] ?? shape['*'];
    if (rule === undefined)
      throw errors(
        at,
        `Could not find member '${name}' on object of type '${typeName(path)}'. Path '${at}', line 1, position 1.`,
      );
    if (rule === 'ro' || member === null || member === undefined) continue;
    result[name] = readValue(rule, member, at, errors);
  }
  for (const name of Object.keys(shape)) {
    if (!name.endsWith('!') || result[name.slice(0, -1)] !== undefined) continue;
    const at = path === '' ? name.slice(0, -1) : `${path}.${name.slice(0, -1)}`;
    throw errors(at, `Required property '${name.slice(0, -1)}' not found in JSON. Path '${path}', line 1, position 1.`);
  }
  return result;
}

function readValue(shape: Shape, value: unknown, path: string, errors: BodyErrors): unknown {
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) throw wrongType(value, 'array', path, errors);
    return value.map((item, i) => readValue(shape[0], item, `${path}[${i}]`, errors));
  }
  if (typeof shape === 'object') return readObject(shape as { readonly [p: string]: Shape }, value, path, errors);
  if (shape === 'any') return value;
  if (shape === 'integer') {
    if (Number.isInteger(value)) return value;
    throw wrongType(value, 'integer', path, errors);
  }
  if (shape === 'string' || shape === 'boolean') {
    if (typeof value === shape) return value;
    throw wrongType(value, shape, path, errors);
  }
  const word = shape.split('|').find((w) => typeof value === 'string' && w.toLowerCase() === value.toLowerCase());
  if (word === undefined) throw wrongType(value, `one of ${shape.replaceAll('|', ', ')}`, path, errors);
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
