/** Child processes that die with us, however we die. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';

export interface ProcessOptions {
  env: Record<string, string>;
  cwd: string;
  /** Standard output and error are appended here; without it they are thrown away. */
  logFile?: string;
  /** Runs as this user (we are root then). */
  user?: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Running {
  pid: number;
  exited: Promise<Exit>;
  hasExited(): boolean;
  /** To the whole process group; nothing happens when it is gone. */
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM (to the main process only, if so wanted), and SIGKILL after the grace (milliseconds). Resolves when the process is gone. */
  stop(graceMs?: number, mainOnly?: boolean): Promise<void>;
}

// util-linux is essential on Debian; without it a killed local Azure would leave its children behind.
const setpriv = existsSync('/usr/bin/setpriv') ? '/usr/bin/setpriv' : undefined;

/** Starts a program in a process group of its own. A program that cannot be started exits with code 127. */
export function startProcess(argv: string[], options: ProcessOptions): Running {
  const output = options.logFile ? openSync(options.logFile, 'a', 0o600) : undefined;
  const child = launch(argv, options, ['ignore', output ?? 'ignore', output ?? 'ignore']);
  if (output !== undefined) closeSync(output);
  return supervise(child);
}

/** The child itself, for those who want its pipes; `supervise` it, too. */
export function launch(argv: string[], options: Omit<ProcessOptions, 'logFile'>, stdio: StdioOptions): ChildProcess {
  // The kernel forgets the parent-death signal at a change of user, so setpriv changes the user first, not the program itself.
  const identity = options.user ? ['--reuid', options.user, '--regid', options.user, '--clear-groups'] : [];
  const [program = '', ...args] = setpriv ? [setpriv, ...identity, '--pdeathsig', 'KILL', '--', ...argv] : argv;
  return spawn(program, args, { cwd: options.cwd, env: options.env, detached: true, stdio });
}

/** Wraps a child that leads its own process group. */
export function supervise(child: ChildProcess): Running {
  let gone = false;
  const pid = child.pid ?? 0;
  const signal = (name: NodeJS.Signals): void => signalGroup(pid, name);
  const exited = new Promise<Exit>((resolve) => {
    const finish = (exit: Exit): void => {
      gone = true;
      // What the program left behind goes with it, as systemd does with a unit's control group.
      signal('SIGKILL');
      resolve(exit);
    };
    child.once('exit', (code, name) => finish({ code, signal: name }));
    child.once('error', () => finish({ code: 127, signal: null }));
  });
  return {
    pid,
    exited,
    hasExited: () => gone,
    signal,
    async stop(graceMs = 5000, mainOnly = false) {
      if (gone) return;
      if (mainOnly) child.kill('SIGTERM');
      else signal('SIGTERM');
      // A frozen process sees no SIGTERM before it runs again.
      signal('SIGCONT');
      const timer = setTimeout(() => signal('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  if (pid <= 1) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
