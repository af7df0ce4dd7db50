import { type ChildProcess, fork } from 'node:child_process';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditRoutes } from '../../functions/audit.ts';
import { guacamoleRoutes } from '../../functions/guacamole.ts';
import { leavesChange, settleAudit } from '../../shared/auditSweep.ts';
import type { Deps } from '../../shared/deps.ts';
import { ApiError } from '../../shared/errors.ts';
import { isAudited } from '../../shared/http.ts';
import {
  type AuditEntry,
  auditId,
  listAudit,
  listOpenIntents,
  writeIntent,
  writeOutcome,
} from '../../shared/store/audit.ts';
import type { Tables } from '../../shared/store/tables.ts';
import { createTablesStub } from '../unit/tablesStub.ts';
import { callRoute, startApi, type TestApi } from './api.ts';
import { startMariadb, type TestServer } from './mariadb.ts';
import { startTableService } from './tableService.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NOW = new Date('2026-03-01T12:00:00Z');

let server: TestServer;
let api: TestApi;
beforeAll(async () => {
  server = await startMariadb();
  api = await startApi(server);
}, 60_000);
afterAll(async () => {
  await api.close();
  await server.stop();
});
beforeEach(() => api.clear());

/** An intent of so long ago, and what the sweep makes of it. */
function sweeping(tables: Tables, guacamole: () => Promise<unknown> = async () => api.db) {
  const deps = { tables, now: () => NOW, guacamole } as unknown as Deps;
  return {
    async begin(operation: string, more: Partial<AuditEntry> = {}): Promise<string> {
      const time = more.time ?? new Date(NOW.getTime() - 6 * MINUTE);
      const id = auditId(time, `${operation}-${Math.random()}`);
      const target = `/api/jump-servers/office/${operation}`;
      await writeIntent(tables, {
        jumpServer: 'office',
        caller: { objectId: 'o', name: 'n' },
        target,
        operation,
        ...more,
        id,
        time,
      });
      return id;
    },
    sweep: () => settleAudit(deps),
    outcome: async (id: string) => (await tables.audit.getEntity('office', id)).outcome,
    open: async () => (await listOpenIntents(tables, NOW)).length,
  };
}

describe('the sweep of the audit', () => {
  it('asks the database whether a change of Guacamole happened', async () => {
    const { begin, sweep, outcome, open } = sweeping(createTablesStub());
    const [done, undone] = [await begin('Users_Create'), await begin('Users_Create')];
    await sql`INSERT INTO molcajete_change (audit_id) VALUES (${done})`.execute(api.db);
    await sweep();
    expect([await outcome(done), await outcome(undone), await open()]).toEqual(['succeeded', 'failed', 0]);
  });

  it.each(['Exports_Get', 'Connections_GetParameters', 'Operations_Cancel', 'JumpServers_Plan'])(
    'cannot tell of %s, which leaves nothing behind',
    async (operation) => {
      const { begin, sweep, outcome } = sweeping(createTablesStub());
      const id = await begin(operation);
      await sweep();
      expect(await outcome(id)).toBe('unknown');
    },
  );

  it('tells a dry run from an import', async () => {
    const { begin, sweep, outcome } = sweeping(createTablesStub());
    const dry = await begin('Imports_Run', { target: '/api/jump-servers/office/imports?dryRun=true' });
    const real = await begin('Imports_Run');
    await sweep();
    expect([await outcome(dry), await outcome(real)]).toEqual(['unknown', 'failed']);
  });

  it('leaves open what a database that sleeps or is out of reach could tell later', async () => {
    let asked = 0;
    let answer = async (): Promise<unknown> => {
      asked += 1;
      throw new ApiError(409, 'JumpServerHibernated', 'It sleeps.');
    };
    const { begin, sweep, outcome, open } = sweeping(createTablesStub(), () => answer());
    const [first, second, read] = [
      await begin('Users_Create'),
      await begin('Users_Create'),
      await begin('Exports_Get'),
    ];
    await sweep();
    expect([asked, await open(), await outcome(first), await outcome(read)]).toEqual([1, 2, 'open', 'unknown']);
    await sql`INSERT INTO molcajete_change (audit_id) VALUES (${second})`.execute(api.db);
    answer = async () => api.db;
    await sweep();
    expect([await outcome(first), await outcome(second)]).toEqual(['failed', 'succeeded']);
  });

  it('gives up when the jump server is gone, or after the 30 days for which a database remembers', async () => {
    const time = new Date(NOW.getTime() - 31 * DAY);
    const gone = sweeping(createTablesStub(), () => Promise.reject(new ApiError(404, 'NotFound', 'Gone.')));
    const lost = await gone.begin('Users_Create');
    await gone.sweep();
    expect(await gone.outcome(lost)).toBe('unknown');
    for (const guacamole of [() => Promise.reject(new Error('no route')), async () => api.db]) {
      const { begin, sweep, outcome } = sweeping(createTablesStub(), guacamole);
      const id = await begin('Users_Create', { time });
      await sweep();
      expect(await outcome(id)).toBe('unknown');
    }
  });

  it('knows every route that leaves its mark in the database, and no other', () => {
    const routes = guacamoleRoutes({} as Deps).map(({ definition }) => definition);
    const audited = routes.filter(isAudited);
    expect(audited.length).toBeGreaterThan(30);
    for (const { operationId, method, path } of audited)
      expect([operationId, leavesChange({ operation: operationId, target: path })]).toEqual([
        operationId,
        method !== 'GET',
      ]);
  });
});

