import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertRows } from '../../shared/guacamole/bulk.ts';
import { openDatabase } from '../../shared/guacamole/database.ts';
import { startApi, type TestApi } from './api.ts';
import { startMariadb, type TestServer } from './mariadb.ts';

/** Sessions: a day apart, three users, each hundredth still open. */
const SESSIONS = 6000;
const DAY = 86_400_000;
const BEGIN = Date.UTC(2020, 0, 1);

let server: TestServer;
let api: TestApi;
beforeAll(async () => {
  server = await startMariadb();
  api = await startApi(server);
  await api.call('POST', '/imports?createGroups=true', {
    raw: `name,protocol,hostname,group\n${Array.from({ length: 6000 }, (_, i) => `c ${i},ssh,h,g${i % 50}`).join('\n')}`,
    contentType: 'text/csv',
  });
  for (const username of ['ann', 'bob', 'cid']) await api.call('POST', '/users', { body: { username } });
  for (let i = 0; i < 1500; i++) {
    await sql`INSERT INTO guacamole_entity (name, type) VALUES (${`filler ${i}`}, 'USER')`.execute(api.db);
  }
  await seedHistory();
  await sql`ANALYZE TABLE guacamole_connection, guacamole_connection_history, guacamole_user_history, guacamole_entity, guacamole_user, guacamole_connection_parameter`.execute(
    api.db,
  );
}, 60_000);
afterAll(async () => {
  await api.close();
  await server.stop();
});

async function seedHistory(): Promise<void> {
  const ids = (
    await api.db.selectFrom('guacamole_connection').select('connection_id').orderBy('connection_id').execute()
  ).map((row) => row.connection_id);
  const users = await api.db
    .selectFrom('guacamole_user as u')
    .innerJoin('guacamole_entity as e', 'e.entity_id', 'u.entity_id')
    .select(['user_id', 'name'])
    .orderBy('name')
    .execute();
  const at = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
  const rows = Array.from({ length: SESSIONS }, (_, i) => {
    const user = users[i % 3];
    const start = BEGIN + i * DAY * 0.2;
    const end = i % 100 === 99 ? null : at(start + 3_600_000);
    return { user, id: ids[i % 200] ?? 0, start: at(start), end, host: `10.0.0.${i % 20}` };
  });
  await api.db.transaction().execute(async (tx) => {
    await insertRows(
      tx,
      'guacamole_connection_history (user_id, username, remote_host, connection_id, connection_name, start_date, end_date)',
      rows.map((row) => [
        row.user?.user_id ?? null,
        row.user?.name ?? '',
        row.host,
        row.id,
        `c of ${row.id}`,
        row.start,
        row.end,
      ]),
    );
    await insertRows(
      tx,
      'guacamole_user_history (user_id, username, remote_host, start_date, end_date)',
      rows.map((row) => [row.user?.user_id ?? null, row.user?.name ?? '', row.host, row.start, row.end]),
    );
  });
}

interface Page {
  value: {
    identifier: string;
    username: string;
    startDate: number;
    endDate?: number;
    active: boolean;
    remoteHost: string;
    connectionIdentifier?: string;
  }[];
  nextLink?: string;
}

const get = async (path: string): Promise<Page> => (await api.call('GET', path, { role: 'Reader' })).body;

