import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { HttpRequest, InvocationContext } from '@azure/functions';
import { CompiledQuery, type Kysely } from 'kysely';
import { guacamoleRoutes } from '../../functions/guacamole.ts';
import type { Role } from '../../shared/auth.ts';
import type { Deps } from '../../shared/deps.ts';
import { insertRows } from '../../shared/guacamole/bulk.ts';
import { openDatabase } from '../../shared/guacamole/database.ts';
import { migrate } from '../../shared/guacamole/migrate.ts';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';
import { serve } from '../../shared/serve.ts';
import { freshDatabase, startMariadb } from '../guacamole/mariadb.ts';
import { median, print, quantile, type Row } from './figures.ts';

type Db = Kysely<GuacamoleDatabase>;

const IMPORTED = 10_000;
const IMPORT_ROUNDS = 15;
/** Connections made by a request each, in every round. */
const SINGLES = 200;
const STORED = 100_000;
const ROUNDS = 300;

/** Ours and what it is measured against, called one after the other. */
interface Pair {
  ours(): Promise<unknown>;
  bare(): Promise<unknown>;
}

interface World {
  db: Db;
  /** Statements that the API sent since it was last emptied. */
  statements: { sql: string; parameters: readonly unknown[] }[];
  call(method: string, path: string, body?: string, contentType?: string): Promise<string>;
  /** The same statements behind a function that does nothing else. */
  bare(): Promise<string>;
  close(): Promise<void>;
}

/** `npm run bench guacamole`: the API of connections against the statements it is made of. */
export async function benchGuacamole(): Promise<void> {
  const world = await startWorld();
  try {
    await benchImport(world);
    await benchReads(world);
  } finally {
    await world.close();
  }
}

async function startWorld(): Promise<World> {
  // As durable as Azure's servers are.
  const mariadb = await startMariadb(['--innodb-flush-log-at-trx-commit=1', '--innodb-doublewrite=1']);
  const { db: admin, login } = await freshDatabase(mariadb);
  await migrate(admin);
  const statements: World['statements'] = [];
  const db = openDatabase(login);
  const recorded = recording(openDatabase(login), statements);
  const routes = guacamoleRoutes(dependencies(recorded));
  const context = new InvocationContext();
  const api = await listen(async (request, body) => {
    const url = new URL(request.url ?? '/', 'http://bench/');
    const { route, params } = find(routes, request.method ?? 'GET', url.pathname);
    const headers = {
      authorization: 'Bearer x',
      'content-type': request.headers['content-type'] ?? 'application/json',
    };
    const wrapped = new HttpRequest({
      method: request.method ?? 'GET',
      url: url.toString(),
      params,
      headers,
      ...(body.length > 0 ? { body: { bytes: body } } : {}),
    });
    const answer = await serve(route, dependencies(recorded), wrapped, context);
    return JSON.stringify(answer.jsonBody ?? null);
  });
  const plain = await listen(async () => {
    const last = statements.at(-1);
    return JSON.stringify(
      (await db.executeQuery(CompiledQuery.raw(last?.sql ?? 'SELECT 1', [...(last?.parameters ?? [])]))).rows,
    );
  });
  return {
    db,
    statements,
    call: (method, path, body, contentType) => http(api.url, method, `/jump-servers/js${path}`, body, contentType),
    bare: () => http(plain.url, 'GET', '/'),
    async close() {
      for (const one of [api, plain]) await one.close();
      for (const one of [db, recorded, admin]) await one.destroy();
      await mariadb.stop();
    },
  };
}

/** Remembers every statement with its values, so that the baseline runs exactly the same. */
function recording(db: Db, statements: World['statements']): Db {
  return db.withPlugin({
    transformQuery: ({ node, queryId }) => {
      if (!paused) statements.push({ ...db.getExecutor().compileQuery(node, queryId) });
      return node;
    },
    transformResult: async ({ result }) => result,
  });
}
let paused = false;

function dependencies(db: Db): Deps {
  const role: Role = 'JumpServer.Admin';
  const deps: Partial<Deps> = {
    now: () => new Date(),
    config: { MOLCAJETE_API_URL: 'http://bench/' } as Deps['config'],
    authenticate: async () => ({ objectId: 'o', name: 'n', roles: [role] }),
    guacamole: async () => db,
    tables: {
      audit: {
        createEntity: async () => undefined,
        updateEntity: async () => undefined,
        deleteEntity: async () => undefined,
      },
    } as unknown as Deps['tables'],
  };
  return deps as Deps;
}