describe('a dry run', () => {
  it('is marked in the audit', async () => {
    const raw = 'name,protocol\na,ssh\n';
    await api.call('POST', '/imports?dryRun=true&fileName=secret.csv', { raw, contentType: 'text/csv' });
    await api.call('POST', '/imports?dryRun=false', { raw, contentType: 'text/csv' });
    expect(api.audit.slice(-2).map((row) => row.target)).toEqual([
      '/api/jump-servers/js/imports?dryRun=true',
      '/api/jump-servers/js/imports',
    ]);
  });
});

describe('a process that is killed', () => {
  const expectSettled = async (tables: Tables, outcome: string, connections: number) => {
    const [intent] = await listOpenIntents(tables, new Date(Date.now() + MINUTE));
    expect(intent).toMatchObject({ operation: 'Connections_Create', outcome: 'open', jumpServer: 'office' });
    const later = new Date(Date.now() + 10 * MINUTE);
    await settleAudit({ tables, now: () => later, guacamole: async () => api.db } as unknown as Deps);
    expect(await tables.audit.getEntity('office', intent?.id ?? '')).toMatchObject({ outcome });
    expect(await listOpenIntents(tables, later)).toEqual([]);
    const { rows } = await sql`SELECT 1 FROM guacamole_connection WHERE connection_name = 'made by the victim'`.execute(
      api.db,
    );
    expect(rows).toHaveLength(connections);
  };

  it('between its intent and its commit has changed nothing, and the audit says failed', async () => {
    const tables = createTablesStub();
    await api.db.transaction().execute(async (tx) => {
      await sql`SELECT name FROM molcajete_lock FOR UPDATE`.execute(tx);
      const victim = startVictim(tables, () => true);
      // The server renews what this table says only when nobody has looked for 0.1 s.
      await expect.poll(waiters, { interval: 200 }).toBe(1);
      await kill(victim);
    });
    await expectSettled(tables, 'failed', 0);
  });

  it('after its commit has changed everything, and the audit says succeeded', async () => {
    const tables = createTablesStub();
    await new Promise<void>((resolve) => {
      const victim = startVictim(tables, (method) => {
        if (method !== 'updateEntity') return true;
        void kill(victim).then(resolve);
        return false;
      });
    });
    await expectSettled(tables, 'succeeded', 1);
  });

  /** Transactions that wait for a lock. */
  const waiters = async (): Promise<number> => {
    const found = await sql<{ n: number }>`
      SELECT COUNT(*) AS n FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'`.execute(api.db);
    return found.rows[0]?.n ?? 0;
  };

  /** Answers what the process asks of the tables, as long as `answers` says so. */
  function startVictim(tables: Tables, answers: (method: string) => boolean): ChildProcess {
    const victim = fork(new URL('victim.ts', import.meta.url), {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: server.caFile },
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    victim.on('message', async ({ number, method, args }: { number: number; method: string; args: never[] }) => {
      if (!answers(method)) return;
      const revived = JSON.parse(JSON.stringify(args), (name, value) => (name === 'time' ? new Date(value) : value));
      await (tables.audit as unknown as Record<string, (...args: never[]) => Promise<unknown>>)[method]?.(
        ...(revived as never[]),
      );
      if (victim.connected) victim.send(number);
    });
    victim.send(api.login);
    return victim;
  }

  const kill = async (victim: ChildProcess): Promise<void> => {
    const ended = new Promise((resolve) => victim.once('exit', resolve));
    victim.kill('SIGKILL');
    await ended;
  };
});

describe('GET /audit', () => {
  let service: Awaited<ReturnType<typeof startTableService>>;
  beforeAll(async () => {
    service = await startTableService();
    const { tables } = service;
    for (let hour = 0; hour < 24; hour++) {
      const time = new Date(NOW.getTime() - hour * 60 * MINUTE);
      const id = auditId(time, `id-${hour}`);
      const operation = hour % 2 === 0 ? 'Users_Create' : 'Users_Delete';
      const caller = { objectId: hour % 3 === 0 ? "o'neil" : 'zoe', name: 'n' };
      await writeIntent(tables, { id, jumpServer: 'office', time, caller, operation, target: '/x' });
      await writeIntent(tables, { id, jumpServer: 'other', time, caller, operation, target: '/y' });
      if (hour > 0) await writeOutcome(tables, 'office', id, { outcome: 'refused', status: 409, code: 'NameTaken' });
    }
  }, 60_000);
  afterAll(() => service.stop());

  const list = (query: string) => {
    const [route] = auditRoutes({ ...api.deps, tables: service.tables });
    if (!route) throw new Error('there is no such route');
    return callRoute(route, { ...api.deps, tables: service.tables }, `/audit${query}`, { name: 'office' });
  };
  const hours = async (query: string): Promise<number[]> =>
    (await list(query)).body.value.map((one: { time: string }) => (NOW.getTime() - Date.parse(one.time)) / 60 / MINUTE);
  const every = (holds: (hour: number) => boolean) => Array.from({ length: 24 }, (_, hour) => hour).filter(holds);

  it('lists the newest first, whole, in pages that hold each entry once', async () => {
    expect((await list('?$top=2')).body.value).toMatchObject([
      { caller: { objectId: "o'neil", name: 'n' }, operation: 'Users_Create', target: '/x', outcome: 'open' },
      { caller: { objectId: 'zoe' }, operation: 'Users_Delete', outcome: 'refused', status: 409, code: 'NameTaken' },
    ]);
    const seen: string[] = [];
    let query: string | undefined = '?$top=7';
    while (query !== undefined) {
      const { body }: Awaited<ReturnType<typeof list>> = await list(query);
      expect(body.value.length).toBeLessThanOrEqual(7);
      seen.push(...body.value.map((one: { id: string }) => one.id));
      query = body.nextLink === undefined ? undefined : new URL(body.nextLink).search;
    }
    expect(seen).toHaveLength(24);
    expect(seen).toEqual([...new Set(seen)].sort());
  });

  it.each([
    ["?caller=o'neil", (hour: number) => hour % 3 === 0],
    ['?operation=Users_Delete', (hour: number) => hour % 2 === 1],
    ['?outcome=open', (hour: number) => hour === 0],
    [
      '?outcome=refused&operation=Users_Create&caller=zoe',
      (hour: number) => hour > 0 && hour % 2 === 0 && hour % 3 > 0,
    ],
    ['?from=2026-03-01T09:00:00Z&to=2026-03-01T11:00:00Z', (hour: number) => hour >= 1 && hour <= 3],
    ['?caller=nobody', () => false],
  ])('is filtered by %s', async (query, holds) => {
    expect(await hours(query)).toEqual(every(holds));
  });

  it.each([
    '?$skiptoken=x',
    '?$skiptoken=bnVsbA==',
    `?$skiptoken=${Buffer.from('{"nextPartitionKey":7}').toString('base64')}`,
    `?$skiptoken=${'x'.repeat(5000)}`,
    `?caller=${'x'.repeat(300)}`,
    `?operation=${'x'.repeat(300)}`,
    '?outcome=perhaps',
    '?from=yesterday',
    '?$top=0',
    '?colour=red',
  ])('refuses %s', async (query) => {
    expect((await list(query)).status).toBe(400);
  });

  it('finds open intents of all jump servers by key, without those of the list', async () => {
    expect(await listOpenIntents(service.tables, new Date(NOW.getTime() - MINUTE))).toHaveLength(23);
    const { entries } = await listAudit(service.tables, 'other', {}, 1000, undefined);
    expect(entries).toHaveLength(24);
  });
});
