import type { ArmEnv } from './env.ts';
import type { Faults } from './faults.ts';
import type { ArmAnswer, ArmRequest, Kind } from './kind.ts';

/** A call that is not a plain resource: `{name}` in the pattern matches one path segment, `{name*}` any number. */
export interface Route {
  method: string;
  pattern: string;
  /** The action that the caller needs and the part of the path it is needed on. */
  permission?: string;
  handle(
    env: ArmEnv,
    params: Record<string, string>,
    request: ArmRequest,
    faults: Faults,
  ): Promise<ArmAnswer> | ArmAnswer;
}

/** One resource provider: its types and its other calls. */
export interface Provider {
  namespace: string;
  kinds: Kind[];
  routes: Route[];
}

/** Matches without regard to letter case. */
export function matchRoute(routes: Route[], method: string, path: string): [Route, Record<string, string>] | undefined {
  for (const route of routes) {
    if (route.method !== method) continue;
    const match = regExpOf(route.pattern).exec(path);
    if (match) return [route, { ...match.groups }];
  }
  return undefined;
}

const compiled = new Map<string, RegExp>();

function regExpOf(pattern: string): RegExp {
  let regExp = compiled.get(pattern);
  if (regExp === undefined) {
    const source = pattern
      .split(/(\{\w+\*?\})/)
      .map((part) => {
        const name = /^\{(\w+)(\*?)\}$/.exec(part);
        if (name === null) return RegExp.escape(part);
        return name[2] ? `(?<${name[1]}>.*?)` : `(?<${name[1]}>[^/]+)`;
      })
      .join('');
    regExp = new RegExp(`^${source}$`, 'i');
    compiled.set(pattern, regExp);
  }
  return regExp;
}
