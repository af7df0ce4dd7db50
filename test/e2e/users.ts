import { request } from 'node:https';

/** Answer of a browser-like client at the ingress. */
export interface WebAnswer {
  status: number;
  text: string;
  cookies: string[];
}

export interface WebClient {
  /** `https://127.7.128.1/guacamole/`. */
  ingress: string;
  /** Loopback address that the client comes from. */
  from: string;
  cookies?: string[];
}

/** One request on a connection of its own, as if the balancer saw a new flow. The jump server's own authority is not verified here. */
export function browse(
  client: WebClient,
  method: string,
  path: string,
  form?: Record<string, string>,
): Promise<WebAnswer> {
  const body = form === undefined ? '' : new URLSearchParams(form).toString();
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
      ...(client.cookies === undefined ? {} : { cookie: client.cookies.join('; ') }),
    };
    const url = new URL(path, client.ingress);
    const options = {
      method,
      headers,
      agent: false,
      localAddress: client.from,
      rejectUnauthorized: false,
      timeout: 10_000,
    };
    const call = request(url, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const cookies = (answer.headers['set-cookie'] ?? []).map((cookie) => cookie.split(';')[0] ?? '');
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString(), cookies });
      });
    });
    call.on('timeout', () => call.destroy(new Error('timed out')));
    call.on('error', reject);
    call.end(body);
  });
}

export interface Session extends WebClient {
  token: string;
  dataSource: string;
}

/** Logs in as Guacamole's own web application does; undefined when the login is refused. */
export async function logIn(client: WebClient, username: string, password: string): Promise<Session | undefined> {
  const answer = await browse(client, 'POST', 'api/tokens', { username, password });
  if (answer.status !== 200) return undefined;
  const { authToken, dataSource } = JSON.parse(answer.text) as { authToken: string; dataSource: string };
  return { ...client, cookies: answer.cookies, token: authToken, dataSource };
}

/** Names of the connections that the session's user sees. */
export async function visibleConnections(session: Session): Promise<string[]> {
  const path = `api/session/data/${session.dataSource}/connections?token=${session.token}`;
  const answer = await browse(session, 'GET', path);
  if (answer.status !== 200) throw new Error(`Listing connections was answered with ${answer.status}: ${answer.text}`);
  return Object.values(JSON.parse(answer.text) as Record<string, { name: string }>)
    .map(({ name }) => name)
    .sort();
}