describe('the history', () => {
  it('comes newest first, in pages that hold each record once', async () => {
    const seen: number[] = [];
    let next: string | undefined = "/history/connections?$top=150&$filter=username eq 'ann'";
    while (next) {
      const page: Page = await get(next);
      seen.push(...page.value.map((one) => one.startDate));
      next = page.nextLink?.split('/js')[1];
    }
    expect(seen).toHaveLength(SESSIONS / 3);
    expect(seen).toEqual([...seen].sort((a, b) => b - a));
  });

  it.each([
    [
      "username eq 'BOB' and active eq true",
      (one: Page['value'][number]) => one.username === 'bob' && one.active && one.endDate === undefined,
    ],
    ["remoteHost eq '10.0.0.7'", (one: Page['value'][number]) => one.remoteHost === '10.0.0.7'],
    [
      "startDate ge '2021-01-01T00:00:00Z' and startDate lt '2021-02-01T00:00:00+00:00'",
      (one: Page['value'][number]) => new Date(one.startDate).getUTCFullYear() === 2021,
    ],
    [`startDate lt ${Date.UTC(2020, 0, 3)}`, (one: Page['value'][number]) => one.startDate < Date.UTC(2020, 0, 3)],
    ["contains(connectionName,'of 1')", () => true],
    ['active ne true', (one: Page['value'][number]) => !one.active && one.endDate !== undefined],
  ])('can be filtered: %s', async (filter, holds) => {
    const { value } = await get(
      `/history/connections?$filter=${encodeURIComponent(filter)}&$top=1000&$orderby=startDate asc`,
    );
    expect(value.length).toBeGreaterThan(0);
    expect(value.filter((one) => !holds(one))).toEqual([]);
    expect(value.map((one) => one.startDate)).toEqual(value.map((one) => one.startDate).sort((a, b) => a - b));
  });

  it('is written as CSV on request, however long it is', async () => {
    const answer = await api.call('GET', '/history/users', { headers: { accept: 'text/csv' }, role: 'Reader' });
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
    const lines = answer.text.trim().split('\r\n');
    expect(lines[0]).toBe('identifier,startDate,endDate,username,remoteHost');
    expect(lines).toHaveLength(SESSIONS + 1);
    expect(lines.at(-1)).toMatch(/^\d+,2020-01-01T00:00:00\.000Z,2020-01-01T01:00:00\.000Z,ann,10\.0\.0\.0$/);
  });

  it('shows the open sessions of all nodes, and counts them on their connections', async () => {
    const { value } = await get('/sessions?$top=1000');
    expect(value).toHaveLength(SESSIONS / 100);
    expect(value.every((one) => one.active)).toBe(true);
    const id = value[0]?.connectionIdentifier;
    const open = value.filter((one) => one.connectionIdentifier === id).length;
    expect((await api.call('GET', `/connections/${id}`)).body).toMatchObject({
      activeConnections: open,
      lastActive: expect.any(Number),
    });
    expect((await get(`/sessions?$filter=connectionIdentifier eq '${id}'`)).value).toHaveLength(open);
  });

  it('adds up to usage per user and connection within a period', async () => {
    const period = 'from=2020-03-01T00:00:00Z&to=2020-03-02T00:00:00Z';
    const { value } = (await api.call('GET', `/usage?by=user&${period}`)).body;
    expect(value.map((one: { username: string }) => one.username).sort()).toEqual(['ann', 'bob', 'cid']);
    // Sessions that were open before the period count for the whole of its day: two rows, and five of an hour each begin in it.
    const seconds = value.reduce((sum: number, one: { seconds: number }) => sum + one.seconds, 0);
    const before = Math.floor((Date.UTC(2020, 2, 1) - BEGIN) / (DAY * 0.2) / 100);
    expect(seconds).toBe(before * 86_400 + 5 * 3600);
    const byConnection = (await api.call('GET', `/usage?${period}`)).body.value;
    expect(byConnection.reduce((sum: number, one: { seconds: number }) => sum + one.seconds, 0)).toBe(seconds);
    expect((await api.call('GET', '/usage?from=2021-01-01T00:00:00Z&to=2020-01-01T00:00:00Z')).status).toBe(400);
  });

  it.each([
    'from=0000-01-01T00:00:00%2B01:00',
    'to=9999-12-31T23:59:59-01:00',
    'to=0999-01-01T00:00:00Z',
    'to=1000-01-02T00:00:00Z',
  ])('adds up nothing over a period that the database cannot say: %s', async (period) => {
    expect(await api.call('GET', `/usage?${period}`)).toMatchObject({
      status: 400,
      body: { error: { code: 'InvalidPeriod' } },
    });
  });

  it('adds up a connection that was renamed as one, by its name of today, and deleted ones by theirs', async () => {
    const { identifier } = (await api.call('POST', '/connections', { body: { name: 'today', protocol: 'ssh' } })).body;
    const session = (id: string | null, name: string, hours: number) =>
      sql`INSERT INTO guacamole_connection_history (username, connection_id, connection_name, start_date, end_date)
        VALUES ('x', ${id}, ${name}, '2019-01-01 00:00:00', ${`2019-01-01 0${hours}:00:00`})`.execute(api.db);
    await session(identifier, 'before', 4);
    await session(identifier, 'today', 3);
    await session(null, 'gone', 2);
    await session(null, 'also gone', 1);
    const { value } = (await api.call('GET', '/usage?from=2019-01-01T00:00:00Z&to=2019-01-02T00:00:00Z')).body;
    expect(value).toMatchObject([
      { connectionIdentifier: identifier, connectionName: 'today', sessions: 2, seconds: 7 * 3600 },
      { connectionName: 'gone', sessions: 1, seconds: 2 * 3600 },
      { connectionName: 'also gone', sessions: 1, seconds: 3600 },
    ]);
    await sql`DELETE FROM guacamole_connection_history WHERE start_date < '2020-01-01'`.execute(api.db);
  });

  it('is filtered by what a field is not, records without that field included', async () => {
    const all = (await get('/history/connections?$top=1000')).value.length;
    const some = await get("/history/connections?$top=1000&$filter=sharingProfileIdentifier ne '7'");
    expect(some.value).toHaveLength(all);
  });
});

