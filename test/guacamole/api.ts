import { HttpRequest, type HttpResponseInit, InvocationContext } from '@azure/functions';
import type { Kysely } from 'kysely';
import { guacamoleRoutes } from '../../functions/guacamole.ts';
import type { Role } from '../../shared/auth.ts';
import type { Deps } from '../../shared/deps.ts';
import { ApiError } from '../../shared/errors.ts';
import { type DatabaseLogin, openDatabase } from '../../shared/guacamole/database.ts';
import { migrate } from '../../shared/guacamole/migrate.ts';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';
import type { Route } from '../../shared/http.ts';
import { serve } from '../../shared/serve.ts';
import { freshDatabase, type TestServer } from './mariadb.ts';

export interface Call {
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  raw?: string | Uint8Array;
  contentType?: string;
  headers?: Record<string, string>;
  role?: Role;
  /** The test cuts connections: a 500 is an answer. */
  mayFail?: boolean;
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of every shape
  body: any;
  text: string;
  headers: Record<string, string>;
}

/** One row of the audit as the test's store keeps it. */
export type AuditRow = Record<string, unknown>;

/** The API over a real database, called in process through the same `serve` as in the Functions host. */
export interface TestApi {
  db: Kysely<GuacamoleDatabase>;
  audit: AuditRow[];
  logged: string[];
  deps: Deps;
  login: DatabaseLogin;
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** Forgets all rows of Guacamole's. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** A jump server `js` with a fresh, migrated database, reached with the server's login or what `more` says of it. */
export async function startApi(server: TestServer, more: Partial<DatabaseLogin> = {}): Promise<TestApi> {
  const { db, login } = await freshDatabase(server);
  await migrate(db);
  const used = openDatabase({ ...login, connectionLimit: 20, ...more });
  const audit: AuditRow[] = [];
  const logged: string[] = [];
  const deps = testDeps(used, audit);
  const routes = guacamoleRoutes(deps);
  const context = new InvocationContext({ logHandler: (_level, ...args) => logged.push(args.map(String).join(' ')) });
  return {
    db,
    audit,
    logged,
    deps,
    login,
    async call(method, path, call = {}) {
      const url = new URL(`https://api.test/api/jump-servers/js${path}`);
      const { route, params } = match(routes, method, url.pathname.slice('/api'.length));
      const answer = await serve(route, deps, makeRequest(method, url, params, call), context);
      // A fault of ours fails the test with what the log says, unless the test is about faults.
      if (answer.status === 500 && !call.mayFail) throw new Error(`${method} ${path}: ${logged.at(-1)}`);
      return readAnswer(answer);
    },
    async clear() {
      await db.deleteFrom('guacamole_connection').execute();
      await db.deleteFrom('guacamole_connection_group').execute();
      await db.deleteFrom('guacamole_entity').execute();
      await db.deleteFrom('guacamole_connection_history').execute();
      await db.deleteFrom('guacamole_user_history').execute();
    },
    async close() {
      await used.destroy();
      await db.destroy();
    },
  };
}

function testDeps(db: Kysely<GuacamoleDatabase>, audit: AuditRow[]): Deps {
  const deps: Partial<Deps> = {
    now: () => new Date(),
    config: { MOLCAJETE_API_URL: 'https://api.test/api' } as Deps['config'],
    // The caller's role travels in the token; here the token is the role.
    authenticate: async (authorization) => {
      const role = (authorization ?? '').replace('Bearer ', '') as Role;
      return { objectId: `oid-${role}`, name: role, roles: [role] };
    },
    guacamole: async (name) => {
      if (name !== 'js') throw new ApiError(404, 'NotFound', `There is no jump server '${name}'.`);
      return db;
    },
    tables: {
      audit: {
        // Rows of the partition that points at open intents are no entries.
        createEntity: async (row: AuditRow) => void (row.outcome && audit.push({ ...row })),
        deleteEntity: async () => undefined,
        updateEntity: async (row: AuditRow) => {
          const known = audit.find((one) => one.rowKey === row.rowKey);
          Object.assign(known ?? {}, row);
        },
      },
    } as unknown as Deps['tables'],
  };
  return deps as Deps;
}

function makeRequest(method: string, url: URL, params: Record<string, string>, call: Call): HttpRequest {
  const raw = call.raw ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
  const headers: Record<string, string> = {
    authorization: `Bearer ${call.role ?? 'JumpServer.Admin'}`,
    ...(raw === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
    ...call.headers,
  };
  const body = raw === undefined ? undefined : typeof raw === 'string' ? { string: raw } : { bytes: raw };
  return new HttpRequest({ method, url: url.toString(), params, headers, ...(body ? { body } : {}) });
}

function match(
  routes: readonly Route[],
  method: string,
  pathname: string,
): { route: Route; params: Record<string, string> } {
  for (const route of routes) {
    if (route.definition.method !== method) continue;
    const pattern = new RegExp(`^${route.definition.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
    const found = pattern.exec(pathname);
    if (!found) continue;
    const params = Object.fromEntries(
      Object.entries(found.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]),
    );
    return { route, params };
  }
  throw new Error(`no route for ${method} ${pathname}`);
}

/** Calls one route with a world of the caller's. */
export async function callRoute(
  route: Route,
  deps: Deps,
  path: string,
  params: Record<string, string>,
  call: Call = {},
): Promise<Answer> {
  const url = new URL(`https://api.test/api/jump-servers/${params.name}${path}`);
  return readAnswer(
    await serve(route, deps, makeRequest(route.definition.method, url, params, call), new InvocationContext()),
  );
}

async function readAnswer(answer: HttpResponseInit): Promise<Answer> {
  const isJson = answer.jsonBody !== undefined;
  const text = isJson ? JSON.stringify(answer.jsonBody) : await readBody(answer.body);
  return {
    status: answer.status ?? 200,
    body: isJson ? JSON.parse(text) : undefined,
    text,
    headers: answer.headers as Record<string, string>,
  };
}

async function readBody(body: unknown): Promise<string> {
  if (body === undefined || body === null) return '';
  return typeof body === 'string' ? body : new Response(body as ReadableStream).text();
}