function find(routes: ReturnType<typeof guacamoleRoutes>, method: string, path: string) {
  for (const route of routes) {
    if (route.definition.method !== method) continue;
    const found = new RegExp(`^${route.definition.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`).exec(path);
    if (found) return { route, params: { ...found.groups } };
  }
  throw new Error(`no route for ${method} ${path}`);
}

async function listen(
  handler: (request: IncomingMessage, body: Buffer) => Promise<string>,
): Promise<{ url: string; close(): Promise<void> }> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = await handler(request, Buffer.concat(chunks)).catch((error: unknown) => `failed: ${String(error)}`);
    response.setHeader('content-type', 'application/json');
    response.end(text);
  };
  const server: Server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function http(
  origin: string,
  method: string,
  path: string,
  body?: string,
  contentType = 'application/json',
): Promise<string> {
  const answer = await fetch(origin + path, {
    method,
    ...(body === undefined ? {} : { body, headers: { 'content-type': contentType } }),
  });
  return answer.text();
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
};

const LINE = (i: number): string[] => [
  `host ${i}`,
  'rdp',
  `10.0.${i >> 8}.${i & 255}`,
  '3389',
  `user${i}`,
  `secret ${i}`,
];

/** Rows per second: a file through the API, the same rows in raw multi-row inserts, and one request for each connection. */
async function benchImport({ db, call }: World): Promise<void> {
  const lines = Array.from({ length: IMPORTED }, (_, i) => LINE(i).join(','));
  const csv = `name,protocol,hostname,port,username,password\n${lines.join('\n')}\n`;
  const times = { ours: [] as number[], raw: [] as number[], one: [] as number[] };
  const runs = {
    ours: async () => mustSucceed(await call('POST', '/imports', csv, 'text/csv'), `"created":${IMPORTED}`),
    raw: () => insertRaw(db),
  };
  // The first round warms up; the others take turns in who goes first, since the server still clears away what was deleted before.
  for (let round = -1; round < IMPORT_ROUNDS; round++) {
    for (const kind of round % 2 === 0 ? (['ours', 'raw'] as const) : (['raw', 'ours'] as const)) {
      await db.deleteFrom('guacamole_connection').execute();
      paused = true;
      const took = await seconds(runs[kind]);
      paused = false;
      if (round >= 0) times[kind].push(took / IMPORTED);
    }
    const each = Array.from({ length: SINGLES }, (_, i) => single(`single ${round} ${i}`, LINE(i)));
    const took = await seconds(async () => {
      for (const body of each) mustSucceed(await call('POST', '/connections', body), '"identifier"');
    });
    if (round >= 0) times.one.push(took / SINGLES);
  }
  const perSecond = (values: number[]): string => `${Math.round(1 / median(values))}/s`;
  const faster = (than: number[]): number => median(than.map((other, i) => other / (times.ours[i] ?? Number.NaN)));
  print(`Connections into the database (medians of ${IMPORT_ROUNDS} interleaved runs of 10,000, ratios run by run)`, [
    ['one file against raw multi-row inserts (≥ 0.7)', perSecond(times.ours), perSecond(times.raw), faster(times.raw)],
    ['one file against one request each (≥ 20)', perSecond(times.ours), perSecond(times.one), faster(times.one)],
  ]);
}

const single = (name: string, [, protocol, hostname, port, username, password]: string[]): string =>
  JSON.stringify({ name, protocol, parameters: { hostname, port, username, password } });

function mustSucceed(text: string, mark: string): void {
  if (!text.includes(mark)) throw new Error(`unexpected answer: ${text.slice(0, 300)}`);
}

/** As anybody would write it: 2,000 rows to a statement, one after the other, in one transaction. */
async function insertRaw(db: Db): Promise<void> {
  const names = ['hostname', 'port', 'username', 'password'];
  await db.transaction().execute(async (tx) => {
    for (let start = 0; start < IMPORTED; start += 2000) {
      const rows = Array.from({ length: 2000 }, (_, i) => LINE(start + i));
      const connections = rows.map((row) => row.slice(0, 2));
      const made = await tx.executeQuery(
        CompiledQuery.raw('INSERT INTO guacamole_connection (connection_name, protocol) VALUES ?', [connections]),
      );
      const first = Number(made.insertId);
      const values = rows.flatMap((row, i) => names.map((name, n) => [first + i, name, row[n + 2]]));
      for (let part = 0; part < values.length; part += 2000) {
        const text =
          'INSERT INTO guacamole_connection_parameter (connection_id, parameter_name, parameter_value) VALUES ?';
        await tx.executeQuery(CompiledQuery.raw(text, [values.slice(part, part + 2000)]));
      }
    }
  });
}