describe('reading', () => {
  it('never walks a whole table', async () => {
    const admin = openDatabase({ ...server.login, database: 'mysql' });
    const id = (await get('/connections?$top=1')).value[0]?.identifier;
    const group = (await get('/connection-groups?$top=1')).value[0]?.identifier;
    await sql`SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON`.execute(admin);
    const calls = [
      '/connections',
      '/connections?$orderby=name',
      '/connections?$orderby=name desc',
      `/connections?$filter=parentIdentifier eq '${group}'`,
      "/connections?$filter=startswith(name,'c 1')&$orderby=name",
      `/connections/${id}`,
      `/connections/${id}/parameters`,
      '/connection-groups',
      `/connection-groups/${group}/tree`,
      '/users',
      "/users?$filter=startswith(username,'a')",
      '/users/ann',
      '/users/ann/permissions',
      '/users/ann/effective-permissions',
      '/users/ann/groups',
      '/user-groups',
      '/sharing-profiles',
      '/history/connections',
      "/history/connections?$filter=username eq 'ann'",
      `/history/connections?$filter=connectionIdentifier eq '${id}'`,
      '/history/users',
      '/sessions',
      '/usage?from=2023-01-01T00:00:00Z&to=2023-01-03T00:00:00Z',
    ];
    for (const path of calls) expect((await api.call('GET', path)).status).toBe(200);
    const second = (await get('/connections?$top=1000&$orderby=name')).nextLink?.split('/js')[1] ?? '';
    await get(second);
    await sql`SET GLOBAL general_log = OFF`.execute(admin);
    const logged = await sql<{ text: string }>`
      SELECT DISTINCT CONVERT(argument USING utf8mb4) AS text FROM general_log WHERE command_type = 'Query'`.execute(
      admin,
    );
    await admin.destroy();
    const selects = logged.rows
      .map((row) => row.text.trim())
      .filter((text) => /^(select|with)\s/i.test(text) && /guacamole_/.test(text));
    expect(selects.length).toBeGreaterThan(20);
    const scans: string[] = [];
    for (const text of selects) {
      const plan = await sql
        .raw<{ type: string; table: string; key: string | null; rows: string | null }>(`EXPLAIN ${text}`)
        .execute(api.db);
      for (const row of plan.rows) {
        if ((row.type === 'ALL' || row.type === 'index') && Number(row.rows) > 1200)
          scans.push(`${row.table} ${row.type} ${row.rows}: ${text.slice(0, 2000)}`);
      }
    }
    expect(scans).toEqual([]);
  });
});
