/** systemd unit files: the directives that a guest's stand-in for systemd honours. Pure. */

export interface Unit {
  type: string;
  execStartPre: Command[];
  execStart: Command;
  execReload?: Command;
  execStop: Command[];
  restart: 'no' | 'always' | 'on-failure';
  restartMs: number;
  stopMs: number;
  /** Only the main process gets SIGTERM; the others get SIGKILL when it has gone. */
  killMixed: boolean;
  environment: Record<string, string>;
  /** A leading `-` in the unit makes a missing file harmless. */
  environmentFiles: { path: string; optional: boolean }[];
  workingDirectory?: string;
  /** Directories below /run and /var/lib. */
  runtimeDirectories: string[];
  stateDirectories: string[];
  /** At most this many starts within the interval; 0 means without limit. */
  startLimit: { burst: number; intervalMs: number };
  conditions: string[];
  installed: boolean;
}

export interface Command {
  argv: string[];
  ignoreFailure: boolean;
}

/** Throws when there is no ExecStart. */
export function parseUnit(text: string): Unit {
  const sections = readSections(text);
  const all = (section: string, name: string): string[] => sections.get(`${section}.${name}`) ?? [];
  const last = (section: string, name: string): string | undefined => all(section, name).at(-1);
  const service = (name: string): string[] => all('Service', name);
  const [start] = service('ExecStart').map(parseCommand);
  if (!start) throw new Error('The unit has no ExecStart.');
  return {
    type: last('Service', 'Type') ?? 'simple',
    execStartPre: service('ExecStartPre').map(parseCommand),
    execStart: start,
    execReload: service('ExecReload').map(parseCommand)[0],
    execStop: service('ExecStop').map(parseCommand),
    restart: restartOf(last('Service', 'Restart')),
    restartMs: duration(last('Service', 'RestartSec'), 100),
    stopMs: duration(last('Service', 'TimeoutStopSec'), 5000),
    killMixed: last('Service', 'KillMode') === 'mixed',
    environment: Object.assign({}, ...service('Environment').map(parseAssignments)),
    environmentFiles: service('EnvironmentFile').map((path) => ({
      path: path.replace(/^-/, ''),
      optional: path.startsWith('-'),
    })),
    workingDirectory: last('Service', 'WorkingDirectory'),
    runtimeDirectories: service('RuntimeDirectory').flatMap((value) => value.split(/\s+/)),
    stateDirectories: service('StateDirectory').flatMap((value) => value.split(/\s+/)),
    startLimit: {
      burst: Number(last('Unit', 'StartLimitBurst') ?? 5),
      intervalMs: duration(last('Unit', 'StartLimitIntervalSec'), 10_000),
    },
    conditions: all('Unit', 'ConditionPathExists'),
    installed: sections.has('Install.WantedBy'),
  };
}

function readSections(text: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  let section = '';
  for (const raw of text.replace(/\\\n/g, ' ').split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const header = /^\[(\w+)\]$/.exec(line)?.[1];
    if (header) {
      section = header;
      continue;
    }
    const at = line.indexOf('=');
    const key = `${section}.${line.slice(0, at).trim()}`;
    const value = line.slice(at + 1).trim();
    // An empty value takes back what was said before.
    values.set(key, value === '' ? [] : [...(values.get(key) ?? []), value]);
  }
  return values;
}

function parseCommand(line: string): Command {
  const [, prefix = '', rest = ''] = /^([-@:+!]*)(.*)$/.exec(line) ?? [];
  return { argv: splitWords(rest), ignoreFailure: prefix.includes('-') };
}

/** Words as systemd splits them: quotes group, a backslash keeps the next character. */
export function splitWords(line: string): string[] {
  const words = line.match(/(?:[^\s"']|"(?:\\.|[^"])*"|'[^']*')+/g) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"])*)"|'([^']*)'/g, (_, double, single) => double ?? single ?? ''),
  );
}

function parseAssignments(line: string): Record<string, string> {
  return Object.fromEntries(
    splitWords(line).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  );
}

/** The format of EnvironmentFile and of docker's --env-file: a name and a value a line. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^\s*([A-Za-z_]\w*)=(.*)$/.exec(line) ?? [];
    if (name) values[name] = value.trim().replace(/^(["'])(.*)\1$/, '$2');
  }
  return values;
}

/** `${NAME}` and `$NAME` in a command, as systemd puts them in. */
export const substitute = (argv: string[], values: Record<string, string>): string[] =>
  argv.map((word) => word.replace(/\$\{(\w+)\}|\$(\w+)/g, (_, braced, bare) => values[braced ?? bare] ?? ''));

function restartOf(value: string | undefined): Unit['restart'] {
  return value === 'always' || value === 'on-failure' ? value : 'no';
}

function duration(value: string | undefined, otherwise: number): number {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|min)?$/.exec(value ?? '') ?? [];
  return amount === undefined ? otherwise : Number(amount) * (unit === 'ms' ? 1 : unit === 'min' ? 60_000 : 1000);
}
