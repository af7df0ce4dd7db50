/** The programs in a guest that are not the real ones: a directory of shims, and who answers them. */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Program, Units } from './units.ts';
import { unitName } from './units.ts';

export interface Question {
  name: string;
  args: string[];
  cwd: string;
}

export interface Answer {
  code?: number;
  stdout?: string;
  stderr?: string;
  /** The shim becomes this program. */
  exec?: string[];
}

/** Real programs behind a translation. */
const translated = ['haproxy', 'mariadb', 'mysql', 'docker'];
/** They would change the machine we run on; in a guest there is nothing for them to do. */
const harmless = [
  ...['apt-get', 'apt', 'useradd', 'usermod', 'groupadd', 'chown', 'sysctl', 'ufw', 'update-ca-certificates'],
  ...['hostnamectl', 'timedatectl', 'modprobe', 'mount', 'swapon', 'swapoff', 'journalctl', 'loginctl'],
  ...['iptables', 'dpkg'],
];

/** Services of the distribution that a node has without our unit files. */
const distribution = new Set([
  'haproxy.service',
  'docker.service',
  'docker.socket',
  'containerd.service',
  'ssh.service',
]);

export const shimPort = 16926;

/** Writes the directory that comes first in a guest's PATH. */
export function writeShims(directory: string, address: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const source = readFileSync(fileURLToPath(new URL('shim.py', import.meta.url)), 'utf8');
  const program = join(directory, '.shim');
  writeFileSync(
    program,
    `#!/usr/bin/python3 -ES\n${source.replace('\n\ndef main', `\n\nADDRESS, PORT = "${address}", ${shimPort}\n\n\ndef main`)}`,
  );
  chmodSync(program, 0o755);
  for (const name of ['systemctl', 'reboot', 'shutdown', 'poweroff', ...translated, ...harmless])
    symlinkSync('.shim', join(directory, name));
}

/** One question and one answer, a line each. */
export function serveShims(answer: (question: Question) => Promise<Answer>): Server {
  return createServer((socket) => {
    let text = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.endsWith('\n')) void reply(socket, text, answer);
    });
  });
}

async function reply(socket: Socket, text: string, answer: (question: Question) => Promise<Answer>): Promise<void> {
  const said = await answer(JSON.parse(text)).catch((error: Error) => ({ code: 1, stderr: `${error.message}\n` }));
  socket.end(JSON.stringify(said));
}

/** What each shim does. `reboot` restarts the guest. */
export async function answerShim(
  question: Question,
  parts: { units: Units; translate(argv: string[]): Promise<Program | undefined>; reboot(): void },
): Promise<Answer> {
  const { name, args } = question;
  if (name === 'systemctl') return systemctl(parts.units, args);
  if (translated.includes(name)) {
    const program = await parts.translate([name, ...args]);
    return program ? { exec: program.argv } : { code: 0 };
  }
  if (name === 'reboot' || (name === 'shutdown' && args.includes('-r'))) parts.reboot();
  return { code: 0 };
}

type UnitAction = (units: Units, name: string, now: boolean) => Promise<void> | void;

const stopped = 3;
const unitActions: Record<string, UnitAction> = {
  start: (units, name) => units.start(name),
  stop: (units, name) => units.stop(name),
  restart: (units, name) => units.restart(name),
  reload: (units, name) => units.reload(name),
  'try-restart': async (units, name) => {
    if (units.state(name) === 'active') await units.restart(name);
  },
  'reload-or-restart': (units, name) =>
    units.state(name) === 'active' ? units.reload(name).catch(() => units.restart(name)) : units.start(name),
  'try-reload-or-restart': async (units, name) => {
    if (units.state(name) === 'active') await units.reload(name).catch(() => units.restart(name));
  },
  enable: async (units, name, now) => {
    units.enable(name);
    if (now) await units.start(name);
  },
  disable: async (units, name, now) => {
    units.disable(name);
    if (now) await units.stop(name);
  },
};

async function systemctl(units: Units, args: string[]): Promise<Answer> {
  const quiet = args.includes('--quiet') || args.includes('-q');
  const [verb = '', ...names] = args.filter((arg) => !arg.startsWith('-'));
  if (['daemon-reload', 'reset-failed', 'daemon-reexec', 'mask', 'unmask'].includes(verb)) return { code: 0 };
  if (verb === 'is-active' || verb === 'is-failed' || verb === 'is-enabled') return ask(units, verb, names, quiet);
  if (verb === 'show')
    return {
      code: 0,
      stdout: names.map((name) => `MainPID=${units.mainPid(name) ?? 0}\nActiveState=${units.state(name)}\n`).join(''),
    };
  const action = unitActions[verb];
  if (!action) return { code: 1, stderr: `Unknown command verb ${verb}.\n` };
  for (const name of names) {
    if (!units.exists(name) && distribution.has(unitName(name))) continue;
    if (!units.exists(name))
      return { code: 5, stderr: `Failed to ${verb} ${unitName(name)}: Unit ${unitName(name)} not found.\n` };
    try {
      await action(units, name, args.includes('--now'));
    } catch (error) {
      return { code: 1, stderr: `Job for ${unitName(name)} failed: ${(error as Error).message}\n` };
    }
  }
  return { code: 0 };
}

function ask(units: Units, verb: string, names: string[], quiet: boolean): Answer {
  const words = names.map((name) =>
    verb === 'is-enabled' ? (units.isEnabled(name) ? 'enabled' : 'disabled') : units.state(name),
  );
  const wanted = { 'is-active': 'active', 'is-failed': 'failed', 'is-enabled': 'enabled' }[verb];
  const found = words.some((word) => word === wanted);
  return { code: found ? 0 : verb === 'is-active' ? stopped : 1, stdout: quiet ? '' : `${words.join('\n')}\n` };
}
