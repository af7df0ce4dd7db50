/** The web application's interface: health page, tokens, what the user sees, and sessions. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { GuacamoleDatabase } from './guacamoleDatabase.ts';
import { judgeLogin } from './guacamoleLogin.ts';
import type { Login, Session, Sessions } from './guacamoleSessions.ts';
import { showActive, showConnection, showGroup, showTree } from './guacamoleTree.ts';
import { openStream, openWebSocket } from './guacamoleTunnel.ts';

/** Guacamole's error shape. */
class Refusal extends Error {
  readonly status: number;
  readonly type: string;
  constructor(status: number, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

export interface ServerParts {
  database: GuacamoleDatabase;
  sessions: Sessions;
  /** `/guacamole`, or empty for the root. */
  path: string;
  /** Has the web application reached its database since its start? */
  ready(): boolean;
  /** REMOTE_IP_VALVE_ENABLED: the client's address is the proxy's word. */
  trustProxy: boolean;
}

interface Call {
  parts: ServerParts;
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  /** What the route's pattern caught. */
  word: string;
}

type Route = [method: string, pattern: RegExp, handle: (call: Call) => Promise<unknown>];

const data = '/api/session/data/mysql(?:-shared)?';
const routes: Route[] = [
  ['POST', /^\/api\/tokens$/, logIn],
  ['DELETE', /^\/api\/tokens\/([^/]+)$/, logOut],
  ['GET', new RegExp(`^${data}/connections$`), connections],
  ['GET', new RegExp(`^${data}/connectionGroups$`), connectionGroups],
  ['GET', new RegExp(`^${data}/connectionGroups/([^/]+)/tree$`), tree],
  ['GET', new RegExp(`^${data}/activeConnections$`), activeConnections],
  ['DELETE', new RegExp(`^${data}/activeConnections/([^/]+)$`), endActive],
  ['GET', /^\/websocket-tunnel$/, stream],
];

export function createGuacamoleServer(parts: ServerParts): Server {
  const server = createServer((request, response) => {
    answer(parts, request, response).catch((error: unknown) => {
      const { status, type, message } = error instanceof Refusal ? error : internal(error);
      if (!response.headersSent)
        sendJson(response, status, { message, translatableMessage: { key: message }, statusCode: status, type });
      else response.destroy();
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    upgrade(parts, request, socket).catch((error: unknown) => {
      socket.end(`HTTP/1.1 ${error instanceof Refusal ? error.status : 500} Refused\r\nConnection: close\r\n\r\n`);
    });
  });
  return server;
}

function internal(error: unknown): Refusal {
  console.error(`request failed: ${error instanceof Error ? error.message : 'unknown'}`);
  return new Refusal(500, 'INTERNAL_ERROR', 'Internal error.');
}

function locate(parts: ServerParts, request: IncomingMessage): { path: string; query: URLSearchParams } {
  const url = new URL(request.url ?? '/', 'http://guacamole');
  const inside = url.pathname.startsWith(`${parts.path}/`) || url.pathname === parts.path;
  return { path: inside ? url.pathname.slice(parts.path.length) || '/' : '', query: url.searchParams };
}

async function answer(parts: ServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { path, query } = locate(parts, request);
  if (path === '/' && (request.method === 'GET' || request.method === 'HEAD')) {
    response.writeHead(parts.ready() ? 200 : 503, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end('<!doctype html><title>Apache Guacamole</title><p>Stand-in of the local Azure.</p>');
    return;
  }
  for (const [method, pattern, handle] of routes) {
    const match = method === request.method ? pattern.exec(path) : null;
    if (!match) continue;
    const result = await handle({ parts, request, response, query, word: decodeURIComponent(match[1] ?? '') });
    if (!response.headersSent && !response.writableEnded) sendJson(response, result === undefined ? 204 : 200, result);
    return;
  }
  throw new Refusal(404, 'NOT_FOUND', 'Not found.');
}

async function logIn({ parts, request }: Call): Promise<unknown> {
  const form = new URLSearchParams(await readBody(request));
  const known = parts.sessions.find(form.get('token') ?? '');
  if (known) return showLogin(known);
  const account = await parts.database.account(form.get('username') ?? '');
  const outcome = account ? judgeLogin(account, form.get('password') ?? '', new Date()) : 'refused';
  if (!account || outcome === 'refused') throw new Refusal(403, 'INVALID_CREDENTIALS', 'Invalid login');
  if (outcome === 'newPassword') throw new Refusal(403, 'INSUFFICIENT_CREDENTIALS', 'LOGIN.INFO_PASSWORD_EXPIRED');
  const administrator = await parts.database.isAdministrator(account.entityId);
  return showLogin(await parts.sessions.logIn(account, administrator, remoteHost(parts, request)));
}

const showLogin = ({ token, account }: Login) => ({
  authToken: token,
  username: account.name,
  dataSource: 'mysql',
  availableDataSources: ['mysql', 'mysql-shared'],
});

async function logOut({ parts, word }: Call): Promise<undefined> {
  if (!(await parts.sessions.logOut(word))) throw new Refusal(404, 'NOT_FOUND', 'No such token.');
}

async function connections({ parts, ...call }: Call): Promise<unknown> {
  const { account, administrator } = requireLogin(parts, call);
  const active = parts.sessions.active();
  const found = await parts.database.connections(account.entityId, administrator);
  return Object.fromEntries(found.map((one) => [String(one.id), showConnection(one, active)]));
}

async function connectionGroups({ parts, ...call }: Call): Promise<unknown> {
  const { account, administrator } = requireLogin(parts, call);
  const found = await parts.database.connectionGroups(account.entityId, administrator);
  return Object.fromEntries(found.map((one) => [String(one.id), showGroup(one)]));
}

async function tree({ parts, word, ...call }: Call): Promise<unknown> {
  const { account, administrator } = requireLogin(parts, call);
  const groups = await parts.database.connectionGroups(account.entityId, administrator);
  const found = await parts.database.connections(account.entityId, administrator);
  const shown = showTree(word, groups, found, parts.sessions.active());
  if (!shown) throw new Refusal(404, 'NOT_FOUND', `No connection group '${word}'.`);
  return shown;
}

async function activeConnections({ parts, ...call }: Call): Promise<unknown> {
  const login = requireLogin(parts, call);
  const visible = parts.sessions
    .active()
    .filter((session) => login.administrator || session.login.account.userId === login.account.userId);
  return Object.fromEntries(visible.map((session) => [session.id, showActive(session)]));
}

async function endActive({ parts, word, ...call }: Call): Promise<undefined> {
  if (!requireLogin(parts, call).administrator) throw new Refusal(403, 'PERMISSION_DENIED', 'Permission denied.');
  const session = parts.sessions.active().find((one) => one.id === word);
  if (!session) throw new Refusal(404, 'NOT_FOUND', 'No such session.');
  await parts.sessions.end(session);
}

async function stream({ parts, request, response, query }: Call): Promise<undefined> {
  const session = await openSession(parts, request, query);
  session.tunnel = openStream(response, session.id, () => void parts.sessions.end(session).catch(internal));
}

async function upgrade(parts: ServerParts, request: IncomingMessage, socket: Socket): Promise<void> {
  const { path, query } = locate(parts, request);
  if (path !== '/websocket-tunnel') throw new Refusal(404, 'NOT_FOUND', 'Not found.');
  const session = await openSession(parts, request, query);
  session.tunnel = openWebSocket(request, socket, session.id, () => void parts.sessions.end(session).catch(internal));
}

/** `GUAC_ID` must be a connection (`GUAC_TYPE=c`) that the user may READ. */
async function openSession(parts: ServerParts, request: IncomingMessage, query: URLSearchParams): Promise<Session> {
  const login = requireLogin(parts, { request, query });
  if ((query.get('GUAC_TYPE') ?? 'c') !== 'c')
    throw new Refusal(400, 'BAD_REQUEST', 'The stand-in opens connections only (GUAC_TYPE=c).');
  const readable = await parts.database.connections(login.account.entityId, login.administrator);
  const connection = readable.find((one) => String(one.id) === query.get('GUAC_ID'));
  if (!connection) throw new Refusal(404, 'NOT_FOUND', 'No such connection.');
  const session = await parts.sessions.open(login, connection, remoteHost(parts, request));
  if (!session) throw new Refusal(429, 'BAD_REQUEST', 'The connection is in use as often as it may be.');
  return session;
}

function requireLogin(
  parts: ServerParts,
  { request, query }: { request: IncomingMessage; query: URLSearchParams },
): Login {
  const token = request.headers['guacamole-token']?.toString() ?? query.get('token') ?? '';
  const login = parts.sessions.find(token);
  if (!login) throw new Refusal(403, 'PERMISSION_DENIED', 'Permission Denied.');
  return login;
}

function remoteHost({ trustProxy }: ServerParts, request: IncomingMessage): string {
  const forwarded = trustProxy ? request.headers['x-forwarded-for']?.toString().split(',').at(-1)?.trim() : undefined;
  return forwarded || (request.socket.remoteAddress ?? '');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (status === 204) {
    response.writeHead(204).end();
    return;
  }
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
