import { beforeEach, expect, test } from 'vitest';
import { jumpServerRoutes } from '../../functions/jumpServers.ts';
import type { Deps } from '../../shared/deps.ts';
import type { Lease } from '../../shared/store/leases.ts';
import { minimal } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const caller = { objectId: 'anna', name: 'anna', roles: [] };

let started: string[];
let call: (
  method: 'GET' | 'PUT' | 'DELETE',
  more?: { body?: object; headers?: Record<string, string> },
) => Promise<Answer>;
interface Answer {
  status: number;
  headers: Record<string, string>;
}

beforeEach(() => {
  started = [];
  const deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api', MOLCAJETE_RESOURCE_GROUP: 'control' },
    now: () => new Date('2026-11-23T12:00:00Z'),
    tables: createTablesStub(),
  } as unknown as Deps;
  const routes = jumpServerRoutes(deps);
  const startOperation = async ({ operationId }: Lease) => void started.push(operationId);
  call = async (method, { body, headers = {} } = {}) => {
    const found = routes.find(({ definition }) => definition.method === method && definition.path.endsWith('{name}'));
    if (found === undefined) throw new Error(`There is no ${method}.`);
    const parsed = found.definition.body?.parse(body);
    const request = { params: { name: 'demo' }, body: parsed, caller, headers: new Headers(headers), startOperation };
    const answer = await found.handle(request as unknown as Parameters<typeof found.handle>[0]);
    return { status: answer.status ?? 200, headers: answer.headers ?? {} };
  };
});

test('ten equal PUTs at once start one operation, and all of their callers are pointed at it', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => call('PUT', { body: minimal })));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(202));
  expect(new Set(answers.map(({ headers }) => headers['Operation-Location'])).size).toBe(1);
  expect(started).toHaveLength(1);
});

test('a PUT and a DELETE of who read another spec than the one that stands are refused', async () => {
  await call('PUT', { body: minimal });
  const { etag = '' } = (await call('GET')).headers;
  const changed = { ...minimal, tags: { team: 'platform' } };
  const stale = { 'if-match': '"0123456789abcdef0123456789abcdef"' };
  const refusal = { status: 412, code: 'PreconditionFailed', target: 'If-Match', headers: { ETag: etag } };
  await expect(call('PUT', { body: changed, headers: stale })).rejects.toMatchObject(refusal);
  await expect(call('DELETE', { headers: stale })).rejects.toMatchObject(refusal);
  // Past the condition each of them meets the operation that runs.
  const running = { status: 409, code: 'OperationInProgress' };
  for (const match of [etag, '*', `${stale['if-match']}, ${etag}`, `W/${etag}`]) {
    await expect(call('PUT', { body: changed, headers: { 'if-match': match } })).rejects.toMatchObject(running);
    await expect(call('DELETE', { headers: { 'if-match': match } })).rejects.toMatchObject(running);
  }
});

test('a PUT that is to make a new one is refused where there is one, and one that is to change it where there is none', async () => {
  const wanted = { body: minimal, headers: { 'if-match': '*' } };
  await expect(call('PUT', wanted)).rejects.toMatchObject({ status: 412 });
  const fresh = { body: minimal, headers: { 'if-none-match': '*' } };
  expect((await call('PUT', fresh)).status).toBe(202);
  await expect(call('PUT', fresh)).rejects.toMatchObject({ status: 412, target: 'If-None-Match' });
});

test("the control plane's own group is refused, whether it was named or is the name's default, with a way out that is one", async () => {
  const refused = {
    status: 400,
    target: 'resourceGroup',
    message: expect.stringMatching(/Name another .* another name\.$/),
  };
  await expect(call('PUT', { body: { ...minimal, resourceGroup: 'Control' } })).rejects.toMatchObject(refused);
});
