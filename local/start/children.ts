import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface ChildOptions {
  /** For messages and the log's name: `Functions host`. */
  title: string;
  command: string;
  args: string[];
  cwd: string;
  env: Record<string, string | undefined>;
  /** Called for each line of its standard output, which then stays out of the log: it may hold a credential. */
  onLine?: (line: string) => void;
}

export interface Child {
  running(): boolean;
  /** SIGTERM, and after 20 s SIGKILL to it and everything in its process group. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
}

/** The processes of one copy. */
export interface Children {
  start(options: ChildOptions): Child;
  /** Ends all of them, the last started first: each talks to those before it until its end. */
  stop(): Promise<void>;
  /** Why one of them ended by itself, if one did. */
  failure(): Error | undefined;
}

const graceMs = 20_000;

/** Their output goes to `<dir>/logs`. `onFailure` is called once, when the first of them ends without having been told to. */
export function openChildren(dir: string, onFailure: (error: Error) => void): Children {
  const logs = join(dir, 'logs');
  mkdirSync(logs, { recursive: true });
  const started: Child[] = [];
  let failure: Error | undefined;
  const onUnexpectedExit = (error: Error): void => {
    if (failure) return;
    failure = error;
    onFailure(error);
  };
  return {
    start(options) {
      const log = join(logs, `${options.title.toLowerCase().replaceAll(' ', '-')}.log`);
      const child = startChild(options, log, onUnexpectedExit);
      started.push(child);
      return child;
    },
    async stop() {
      for (const child of started.toReversed()) await child.stop();
    },
    failure: () => failure,
  };
}

/**
 * Starts a process in a group of its own, so that a Ctrl-C in the terminal reaches only us and we stop things in order. The kernel
 * sends it SIGTERM when we die, even by kill -9.
 */
function startChild(options: ChildOptions, logFile: string, onUnexpectedExit: (error: Error) => void): Child {
  const log = createWriteStream(logFile, { flags: 'a' });
  const args = ['--pdeathsig', 'TERM', '--', options.command, ...options.args];
  const { cwd, env } = options;
  const process = spawn('setpriv', args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  process.stderr.pipe(log, { end: false });
  if (options.onLine) createInterface({ input: process.stdout }).on('line', options.onLine);
  else process.stdout.pipe(log, { end: false });
  let expected = false;
  const exited = watchExit(process).then(async (how) => {
    const toldTo = expected;
    killGroup(process.pid);
    await closed(process);
    await new Promise<void>((resolve) => log.end(resolve));
    if (!toldTo) onUnexpectedExit(new Error(`${options.title} ${how}.${lastLines(logFile)}`));
  });
  const running = () => process.exitCode === null && process.signalCode === null;
  const end = (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    expected = true;
    if (running()) process.kill(signal);
    return exited;
  };
  return {
    running,
    async stop() {
      const timer = setTimeout(() => running() && killGroup(process.pid), graceMs);
      await end('SIGTERM');
      clearTimeout(timer);
    },
    kill: () => end('SIGKILL'),
  };
}

async function watchExit(process: ChildProcess): Promise<string> {
  try {
    const [code, signal] = (await once(process, 'exit')) as [number | null, string | null];
    return signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  } catch (error) {
    return `could not be started: ${(error as Error).message}`;
  }
}

/** Resolves when its output has been read, or after a second if something outside its group still holds the pipes. */
async function closed(process: ChildProcess): Promise<void> {
  const streams = [process.stdout, process.stderr].filter((stream) => stream !== null && !stream.readableEnded);
  const signal = AbortSignal.timeout(1000);
  await Promise.all(streams.map((stream) => stream && once(stream, 'end', { signal }))).catch(() => {});
  for (const stream of streams) stream?.destroy();
}

/** Nothing that it started stays behind. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: the whole group is gone already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The end of a log, for the message about a process that ended. */
function lastLines(file: string, count = 12): string {
  try {
    const text = readFileSync(file, 'utf8').trimEnd();
    return text ? `\n${text.split('\n').slice(-count).join('\n')}\n(all of it: ${file})` : '';
  } catch {
    return '';
  }
}
