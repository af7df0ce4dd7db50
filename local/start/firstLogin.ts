import { randomBytes } from 'node:crypto';
import { request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, call, expectOk } from './api.ts';
import { firstName } from './firstJumpServer.ts';

const userName = 'first-user';
const connectionName = 'first-connection';

/**
 * Makes a user and a connection over HTTP, lets the user see the connection, logs the user in through the load balancer and checks that
 * exactly this connection is visible. Throws when any of it is not so.
 */
export async function proveLogin(api: Api, ingress: string): Promise<void> {
  const base = `/jump-servers/${firstName}`;
  const password = randomBytes(18).toString('base64url');
  await call(api, 'DELETE', `${base}/users/${userName}`);
  await expectOk(call(api, 'POST', `${base}/users`, { username: userName, password }), 'Creating a user');
  const connection = await ensureConnection(api, base);
  const grant = [{ op: 'add', path: `/connectionPermissions/${connection}`, value: 'READ' }];
  await expectOk(call(api, 'PATCH', `${base}/users/${userName}/permissions`, grant), 'Granting the connection');

  const credentials = new URLSearchParams({ username: userName, password });
  const login = await whenUp(() => send(new URL('api/tokens', ingress), 'POST', credentials.toString()));
  if (login.status !== 200) throw new Error(`The login at ${ingress} was answered with ${login.status}.`);
  const { authToken, dataSource } = JSON.parse(login.text) as { authToken: string; dataSource: string };
  const list = new URL(`api/session/data/${dataSource}/connections?token=${authToken}`, ingress);
  const seen = await send(list, 'GET', '', login.cookies);
  const names = Object.values(JSON.parse(seen.text) as Record<string, { name: string }>).map(({ name }) => name);
  if (names.join() !== connectionName) {
    throw new Error(
      `The user should see ${connectionName} and nothing else, but sees: ${names.join(', ') || 'nothing'}.`,
    );
  }
}

/** Nodes of an earlier run are booting while the API answers already: a minute's patience with a door that is not open yet. */
async function whenUp(attempt: () => Promise<Answer>): Promise<Answer> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const answer = await attempt().catch((error: Error) => error);
    const isUp = !(answer instanceof Error) && answer.status < 500;
    if (isUp) return answer;
    if (Date.now() > deadline) {
      if (answer instanceof Error) throw answer;
      return answer;
    }
    await delay(500);
  }
}

async function ensureConnection(api: Api, base: string): Promise<string> {
  const parameters = { hostname: '10.20.0.100', port: '22' };
  const body = { name: connectionName, protocol: 'ssh', parentIdentifier: 'ROOT', parameters, attributes: {} };
  const made = await call(api, 'POST', `${base}/connections`, body);
  if (made.status !== 409) {
    return (await expectOk<{ identifier: string }>(Promise.resolve(made), 'Creating a connection')).identifier;
  }
  const { value } = await expectOk<{ value: { identifier: string; name: string }[] }>(
    call(api, 'GET', `${base}/connections`),
    'Listing connections',
  );
  const known = value.find(({ name }) => name === connectionName);
  if (!known) throw new Error(`The connection ${connectionName} exists already but is not listed.`);
  return known.identifier;
}

/** The jump server's certificate comes from Molcajete's own authority, which this machine does not trust: a browser would ask too. */
const notVerified = { rejectUnauthorized: false };

interface Answer {
  status: number;
  text: string;
  cookies: string[];
}

function send(url: URL, method: string, body: string, cookies: string[] = []): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
      ...(cookies.length > 0 && { cookie: cookies.join('; ') }),
    };
    const call = request(url, { ...notVerified, method, headers, agent: false, timeout: 15_000 }, async (answer) => {
      try {
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += chunk;
        const set = answer.headers['set-cookie'] ?? [];
        resolve({ status: answer.statusCode ?? 0, text, cookies: set.map((cookie) => cookie.split(';')[0] ?? '') });
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error(`${url.origin} did not answer within 15 s.`)));
    call.on('error', reject);
    call.end(body);
  });
}
