import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { change, wasCommitted } from '../../shared/guacamole/change.ts';
import { openDatabase } from '../../shared/guacamole/database.ts';
import { startApi, type TestApi } from './api.ts';
import { type CuttingProxy, startCuttingProxy } from './cuttingProxy.ts';
import { startMariadb, type TestServer } from './mariadb.ts';

let server: TestServer;
let proxy: CuttingProxy;
let api: TestApi;
beforeAll(async () => {
  server = await startMariadb();
  proxy = await startCuttingProxy(server.login.port);
  api = await startApi(server, { port: proxy.port, connectionLimit: 1 });
}, 60_000);
afterAll(async () => {
  await api.close();
  await proxy.close();
  await server.stop();
});
beforeEach(() => api.clear());

/** A change with many statements, and how many rows it leaves. */
const importThree = () =>
  api.call('POST', '/imports?createGroups=true', {
    raw: 'name,protocol,hostname,group,users\na,ssh,h,g,u1\nb,ssh,h,g,u2\nc,ssh,h,,u1\n',
    contentType: 'text/csv',
    mayFail: true,
  });

async function rowsLeft(): Promise<number> {
  const tables = [
    'guacamole_connection',
    'guacamole_connection_parameter',
    'guacamole_connection_permission',
    'guacamole_entity',
    'guacamole_connection_group',
  ] as const;
  const counts = await Promise.all(tables.map((table) => api.db.selectFrom(table).selectAll().execute()));
  return counts.reduce((sum, rows) => sum + rows.length, 0);
}
const ALL = 3 + 3 + 3 + 2 + 1;

const lastAuditId = (): string => String(api.audit.at(-1)?.rowKey);

describe('the table of changes', () => {
  it('forgets changes of more than 30 days ago now and then, and keeps the others', async () => {
    await sql`INSERT INTO molcajete_change (audit_id, changed_at) VALUES
      ('old', UTC_TIMESTAMP() - INTERVAL 31 DAY), ('young', UTC_TIMESTAMP() - INTERVAL 29 DAY)`.execute(api.db);
    await change(api.db, 'audit-01', async () => undefined);
    expect(await wasCommitted(api.db, 'old')).toBe(true);
    await change(api.db, 'audit-00', async () => undefined);
    expect([await wasCommitted(api.db, 'old'), await wasCommitted(api.db, 'young')]).toEqual([false, true]);
  });
});

describe('connections that nobody uses', () => {
  afterEach(() => void vi.useRealTimers());

  it('are kept for a minute for whoever comes next, and then closed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const db = openDatabase(server.login);
    const asked = [1, 2].map(() => sql<{ id: number }>`SELECT CONNECTION_ID() AS id, SLEEP(0.3)`.execute(db));
    const used = (await Promise.all(asked)).flatMap(({ rows }) => rows.map(({ id }) => Number(id)));
    const open = async () => {
      const { rows } = await sql<{ id: number }>`SELECT id FROM information_schema.processlist`.execute(api.db);
      return rows.filter(({ id }) => used.includes(Number(id))).length;
    };
    expect(new Set(used).size).toBe(2);
    await vi.advanceTimersByTimeAsync(55_000);
    expect(await open()).toBe(2);
    await vi.advanceTimersByTimeAsync(10_000);
    await expect.poll(open).toBe(0);
    await db.destroy();
  });
});

describe('a connection that breaks', () => {
  it.each(['before', 'after'] as const)(
    '%s any statement leaves a change done or not begun, and repeats it where that is safe',
    async (when) => {
      let cuts = 0;
      for (let nth = 1; ; nth++) {
        await api.clear();
        proxy.arm(nth, when, false);
        const answer = await importThree();
        const cut = proxy.said() >= nth;
        proxy.disarm();
        if (answer.status !== 200) console.log(nth, api.logged.at(-1), answer.text);
        expect(answer.status).toBe(200);
        expect(await rowsLeft()).toBe(ALL);
        expect(await wasCommitted(api.db, lastAuditId())).toBe(true);
        if (!cut) break;
        cuts += 1;
      }
      expect(cuts).toBeGreaterThan(10);
    },
    60_000,
  );

  it.each(['before', 'after'] as const)(
    'for good %s any statement leaves all or nothing, and the change table tells which',
    async (when) => {
      const outcomes = new Set<string>();
      for (let nth = 1; ; nth++) {
        await api.clear();
        proxy.arm(nth, when, true);
        const answer = await importThree();
        const cut = proxy.said() >= nth;
        proxy.disarm();
        const done = await wasCommitted(api.db, lastAuditId());
        expect(await rowsLeft()).toBe(done ? ALL : 0);
        // 503 promises that nothing happened; a 500 leaves the audit's row open for the sweep.
        if (answer.status === 503) expect(done).toBe(false);
        if (answer.status === 200) expect(done).toBe(true);
        expect(api.audit.at(-1)?.outcome).toBe({ 200: 'succeeded', 503: 'refused', 500: 'open' }[answer.status]);
        outcomes.add(`${answer.status} ${done}`);
        if (!cut) break;
      }
      expect(outcomes).toContain('503 false');
      expect(outcomes).toContain(when === 'after' ? '500 true' : '500 false');
    },
    60_000,
  );

  it('never brings a value of the caller into the log', async () => {
    for (let nth = 1; nth < 12; nth++) {
      proxy.arm(nth, 'after', true);
      await api.call('POST', '/users', { body: { username: `u${nth}`, password: 'hunter2-secret' }, mayFail: true });
      proxy.disarm();
    }
    expect(api.logged.join('\n')).not.toContain('hunter2');
    expect(api.logged.join('\n')).not.toMatch(/insert into/i);
  });
});
