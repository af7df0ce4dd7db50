import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createDefaultHttpClient, createPipelineFromOptions, createPipelineRequest } from '@azure/core-rest-pipeline';
import { afterEach, expect, test } from 'vitest';
import { readArmError } from '../../shared/azure/armError.ts';
import { deadlinePolicy } from '../../shared/azure/deadline.ts';
import { openTables } from '../../shared/store/tables.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** The clients' pipeline, with its retries, to a server that answers like this. */
async function send(answer: (count: number) => [status: number, headers?: Record<string, string>] | undefined) {
  let count = 0;
  server = createServer((_, response) => {
    const given = answer(++count);
    if (given !== undefined) response.writeHead(given[0], given[1]).end();
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const pipeline = createPipelineFromOptions({});
  pipeline.addPolicy(deadlinePolicy(300));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/subscriptions/s`;
  return pipeline.sendRequest(createDefaultHttpClient(), createPipelineRequest({ url, allowInsecureConnection: true }));
}

test('a request that is never answered ends, as something to try again', async () => {
  const error = await send(() => undefined).catch((thrown: unknown) => thrown);
  expect(readArmError(error)).toMatchObject({
    kind: 'transient',
    failure: {
      code: 'RequestTimeout',
      message: expect.stringMatching(/no answer within 0.3 seconds: GET \/subscriptions\/s/),
    },
  });
});

test('a long Retry-After is not slept through inside a request', async () => {
  const error = await send(() => [429, { 'retry-after': '3600' }]).catch((thrown: unknown) => thrown);
  expect(readArmError(error)).toMatchObject({ kind: 'transient', failure: { code: 'RequestTimeout' } });
});

test('what answers in time is left alone', async () => {
  expect((await send(() => [200])).status).toBe(200);
});

test('requests to tables have a deadline too', () => {
  const tables = openTables('https://account.table.test', { getToken: async () => null });
  for (const table of Object.values(tables))
    expect(table.pipeline.getOrderedPolicies().map(({ name }) => name)).toContain('deadline');
});
