import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorld, spec, type World } from '../e2e/world.ts';
import { keysOf } from './keys.ts';

interface Operation {
  operationId: string;
  'x-role'?: string;
}

const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
};

/** Every route that the product has, from the document that is generated of them. */
const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: operation.operationId,
    method: method.toUpperCase(),
    path: path.replace(/\{(\w+)\}/g, 'nothing'),
    role: operation['x-role'],
  })),
);
const guarded = routes.filter((route) => route.role !== undefined && route.role !== 'functionKey');
const keyed = routes.filter((route) => route.role === 'functionKey');

let world: World;
beforeAll(async () => {
  world = await openWorld({ checkKeys: true });
}, 120_000);
afterAll(() => world?.close());

const tokens: Record<string, () => Promise<string | null>> = {
  'no token': async () => null,
  'no token but text': async () => 'eyJ.not.atoken',
  'a token signed with another key': () => world.stack.mint({ roles: ['JumpServer.Admin'], signWith: 'other-key' }),
  'an expired token': () => world.stack.mint({ roles: ['JumpServer.Admin'], expiresInSeconds: -3600 }),
  'a token of another issuer': () =>
    world.stack.mint({ roles: ['JumpServer.Admin'], issuer: 'https://login.example/v2.0' }),
  'a token for ARM': () => world.stack.mint({ roles: ['JumpServer.Admin'], audience: 'https://management.azure.com' }),
  'a token for another API': () => world.stack.mint({ roles: ['JumpServer.Admin'], audience: 'api://another' }),
};

test('no route is open but the health check', () => {
  expect(routes.filter((route) => route.role === undefined).map((route) => route.name)).toEqual(['Health_Get']);
});

describe.each(Object.keys(tokens))('%s', (kind) => {
  test('is answered with 401 by every route', async () => {
    const token = await tokens[kind]?.();
    const answers = await Promise.all(
      guarded.map(async ({ name, method, path }) => {
        const { status, body, headers } = await world.call(method, path, { token });
        return [name, status, body?.error?.code, headers.get('www-authenticate')];
      }),
    );
    expect(answers).toEqual(guarded.map(({ name }) => [name, 401, 'Unauthenticated', 'Bearer']));
  });
});

describe('an entrance of the portal', () => {
  const unfit: Record<string, (name: string) => Record<string, string>> = {
    'no key': () => ({}),
    'an unknown key': () => ({ 'x-functions-key': 'guessed' }),
    'the key of another function': (name) => ({
      'x-functions-key': keysOf(world).functions[name === 'Portal_Heal' ? 'Portal_Scale' : 'Portal_Heal'] ?? '',
    }),
  };

  test.each(Object.keys(unfit))("is closed to who brings an administrator's token and %s", async (kind) => {
    const answers = await Promise.all(
      keyed.map(async ({ name, method, path }) => {
        const { status, text } = await world.call(method, path, { body: {}, headers: unfit[kind]?.(name) ?? {} });
        return [name, status, text];
      }),
    );
    expect(answers).toEqual(keyed.map(({ name }) => [name, 401, '']));
  });

  test.each([
    ['in a header', (key: string) => [{ 'x-functions-key': key }, ''] as const],
    ['in the URL', (key: string) => [{}, `?code=${encodeURIComponent(key)}`] as const],
  ])('is open to who brings its key %s, and says what is wrong with the body', async (_, bring) => {
    const answers = await Promise.all(
      keyed.map(async ({ name, method, path }) => {
        const [headers, query] = bring(keysOf(world).functions[name] ?? '');
        const { status, body } = await world.call(method, `${path}${query}`, { body: 7, headers, token: null });
        return [name, status, body?.error?.code];
      }),
    );
    expect(answers).toEqual(keyed.map(({ name }) => [name, 400, 'InvalidRequest']));
  });
});

/** From most to least; each includes those after it. */
const order = ['JumpServer.Admin', 'Connection.Admin', 'Reader'];

test.each(['', 'Reader', 'Connection.Admin', 'Something.Else'])(
  'a caller with the role "%s" is answered with 403 by every route that needs more',
  async (role) => {
    const token = await world.stack.token(...(role === '' ? [] : [role]));
    const beyond = guarded.filter(
      (route) =>
        route.role !== 'node' && (!order.includes(role) || order.indexOf(role) > order.indexOf(route.role ?? '')),
    );
    const answers = await Promise.all(
      beyond.map(async ({ name, method, path }) => [name, (await world.call(method, path, { token })).status]),
    );
    expect(answers).toEqual(beyond.map(({ name }) => [name, 403]));
  },
);

test('a node route is no way in for people', async () => {
  const { status } = await world.call('POST', '/jump-servers/nothing/nodes/nothing-1/report', { body: report });
  expect(status).toBe(403);
});

test('a POST sent again under its Repeatability-Request-ID is done once and answered twice', async () => {
  const headers = { 'Repeatability-Request-ID': randomUUID() };
  // One caller: another one's ids are not his.
  const token = await world.stack.token('Reader');
  const plan = (count: number) =>
    world.call('POST', '/jump-servers/again/plan', { body: spec({ web: { count } }), headers, token });
  const first = await plan(2);
  const asked = (await world.armRows()).length;
  const second = await plan(2);
  expect([first.status, second.status, second.headers.get('repeatability-result')]).toEqual([200, 200, 'accepted']);
  expect(second.body).toEqual(first.body);
  expect((await world.armRows()).length).toBe(asked);
  const other = await plan(3);
  expect([other.status, other.body.error.code]).toEqual([400, 'RepeatabilityMismatch']);
});

test('the group of the control plane is no group for a jump server', async () => {
  const { status, body } = await world.call('PUT', '/jump-servers/inside', {
    body: spec({ resourceGroup: 'Molcajete-Control' }),
  });
  expect([status, body.error.target]).toEqual([400, 'resourceGroup']);
});

const part = { healthy: true };
const report = {
  bootId: 'b',
  agentVersion: '1',
  applied: null,
  haproxy: part,
  web: part,
  guacd: part,
  database: part,
  sessions: { served: 0, relayed: 0 },
  secrets: {},
  draining: false,
};
