import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conflictsWithHost, findFunction, httpFunctions } from '../../local/host/http/functionRoutes.ts';
import { decodePath, encodePath, matchRoute, parseRoute } from '../../local/host/http/route.ts';

const cases: readonly (readonly [template: string, path: string, params: Record<string, string> | null])[] = [
  ['same', '/SAME/', {}],
  ['same', '/same/more', null],
  ['items/{category:alpha}/{id:int?}', '/items/abc/12', { category: 'abc', id: '12' }],
  ['items/{category:alpha}/{id:int?}', '/items/abc', { category: 'abc' }],
  ['items/{category:alpha}/{id:int?}', '/items/abc/x1', null],
  ['items/{category:alpha}/{id:int?}', '/items/a1/1', null],
  ['wild/{*rest}', '/wild/a%2Fb/c%20d', { rest: 'a%2Fb/c d' }],
  ['wild/{*rest}', '/wild', {}],
  ['echo/{a?}', '/echo/a%20b%2Bc', { a: 'a b+c' }],
  ['{name}.{extension}', '/notes.txt', { name: 'notes', extension: 'txt' }],
  ['page/{number=1}', '/page', { number: '1' }],
  ['v/{code:length(3)}', '/v/abcd', null],
  ['v/{n:range(1,5)}', '/v/5', { n: '5' }],
  ['v/{n:range(1,5)}', '/v/6', null],
  ['v/{id:guid}', '/v/00000000-0000-0000-0000-000000000000', { id: '00000000-0000-0000-0000-000000000000' }],
];

const target = (name: string, trigger: object) => ({
  metadata: { name, bindings: { t: { type: 'httpTrigger', name: 't', direction: 'in' as const, ...trigger } } },
  callback: () => undefined,
});

describe('A route', () => {
  it.each(cases)('%s against %s gives %j', (template, path, params) => {
    expect(matchRoute(parseRoute(template), decodePath(path))).toEqual(params);
  });

  it('of literals is tried before one with constraints, that before a free one, that before a catch-all', () => {
    const functions = httpFunctions(['a/{*all}', 'a/{x}', 'a/{x:int}', 'a/1'].map((route) => target(route, { route })));
    const found = ['/a/1', '/a/2', '/a/b', '/a/b/c'].map(
      (path) => findFunction(functions, 'GET', decodePath(path))?.found.template,
    );
    expect(found).toEqual(['a/1', 'a/{x:int}', 'a/{x}', 'a/{*all}']);
  });

  it('is shared by functions with different methods, and is none for a method that no function has', () => {
    const functions = httpFunctions([
      target('read', { route: 'same', methods: ['GET'] }),
      target('write', { route: 'same', methods: ['POST'] }),
    ]);
    const found = ['GET', 'POST', 'PUT'].map(
      (method) => findFunction(functions, method, ['same'])?.found.target.metadata.name,
    );
    expect(found).toEqual(['read', 'write', undefined]);
  });

  it.each([
    ['admin/x', true],
    ['administrators', true],
    ['Runtimes/x', true],
    ['lvl/admin', false],
  ])('%s conflicts with the host: %s', (template, conflicts) => {
    expect(conflictsWithHost(template)).toBe(conflicts);
  });

  it('reads the same segments out of a path and its encoded form', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ minLength: 1 }).filter((text) => !/[/\\]|^\.+$|%2f/i.test(text)),
          { minLength: 1 },
        ),
        (segments) => {
          expect(decodePath(encodePath(segments))).toEqual(segments);
        },
      ),
    );
  });
});
