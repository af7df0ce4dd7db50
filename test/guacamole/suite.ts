import { afterAll, beforeAll } from 'vitest';
import { startApi, type TestApi } from './api.ts';
import { startMariadb } from './mariadb.ts';

/** One server and one API for a test file; use it within tests and hooks only. */
export function useApi(): TestApi {
  let live: TestApi | undefined;
  beforeAll(async () => {
    const server = await startMariadb();
    const api = await startApi(server);
    live = {
      ...api,
      async close() {
        await api.close();
        await server.stop();
      },
    };
  }, 60_000);
  afterAll(() => live?.close());
  return new Proxy({} as TestApi, { get: (_, name) => Reflect.get(live ?? {}, name) });
}