/** Milliseconds of a read, against the statement behind it run by a function that does nothing else. */
async function benchReads(world: World): Promise<void> {
  const { db, call, bare } = world;
  const connection = await fill(db);
  const reads: [string, string][] = [
    [`a page of 100 of ${STORED} connections by name`, '/connections?$orderby=name'],
    ['a page of 100 from their middle', `/connections?$orderby=name&$skiptoken=${middleToken()}`],
    ['effective permissions of a user in 50 groups', '/users/member/effective-permissions'],
    ['one connection', `/connections/${connection}`],
  ];
  const rows: Row[] = [];
  for (const [title, path] of reads) {
    world.statements.length = 0;
    mustSucceed(await call('GET', path), path.startsWith('/users') ? 'READ' : '"identifier"');
    if (world.statements.length !== 1) throw new Error(`${title} takes ${world.statements.length} statements`);
    paused = true;
    const { ours, bare: base } = await interleave({ ours: () => call('GET', path), bare });
    paused = false;
    const show = (values: number[]): string =>
      `${median(values).toFixed(2)} ms, p99 ${quantile(values, 0.99).toFixed(2)}`;
    rows.push([`${title} (≤ 1.3)`, show(ours), show(base), median(ours) / median(base)]);
  }
  print(`Reads over HTTP against the bare statement behind a bare function (${ROUNDS} interleaved calls)`, rows);
}

const middleToken = (): string => Buffer.from(JSON.stringify(['name', 'host 55', 0, 1])).toString('base64url');

async function interleave(pair: Pair): Promise<{ ours: number[]; bare: number[] }> {
  const times = { ours: [] as number[], bare: [] as number[] };
  for (let round = -20; round < ROUNDS; round++) {
    for (const kind of round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
      const took = (await seconds(pair[kind])) * 1000;
      if (round >= 0) times[kind].push(took);
    }
  }
  return times;
}

/** 100,000 connections in 100 groups, a user in 50 user groups that may read 20 of them each. */
async function fill(db: Db): Promise<number> {
  await db.deleteFrom('guacamole_connection').execute();
  return db.transaction().execute(async (tx) => {
    const groups = await insertRows(
      tx,
      'guacamole_connection_group (connection_group_name)',
      Array.from({ length: 100 }, (_, i) => [`group ${i}`]),
    );
    const firstGroup = groups[0]?.firstId ?? 0;
    const rows = Array.from({ length: STORED }, (_, i) => [`host ${i}`, 'rdp', firstGroup + (i % 100)]);
    const ids = await insertRows(tx, 'guacamole_connection (connection_name, protocol, parent_id)', rows);
    const first = ids[0]?.firstId ?? 0;
    await insertRows(
      tx,
      'guacamole_connection_parameter (connection_id, parameter_name, parameter_value)',
      ['hostname', 'port', 'username', 'password'].map((name) => [first, name, 'x']),
    );
    const entities = await insertRows(tx, 'guacamole_entity (name, type)', [
      ['member', 'USER'],
      ...Array.from({ length: 50 }, (_, i) => [`team ${i}`, 'USER_GROUP']),
    ]);
    const user = entities[0]?.firstId ?? 0;
    await insertRows(tx, 'guacamole_user (entity_id, password_hash, password_date)', [
      [user, '0'.repeat(32), '2026-01-01'],
    ]);
    const teams = Array.from({ length: 50 }, (_, i) => user + 1 + i);
    const made = await insertRows(
      tx,
      'guacamole_user_group (entity_id)',
      teams.map((id) => [id]),
    );
    const firstTeam = made[0]?.firstId ?? 0;
    await insertRows(
      tx,
      'guacamole_user_group_member (user_group_id, member_entity_id)',
      teams.map((_, i) => [firstTeam + i, user]),
    );
    await insertRows(
      tx,
      'guacamole_connection_permission (entity_id, connection_id, permission)',
      teams.flatMap((team, i) => Array.from({ length: 20 }, (_, n) => [team, first + i * 20 + n, 'READ'])),
    );
    return first;
  });
}
