/** One piece of a route segment: text to match, or a parameter. */
type Part = { readonly text: string } | Parameter;

interface Parameter {
  readonly name: string;
  readonly optional: boolean;
  readonly catchAll: boolean;
  readonly defaultValue: string | null;
  readonly constraints: readonly Constraint[];
}

type Constraint = (value: string) => boolean;

/** A parsed route template. `rank` orders routes: the one that sorts first is tried first. */
export interface Route {
  readonly segments: readonly (readonly Part[])[];
  readonly names: ReadonlySet<string>;
  readonly rank: string;
}

/** ASP.NET's inline constraints that need no argument. */
const plainConstraints: Record<string, Constraint> = {
  int: (value) => /^[+-]?\d+$/.test(value) && Math.abs(Number(value)) <= 0x7fffffff,
  long: (value) => /^[+-]?\d+$/.test(value),
  alpha: (value) => /^[a-z]*$/i.test(value),
  bool: (value) => /^(true|false)$/i.test(value),
  guid: (value) => /^\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i.test(value),
  decimal: (value) => /^[+-]?(\d+\.?\d*|\.\d+)$/.test(value),
  double: (value) => value !== '' && Number.isFinite(Number(value)),
  float: (value) => value !== '' && Number.isFinite(Number(value)),
  datetime: (value) => !Number.isNaN(Date.parse(value)),
  required: (value) => value !== '',
};

/** Those with arguments: `length(3)`, `range(1,5)`, `regex(^a)`. */
const argumentConstraints: Record<string, (args: string) => Constraint> = {
  length: (args) => {
    const [low, high = low] = args.split(',').map(Number);
    return (value) => value.length >= Number(low) && value.length <= Number(high);
  },
  minlength: (args) => (value) => value.length >= Number(args),
  maxlength: (args) => (value) => value.length <= Number(args),
  min: (args) => (value) => plainConstraints.long?.(value) === true && Number(value) >= Number(args),
  max: (args) => (value) => plainConstraints.long?.(value) === true && Number(value) <= Number(args),
  range: (args) => {
    const [low, high] = args.split(',').map(Number);
    return (value) =>
      plainConstraints.long?.(value) === true && Number(value) >= Number(low) && Number(value) <= Number(high);
  },
  regex: (args) => {
    const pattern = new RegExp(args, 'i');
    return (value) => pattern.test(value);
  },
};

/**
 * Parses an ASP.NET route template such as `items/{category:alpha}/{id:int?}`.
 * @throws Error on a constraint that does not exist.
 */
export function parseRoute(template: string): Route {
  const segments = template
    .replace(/^\/+|\/+$/g, '')
    .split('/')
    .filter(Boolean)
    .map(parseSegment);
  const parameters = segments.flat().filter((part): part is Parameter => 'name' in part);
  return { segments, names: new Set(parameters.map((part) => part.name)), rank: segments.map(rankOf).join('') };
}

function parseSegment(segment: string): Part[] {
  const parts: Part[] = [];
  let rest = segment;
  while (rest) {
    const open = rest.indexOf('{');
    if (open !== 0) {
      parts.push({ text: open < 0 ? rest : rest.slice(0, open) });
      rest = open < 0 ? '' : rest.slice(open);
      continue;
    }
    const close = rest.indexOf('}');
    if (close < 0) throw new Error(`The route segment "${segment}" has an unclosed brace.`);
    parts.push(parseParameter(rest.slice(1, close)));
    rest = rest.slice(close + 1);
  }
  return parts;
}

function parseParameter(text: string): Parameter {
  const catchAll = text.startsWith('*');
  const [declared = '', ...constraints] = text.replace(/^\*+/, '').split(/:(?![^(]*\))/);
  const last = constraints.at(-1) ?? declared;
  const optional = last.endsWith('?');
  const [name = '', defaultValue = null] = declared.replace(/\?$/, '').split('=');
  return {
    name,
    optional,
    catchAll,
    defaultValue,
    constraints: constraints.map((constraint) => constraintOf(constraint.replace(/\?$/, ''))),
  };
}

function constraintOf(text: string): Constraint {
  const [, name = '', args] = /^(\w+)(?:\((.*)\))?$/.exec(text) ?? [];
  const found = args === undefined ? plainConstraints[name] : argumentConstraints[name]?.(args);
  if (!found) throw new Error(`Route constraint "${text}" does not exist.`);
  return found;
}

function rankOf(parts: readonly Part[]): string {
  const [first] = parts;
  if (!first || 'text' in first) return '1';
  return first.catchAll ? '5' : first.constraints.length ? '3' : '4';
}

/**
 * Matches the segments of a decoded path. Case does not matter in literals.
 * @returns the parameters that are present, or null when the route does not fit.
 */
export function matchRoute(route: Route, path: readonly string[]): Record<string, string> | null {
  const params: Record<string, string> = {};
  for (const [index, parts] of route.segments.entries()) {
    const [only] = parts;
    if (only && 'name' in only && only.catchAll) return take(params, only, path.slice(index).join('/')) ? params : null;
    if (!matchSegment(parts, path[index] ?? '', params)) return null;
  }
  return path.length <= route.segments.length ? params : null;
}

function matchSegment(parts: readonly Part[], segment: string, params: Record<string, string>): boolean {
  const [only] = parts;
  if (parts.length === 1 && only) {
    return 'text' in only ? only.text.toLowerCase() === segment.toLowerCase() : take(params, only, segment);
  }
  const pattern = parts.map((part) => ('text' in part ? RegExp.escape(part.text) : '(.+?)')).join('');
  const values = new RegExp(`^${pattern}$`, 'i').exec(segment)?.slice(1);
  const parameters = parts.filter((part): part is Parameter => 'name' in part);
  return values !== undefined && parameters.every((part, index) => take(params, part, values[index] ?? ''));
}

function take(params: Record<string, string>, parameter: Parameter, value: string): boolean {
  if (value === '') {
    if (parameter.defaultValue !== null) params[parameter.name] = parameter.defaultValue;
    return parameter.optional || parameter.catchAll || parameter.defaultValue !== null;
  }
  if (!parameter.constraints.every((fits) => fits(value))) return false;
  params[parameter.name] = value;
  return true;
}

/** Splits the path of a request into decoded segments; an encoded slash stays encoded, as on the real host. */
export function decodePath(rawPath: string): string[] {
  return rawPath
    .split('/')
    .filter(Boolean)
    .map((segment) =>
      segment
        .split(/(%2f)/i)
        .map((piece, index) => (index % 2 ? piece : decodeSafely(piece)))
        .join(''),
    );
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Encodes a path again the way the real host does before a function sees it: an encoded plus sign becomes a bare one. */
export function encodePath(segments: readonly string[]): string {
  return `/${segments
    .map((segment) =>
      segment
        .split(/(%2f)/i)
        .map((piece, index) => (index % 2 ? piece : encodePiece(piece)))
        .join(''),
    )
    .join('/')}`;
}

function encodePiece(text: string): string {
  return encodeURIComponent(text).replace(/%(2B|24|26|2C|3A|3B|3D|40)/g, (code) => decodeURIComponent(code));
}
