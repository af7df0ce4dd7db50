import type { HttpRequest, InvocationContext } from '@azure/functions';
import { expect, test } from 'vitest';
import { healingRoutes } from '../../functions/healing.ts';
import { openApiDocument } from '../../functions/openapi.ts';
import { rotationRoutes } from '../../functions/rotation.ts';
import type { Deps } from '../../shared/deps.ts';
import { type Route, route } from '../../shared/http.ts';
import { credentials } from '../../shared/rotation/credentials.ts';
import { serve } from '../../shared/serve.ts';
import { createTablesStub } from './tablesStub.ts';

function createWorld() {
  const tables = createTablesStub();
  const caller = { objectId: 'anna', name: 'anna', roles: ['JumpServer.Admin'] };
  const deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api' },
    now: () => new Date('2026-11-23T12:00:00Z'),
    authenticate: async () => caller,
    tables,
  } as unknown as Deps;
  const logged: string[] = [];
  const context = { error: (...words: unknown[]) => void logged.push(words.join(' ')) } as unknown as InvocationContext;
  const call = async (one: Route, params: Record<string, string>) => {
    const url = 'https://api.test/api/jump-servers/x';
    const request = { url, params, headers: new Headers(), body: null } as unknown as HttpRequest;
    const { status, jsonBody } = await serve(one, deps, request, context);
    return [status, (jsonBody as { error?: { code: string } } | undefined)?.error?.code];
  };
  return { tables, logged, call };
}

const routeOf = (method: 'GET' | 'DELETE', handle: () => Promise<object>) =>
  route(
    { operationId: 'Test', summary: '', method, path: '/jump-servers/{name}', role: 'Reader', responses: {} },
    handle,
  );

test.each(['a#b', 'a\\b', 'a%2Fb', 'a?b', 'a\u0007b', 'a\u0085b', 'x'.repeat(513), 'Upper', ''])(
  'a name that no jump server can have (%j) is refused by every route, before anything is written down',
  async (name) => {
    const { tables, call } = createWorld();
    const handled = routeOf('DELETE', async () => ({ status: 204 }));
    expect(await call(handled, { name })).toEqual([400, 'InvalidName']);
    const rows: unknown[] = [];
    for await (const row of tables.audit.listEntities()) rows.push(row);
    expect(rows).toEqual([]);
    expect(await call(handled, { name: 'office' })).toEqual([204, undefined]);
  },
);

test.each([
  ['heal', healingRoutes, { resetBreaker: false }],
  ['rotate', rotationRoutes, { credentials: [...credentials] }],
])(
  'POST …/%s may come without a body, which means the defaults, and the OpenAPI document says so',
  async (action, routesOf, body) => {
    const { call } = createWorld();
    const given: unknown[] = [];
    const routes = routesOf({} as Deps).map(({ definition }) => ({
      definition: { ...definition, audited: false },
      handle: async (request: { body: unknown }) => {
        given.push(request.body);
        return { status: 202 };
      },
    }));
    const [one] = routes;
    if (one === undefined) throw new Error('There is no route.');
    expect(await call(one, { name: 'office' })).toEqual([202, undefined]);
    expect(given).toEqual([body]);
    expect(openApiDocument(routes)).toMatchObject({
      paths: { [`/jump-servers/{name}/${action}`]: { post: { requestBody: { required: false } } } },
    });
  },
);

test('the log gets the place of an error', async () => {
  const { logged, call } = createWorld();
  const fails = routeOf('GET', async () => {
    throw new TypeError('undefined is not a function');
  });
  expect(await call(fails, { name: 'office' })).toEqual([500, 'InternalError']);
  expect(logged[0]).toContain('TypeError: undefined is not a function');
  expect(logged[0]).toContain('serve.test.ts');
});

test("the log gets a database error's code and place, but not its text, which can quote values", async () => {
  const { logged, call } = createWorld();
  const fails = routeOf('GET', async () => {
    const message = "Incorrect string value: 'hunter2\nhunter2' for column 'parameter_value'";
    throw Object.assign(new Error(message), { code: 'ER_TRUNCATED_WRONG_VALUE', errno: 1366, sql: "SET 'hunter2'" });
  });
  expect(await call(fails, { name: 'office' })).toEqual([500, 'InternalError']);
  expect(logged[0]).toContain('ER_TRUNCATED_WRONG_VALUE (1366)');
  expect(logged[0]).toContain('serve.test.ts');
  expect(logged.join()).not.toContain('hunter2');
});
