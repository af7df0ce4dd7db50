import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Stack, startStack } from '../../local/start/stack.ts';

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of every shape
  body: any;
  text: string;
}

export interface ArmRow {
  method: string;
  url: string;
  status: number;
  body?: unknown;
}

/** A whole machine of its own: local Azure, storage and the Functions host with the product, in a temporary directory. */
export interface World {
  stack: Stack;
  /** Calls the API as a JumpServer.Admin, or with the given token (`null`: none). */
  call(method: string, path: string, more?: CallOptions): Promise<Answer>;
  /** Follows an operation to its end; throws with what was going on when it does not end within the seconds. */
  follow(url: string, seconds?: number): Promise<OperationView>;
  /** PUT and follow. */
  provision(name: string, spec: object, seconds?: number): Promise<OperationView>;
  /** The text of every answer of the API so far. */
  answers: readonly string[];
  /** Everything that has reached ARM so far. */
  armRows(): Promise<ArmRow[]>;
  close(): Promise<void>;
}

export interface CallOptions {
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  raw?: string | Uint8Array;
  token?: string | null;
  headers?: Record<string, string>;
}

export interface OperationView {
  id: string;
  kind: string;
  status: string;
  error?: { code: string; message: string; advice?: string; target?: string };
  resources: { key: string; state: string; detail?: string; seconds?: number; error?: { code: string } }[];
}

export const spec = (more: object = {}) => ({
  location: 'westeurope',
  network: { allowedSources: ['127.0.0.0/24'] },
  ...more,
});

export async function openWorld(options: { factor?: number; checkKeys?: boolean } = {}): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'molcajete-'));
  const stack = await startStack({ factor: 0.01, ...options, dir, quiet: true });
  const answers: string[] = [];
  const call = async (method: string, path: string, more: CallOptions = {}): Promise<Answer> => {
    const token = more.token === undefined ? await stack.token('JumpServer.Admin') : more.token;
    const url = path.startsWith('http') ? path : `${stack.endpoints.api}${path}`;
    const answer = await fetch(url, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(more.body === undefined && more.raw === undefined ? {} : { 'content-type': 'application/json' }),
        ...more.headers,
      },
      body: (more.raw as string | undefined) ?? (more.body === undefined ? undefined : JSON.stringify(more.body)),
    });
    const text = await answer.text();
    answers.push(text);
    const json = answer.headers.get('content-type')?.includes('json') === true && text !== '';
    return { status: answer.status, headers: answer.headers, text, body: json ? JSON.parse(text) : undefined };
  };
  const follow = async (url: string, seconds = 120): Promise<OperationView> => {
    const until = Date.now() + seconds * 1000;
    for (;;) {
      // The host may be down just now: some tests kill it.
      const answer = await call('GET', url).catch(() => undefined);
      const operation = answer?.status === 200 ? (answer.body as OperationView) : undefined;
      if (operation !== undefined && !['NotStarted', 'Running'].includes(operation.status)) return operation;
      if (Date.now() > until) throw new Error(`The operation did not end: ${JSON.stringify(open(operation), null, 1)}`);
      await delay(200);
    }
  };
  return {
    stack,
    answers,
    call,
    follow,
    async provision(name, body, seconds) {
      const answer = await call('PUT', `/jump-servers/${name}`, { body });
      if (answer.status !== 202) throw new Error(`PUT ${name} was answered with ${answer.status}: ${answer.text}`);
      return follow(answer.headers.get('operation-location') ?? '', seconds);
    },
    armRows: () => tracedRows(stack),
    async close() {
      await stack.stop();
      if (process.env.KEEP_WORLD === undefined) rmSync(dir, { recursive: true, force: true });
      else console.log(`kept ${dir}`);
    },
  };
}

/** The trace is written behind the answers: a request of ours marks the end of what has happened so far. */
async function tracedRows(stack: Stack): Promise<ArmRow[]> {
  const { arm, subscriptionId } = stack.endpoints;
  const mark = `mark-${randomUUID()}`;
  await fetch(`${arm}/subscriptions/${subscriptionId}/resourceGroups/${mark}?api-version=2025-04-01`);
  const file = join(stack.dir, 'arm-requests.jsonl');
  for (;;) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (text.includes(mark) && text.endsWith('\n')) {
      const rows = text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as ArmRow);
      return rows.filter(({ url }) => !url.includes('/mark-'));
    }
    await delay(20);
  }
}

const open = (operation: OperationView | undefined) =>
  operation?.resources.filter((one) => one.state !== 'ready' && one.state !== 'removed');

export const writesOf = (rows: ArmRow[]): ArmRow[] =>
  rows.filter(({ method }) => method === 'PUT' || method === 'PATCH' || method === 'DELETE');
