import { beforeEach, describe, expect, test } from 'vitest';
import { jumpServerRoutes } from '../../functions/jumpServers.ts';
import type { Deps } from '../../shared/deps.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { putJumpServer } from '../../shared/store/jumpServers.ts';
import type { Lease } from '../../shared/store/leases.ts';
import { putNode } from '../../shared/store/nodes.ts';
import { putReport } from '../../shared/store/reports.ts';
import { secondsAfter } from '../../shared/time.ts';
import { minimal, specOf } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

const caller = { objectId: 'anna', name: 'anna', roles: [] };

const now = new Date('2026-11-23T12:00:00Z');

let deps: Deps;
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
  deps = {
    config: { MOLCAJETE_API_URL: 'https://api.test/api', MOLCAJETE_RESOURCE_GROUP: 'control' },
    now: () => now,
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

describe('a PUT of fewer nodes', () => {
  const well = { healthy: true };
  const ill = { healthy: false };
  const hear = (number: number, web: object, receivedAt = now) => {
    const sessions = { served: 0, relayed: 0 };
    const report = { haproxy: well, web, guacd: well, database: well, sessions, secrets: {}, applied: null };
    const stored = { node: `demo-${number}`, report: report as unknown as NodeReport, receivedAt };
    return putReport(deps.tables, 'demo', stored);
  };
  beforeEach(async () => {
    const server = { name: 'demo', spec: specOf(), state: 'Ready' as const, createdAt: now, lastOperation: 'first' };
    await putJumpServer(deps.tables, server);
    for (const number of [1, 2]) await putNode(deps.tables, 'demo', { number, state: 'running', since: now });
  });
  const fewer = { body: { ...minimal, web: { count: 1 } } };

  test('is refused while it would take away the only one that works, and changes nothing', async () => {
    await hear(1, ill);
    await hear(2, well);
    const refusal = { status: 409, code: 'NoHealthyNode', message: expect.stringContaining('demo-2') };
    await expect(call('PUT', fewer)).rejects.toMatchObject(refusal);
    expect(started).toEqual([]);
    expect((await call('PUT', { body: { ...minimal, web: { count: 3 } } })).status).toBe(202);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['one that stays works', () => Promise.all([hear(1, well), hear(2, well)])],
    ['none works that would go', () => Promise.all([hear(1, ill), hear(2, ill)])],
    ['none has been heard of, for the control plane was away', () => hear(2, well, secondsAfter(now, -600))],
  ])('is taken where %s', async (_, arrange) => {
    await arrange();
    expect((await call('PUT', fewer)).status).toBe(202);
  });
});
