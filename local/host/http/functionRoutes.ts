import { log } from '../log.ts';
import type { BindingInfo, FunctionMetadata } from '../worker/coreTypes.ts';
import type { RegisteredFunction } from '../worker/worker.ts';
import { matchRoute, parseRoute, type Route } from './route.ts';

export type AuthLevel = 'anonymous' | 'function' | 'admin';

/** A function with an HTTP trigger and where it listens. */
export interface HttpFunction {
  readonly target: RegisteredFunction;
  readonly trigger: BindingInfo;
  readonly template: string;
  readonly route: Route;
  readonly methods: ReadonlySet<string>;
  readonly authLevel: AuthLevel;
}

export function bindingOfType(metadata: FunctionMetadata, type: string): BindingInfo | undefined {
  return Object.values(metadata.bindings).find((binding) => binding.type.toLowerCase() === type.toLowerCase());
}

/** All HTTP functions in the order in which their routes are tried. A function with a forbidden route is left out with an error. */
export function httpFunctions(functions: Iterable<RegisteredFunction>): HttpFunction[] {
  const found: HttpFunction[] = [];
  for (const target of functions) {
    const trigger = bindingOfType(target.metadata, 'httpTrigger');
    if (!trigger) continue;
    const template = typeof trigger.route === 'string' ? trigger.route : target.metadata.name;
    if (conflictsWithHost(template)) {
      log('error', target.metadata.name, 'The specified route conflicts with one or more built in routes.');
      continue;
    }
    found.push({
      target,
      trigger,
      template,
      route: parseRoute(template),
      methods: new Set(methodsOf(trigger)),
      authLevel: String(trigger.authLevel ?? 'anonymous').toLowerCase() as AuthLevel,
    });
  }
  return found.sort((a, b) => (a.route.rank < b.route.rank ? -1 : a.route.rank > b.route.rank ? 1 : 0));
}

/** A plain prefix test on the lower-cased route, so `administrators` is refused too. */
export function conflictsWithHost(template: string): boolean {
  return /^(admin|runtime)/i.test(template.replace(/^\/+/, ''));
}

function methodsOf(trigger: BindingInfo): string[] {
  const methods = Array.isArray(trigger.methods) ? trigger.methods.map(String) : [];
  return methods.length ? methods.map((method) => method.toUpperCase()) : ['GET', 'POST'];
}

/** The function for a method and a path below the prefix. A path that only fits with another method is none. */
export function findFunction(
  functions: readonly HttpFunction[],
  method: string,
  path: readonly string[],
): { readonly found: HttpFunction; readonly params: Record<string, string> } | null {
  for (const found of functions) {
    if (!found.methods.has(method)) continue;
    const params = matchRoute(found.route, path);
    if (params) return { found, params };
  }
  return null;
}
