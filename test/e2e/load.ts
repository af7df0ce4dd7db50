import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { logIn, type WebClient } from './users.ts';

interface Account {
  username: string;
  password: string;
}

/** What a stream of logins met. */
export interface LoadResult {
  logins: number;
  /** Logins that failed at first and then succeeded within the probe's time. */
  retried: { at: Date; milliseconds: number; why: string }[];
  /** Logins that did not succeed within the probe's time. */
  failed: { at: Date; why: string }[];
}

/** The balancer's probe needs two failures five seconds apart; half a second for the retry itself. */
const probeMilliseconds = 10_500;

/** Logs in anew every 200 ms, each time from another address and over a connection of its own, until it is stopped. */
export function startLoad(ingress: string, account: Account): { stop(): Promise<LoadResult> } {
  const result: LoadResult = { logins: 0, retried: [], failed: [] };
  const running = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const from = `127.0.0.${10 + (result.logins++ % 240)}`;
    const one = logInWithRetry({ ingress, from }, account, result).finally(() => running.delete(one));
    running.add(one);
  }, 200);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
      return result;
    },
  };
}

async function logInWithRetry(client: WebClient, account: Account, result: LoadResult): Promise<void> {
  const begun = Date.now();
  let why = '';
  do {
    const problem = await tryLogin(client, account);
    if (problem === undefined) {
      const milliseconds = Date.now() - begun;
      if (why !== '') result.retried.push({ at: new Date(begun), milliseconds, why });
      return;
    }
    why = problem;
    await delay(250);
  } while (Date.now() - begun < probeMilliseconds);
  result.failed.push({ at: new Date(begun), why });
}

async function tryLogin(client: WebClient, { username, password }: Account): Promise<string | undefined> {
  try {
    return (await logIn(client, username, password)) === undefined ? 'refused' : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A session that stays open: what a user at work has. */
export interface OpenSession {
  /** Name of the node that serves it. */
  home: string;
  /** When it was ended from the other side; undefined while it is open. */
  endedAt: Date | undefined;
  /** Bytes that have come since the last question. */
  received(): number;
  close(): void;
}

/**
 * Logs in and opens a connection over one and the same flow: the node that the balancer chose serves it, no other node passes it on.
 */
export async function openSession(
  client: WebClient,
  account: Account,
  connection: string,
): Promise<OpenSession | undefined> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: client.from, rejectUnauthorized: false });
  const login = await exchange(client, agent, 'POST', 'api/tokens', new URLSearchParams({ ...account }).toString());
  if (login.status !== 200) return undefined;
  const { authToken, dataSource } = JSON.parse(login.text) as { authToken: string; dataSource: string };
  const home = /MOLCAJETE_NODE=([^;]+)/.exec(login.cookie)?.[1] ?? '';
  const query = new URLSearchParams({
    token: authToken,
    GUAC_DATA_SOURCE: dataSource,
    GUAC_ID: connection,
    GUAC_TYPE: 'c',
  });
  let bytes = 0;
  const session: OpenSession = {
    home,
    endedAt: undefined,
    received: () => {
      const since = bytes;
      bytes = 0;
      return since;
    },
    close: () => agent.destroy(),
  };
  const url = new URL(`websocket-tunnel?${query}`, client.ingress);
  const ended = () => {
    session.endedAt ??= new Date();
  };
  const status = await new Promise<number>((resolve, reject) => {
    const call = request(url, { agent, headers: { cookie: login.cookie } }, (answer) => {
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      answer.on('close', ended);
      answer.on('error', ended);
      resolve(answer.statusCode ?? 0);
    });
    call.on('error', (error) => {
      ended();
      reject(error);
    });
    call.end();
  });
  if (status === 200) return session;
  agent.destroy();
  return undefined;
}

function exchange(client: WebClient, agent: Agent, method: string, path: string, body: string) {
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(body),
  };
  return new Promise<{ status: number; text: string; cookie: string }>((resolve, reject) => {
    const call = request(new URL(path, client.ingress), { agent, method, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const cookie = (answer.headers['set-cookie'] ?? []).map((one) => one.split(';')[0]).join('; ');
        resolve({ status: answer.statusCode ?? 0, text, cookie });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}
