import { nearestName, suggestion } from './nearest.ts';
import { type Problem, problem } from './problems.ts';
import { type ParameterForm, protocols } from './protocolTable.ts';
import { textProblem, type Values } from './text.ts';
import { isJavaTimeZone } from './timeZones.ts';

const parametersByProtocol = new Map(
  Object.entries(protocols).map(([name, { groups }]) => [
    name,
    new Map(Object.values(groups).flatMap((group) => Object.entries(group))),
  ]),
);

export const protocolNames: readonly string[] = [...parametersByProtocol.keys()];

/** Every parameter that any protocol knows: what a CSV column may be called. */
export const allParameters: ReadonlySet<string> = new Set(
  [...parametersByProtocol.values()].flatMap((known) => [...known.keys()]),
);

/** What the protocol says about a parameter; undefined when it knows none of that name. */
export const parameterForm = (protocol: string, name: string): ParameterForm | undefined =>
  parametersByProtocol.get(protocol)?.get(name);

/** Why a protocol name is refused, or undefined. With `allowUnknown` one of a newer Guacamole passes. */
export function protocolProblem(protocol: string, allowUnknown: boolean): string | undefined {
  if (parametersByProtocol.has(protocol)) return undefined;
  if (allowUnknown && /^[a-z][a-z0-9-]{0,31}$/.test(protocol)) return undefined;
  return `There is no protocol '${protocol.slice(0, 40)}'${suggestion(protocol, protocolNames)} Known: ${protocolNames.join(', ')}.`;
}

/** Looking for the nearest name takes a tenth of a millisecond, so only the first of many slips get it. */
const mostSuggestions = 10;

/**
 * Everything that is wrong with a connection's parameters. Values with tokens such as `${GUAC_USERNAME}` are only known when a
 * session starts, so their form is not checked. Empty values mean "not set". Never quotes a value: it may be a secret.
 */
export function parameterProblems(
  protocol: string,
  values: Values,
  allowUnknown: boolean,
  suggestions = mostSuggestions,
): Problem[] {
  const known = parametersByProtocol.get(protocol);
  const problems: Problem[] = [];
  for (const name of Object.keys(values)) {
    const value = values[name];
    // Taking away is always allowed.
    if (value === null || value === undefined) continue;
    const suggest = problems.length < suggestions;
    const found = parameterProblem(protocol, name, value, { known, allowUnknown, suggest });
    if (found) problems.push(found);
  }
  return problems;
}

interface Check {
  known: ReadonlyMap<string, ParameterForm> | undefined;
  allowUnknown: boolean;
  suggest: boolean;
}

function parameterProblem(
  protocol: string,
  name: string,
  value: string,
  { known, allowUnknown, suggest }: Check,
): Problem | undefined {
  const form = known?.get(name);
  if (form === undefined) {
    if (known && !allowUnknown) {
      const message = unknownParameter(protocol, name, suggest ? known.keys() : []);
      return problem(`parameters.${name.slice(0, 128)}`, message, 'UnknownParameter');
    }
    const named = name === '' ? 'is empty' : textProblem(name, 128);
    if (named) return problem(`parameters.${name}`, `The parameter's name ${named}.`);
  }
  const why = textProblem(value, 4096) ?? formProblem(form, value);
  return why ? problem(`parameters.${name}`, `The parameter '${name}' ${why}.`) : undefined;
}

/** The same for what a sharing profile sets. */
export function sharingParameterProblems(protocol: string, values: Values, allowUnknown: boolean): Problem[] {
  const allowed = protocols[protocol]?.sharing;
  const foreign = Object.keys(values).filter((name) => allowed && !allowed.includes(name) && !allowUnknown);
  if (foreign.length > 0) {
    return foreign.map((name) =>
      problem(
        `parameters.${name}`,
        `A sharing profile of a ${protocol} connection cannot set '${name}'; it may set ${allowed?.join(', ')}.`,
        'UnknownParameter',
      ),
    );
  }
  return parameterProblems(protocol, values, allowUnknown);
}

function unknownParameter(protocol: string, name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  const hint = nearest ? ` The nearest known one is '${nearest}'.` : '';
  return `The protocol ${protocol} has no parameter '${name.slice(0, 128)}'.${hint} For a newer Guacamole send ?allowUnknownParameters=true.`;
}

function formProblem(form: ParameterForm | undefined, value: string): string | undefined {
  if (form === undefined || value === '' || value.includes('${')) return undefined;
  if (typeof form !== 'string') return form.includes(value) ? undefined : `must be one of ${form.join(', ')}`;
  switch (form) {
    case 'NUMERIC':
      return /^-?\d{1,10}$/.test(value) ? undefined : 'must be a whole number';
    case 'BOOLEAN':
      return value === 'true' || value === 'false' ? undefined : "must be 'true' or 'false'";
    case 'TIMEZONE':
      return isJavaTimeZone(value) ? undefined : 'must be a time zone such as Europe/Berlin';
    default:
      return undefined;
  }
}
