import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const repository = resolve(import.meta.dirname, '../..');
const main = join(repository, 'local/host/main.ts');

/** A directory with an app that finds this repository's packages, and room for the host's state. Remove it with `remove`. */
export interface AppDirectory {
  readonly app: string;
  readonly state: string;
  remove(): void;
}

/** Makes an app of files: a name and either its text or the path of a file or directory to copy. */
export function appDirectory(
  entry: string,
  files: Record<string, { text: string } | { copyOf: string }>,
): AppDirectory {
  const root = mkdtempSync(join(tmpdir(), 'molcajete-host-'));
  const app = join(root, 'app');
  mkdirSync(app);
  symlinkSync(join(repository, 'node_modules'), join(app, 'node_modules'));
  writeFileSync(join(app, 'package.json'), JSON.stringify({ main: entry }));
  for (const [name, content] of Object.entries(files)) {
    if ('text' in content) writeFileSync(join(app, name), content.text);
    else cpSync(content.copyOf, join(app, name), { recursive: true });
  }
  return { app, state: join(root, 'state'), remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** A host in a process of its own. */
export class HostProcess {
  readonly child: ChildProcess;
  readonly origin: string;
  readonly traceFile: string;
  readonly #log: string[];

  private constructor(child: ChildProcess, origin: string, traceFile: string, log: string[]) {
    this.child = child;
    this.origin = origin;
    this.traceFile = traceFile;
    this.#log = log;
  }

  /** Starts a host on free ports and waits until it is ready. */
  static async start(
    directory: AppDirectory,
    options: { args?: string[]; env?: Record<string, string>; name?: string } = {},
  ): Promise<HostProcess> {
    const trace = join(directory.app, `../trace-${options.name ?? 'host'}.jsonl`);
    writeFileSync(trace, '');
    const child = spawn(
      process.execPath,
      [
        main,
        '--app',
        directory.app,
        '--dir',
        directory.state,
        '--port',
        '0',
        '--trace',
        trace,
        ...(options.args ?? []),
      ],
      { env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const log: string[] = [];
    child.stderr?.on('data', (chunk: Buffer) => log.push(chunk.toString()));
    let out = '';
    for await (const chunk of child.stdout ?? []) {
      out += String(chunk);
      const [, origin] = /^ready (\S+)\n/.exec(out) ?? [];
      if (origin) return new HostProcess(child, origin, trace, log);
    }
    throw new Error(`The host did not become ready:\n${log.join('')}`);
  }

  get log(): string {
    return this.#log.join('');
  }

  /** Everything traced so far. */
  get trace(): TraceLine[] {
    return readFileSync(this.traceFile, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as TraceLine);
  }

  /** Sends a signal and waits for the end; the answer is the exit code, null after a kill. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }

  async json(path: string, init?: RequestInit): Promise<unknown> {
    const response = await fetch(`${this.origin}${path}`, init);
    return response.json();
  }

  async status(id: string, query = ''): Promise<InstanceStatus> {
    return (await this.json(`/runtime/webhooks/durabletask/instances/${id}${query}`)) as InstanceStatus;
  }

  /** Starts an instance through the webhook. */
  async startInstance(name: string, id: string, input: unknown = null): Promise<Response> {
    return fetch(`${this.origin}/runtime/webhooks/durabletask/orchestrators/${name}/${id}`, {
      method: 'POST',
      body: JSON.stringify(input),
      headers: { 'content-type': 'application/json' },
    });
  }

  /** Waits until the instance behind a status URL is finished. */
  async finishedAt(statusUri: string): Promise<void> {
    await until(`${statusUri} to finish`, 20_000, async () => ((await fetch(statusUri)).status === 200 ? true : null));
  }

  /** Waits until an instance is finished. */
  async finished(id: string, limitMs = 20_000): Promise<InstanceStatus> {
    return until(`instance ${id} to finish`, limitMs, async () => {
      const status = await this.status(id);
      return ['Completed', 'Failed', 'Terminated'].includes(status.runtimeStatus) ? status : null;
    });
  }
}

export interface TraceLine {
  readonly event: 'invocationRequest' | 'invocationResponse';
  readonly function: string;
  readonly request?: {
    inputData: { name: string; data: Record<string, unknown> }[];
    triggerMetadata: Record<string, Record<string, unknown>>;
  };
  readonly response?: {
    returnValue?: Record<string, unknown> | null;
    result: { status: number; exception?: { message: string } };
  };
}

export interface InstanceStatus {
  readonly runtimeStatus: string;
  readonly output: unknown;
  readonly input: unknown;
  readonly customStatus: unknown;
  readonly historyEvents?: Record<string, unknown>[];
}

/** Waits for a condition, looking every few milliseconds. */
export async function until<T>(what: string, limitMs: number, look: () => Promise<T | null> | T | null): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (Date.now() > end) throw new Error(`Waited ${limitMs} ms in vain for ${what}.`);
    await delay(5);
  }
}
