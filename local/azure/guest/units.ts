/** A guest's stand-in for systemd: starts units, starts them again, reloads and stops them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Running, startProcess } from '../fabric/process.ts';
import { mapPaths } from './paths.ts';
import { type Command, parseEnvironmentFile, parseUnit, substitute, type Unit } from './unitFile.ts';

/** A program as it can really be started here. */
export interface Program {
  argv: string[];
  env?: Record<string, string>;
}

export interface UnitsOptions {
  root: string;
  logDir: string;
  /** What every process of the guest gets. */
  env(): Record<string, string>;
  /** Leads a command of the guest to real programs; undefined: there is nothing to do, and that succeeded. */
  translate(argv: string[]): Promise<Program | undefined>;
}

type Active = 'inactive' | 'activating' | 'active' | 'failed';

interface Service {
  name: string;
  state: Active;
  /** False from a stop on: an exit is then no reason to start again. */
  wanted: boolean;
  process?: Running;
  unit?: Unit;
  starts: number[];
}

export interface Units {
  start(name: string): Promise<void>;
  stop(name: string): Promise<void>;
  restart(name: string): Promise<void>;
  /** Throws when the unit is not active or knows no reload. */
  reload(name: string): Promise<void>;
  state(name: string): Active;
  exists(name: string): boolean;
  enable(name: string): void;
  disable(name: string): void;
  isEnabled(name: string): boolean;
  mainPid(name: string): number | undefined;
  startEnabled(): Promise<void>;
  stopAll(): Promise<void>;
  /** To every process of every unit. */
  signalAll(signal: NodeJS.Signals): void;
  /** Kills everything and starts nothing again. */
  killAll(): Promise<void>;
}

const maximumLogSize = 4 * 1024 * 1024;
/** How long the start of a Type=notify unit may still fail. */
const notifyMs = 250;

export const unitName = (name: string): string => (/\.\w+$/.test(name) ? name : `${name}.service`);

export function openUnits(options: UnitsOptions): Units {
  const services = new Map<string, Service>();
  const directory = join(options.root, 'etc/systemd/system');
  const wants = join(directory, 'multi-user.target.wants');

  const service = (name: string): Service => {
    const full = unitName(name);
    const known = services.get(full) ?? { name: full, state: 'inactive', wanted: false, starts: [] };
    services.set(full, known);
    return known;
  };

  const fileOf = (name: string): string => join(directory, unitName(name));
  const load = (name: string): Unit => {
    if (!existsSync(fileOf(name))) throw new Error(`Unit ${unitName(name)} not found.`);
    return parseUnit(readFileSync(fileOf(name), 'utf8'));
  };

  function environmentOf(unit: Unit): Record<string, string> {
    const values = { ...options.env(), ...unit.environment };
    for (const { path, optional } of unit.environmentFiles) {
      const file = mapPaths(path, options.root);
      if (existsSync(file)) Object.assign(values, parseEnvironmentFile(readFileSync(file, 'utf8')));
      else if (!optional) throw new Error(`The environment file ${path} is missing.`);
    }
    const made = (names: string[], below: string, variable: string): void => {
      const paths = names.map((name) => join(options.root, below, name));
      for (const path of paths) mkdirSync(path, { recursive: true });
      if (paths.length > 0) values[variable] = paths.join(':');
    };
    made(unit.runtimeDirectories, 'run', 'RUNTIME_DIRECTORY');
    made(unit.stateDirectories, 'var/lib', 'STATE_DIRECTORY');
    return values;
  }

  async function launch(one: Service, command: Command, env: Record<string, string>): Promise<Running | undefined> {
    const program = await options.translate(substitute(command.argv, env));
    if (!program) return undefined;
    const logFile = join(options.logDir, `${one.name.replace(/\.service$/, '')}.log`);
    if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > maximumLogSize) rmSync(logFile);
    const cwd = one.unit?.workingDirectory ? mapPaths(one.unit.workingDirectory, options.root) : options.root;
    return startProcess(program.argv, { cwd, env: { ...env, ...program.env }, logFile });
  }

  async function runToEnd(one: Service, command: Command, env: Record<string, string>): Promise<void> {
    const process = await launch(one, command, env);
    const exit = await process?.exited;
    if (exit && exit.code !== 0 && !command.ignoreFailure) {
      throw new Error(`${command.argv.join(' ')} ended with ${exit.code ?? exit.signal}.`);
    }
  }

  async function begin(one: Service): Promise<void> {
    const unit = load(one.name);
    one.unit = unit;
    one.state = 'activating';
    one.starts.push(Date.now());
    if (unit.conditions.some((path) => !conditionHolds(path, options.root))) {
      one.state = 'inactive';
      return;
    }
    const env = environmentOf(unit);
    for (const command of unit.execStartPre) await runToEnd(one, command, env);
    const process = await launch(one, unit.execStart, env);
    if (!one.wanted) {
      await process?.stop(0);
      return;
    }
    one.process = process;
    one.state = 'active';
    if (!process) return;
    void process.exited.then((exit) => afterExit(one, process, exit.code === 0));
    if (unit.type === 'oneshot') await process.exited;
    if (unit.type === 'notify' && (await Promise.race([process.exited, delay(notifyMs)]))) {
      throw new Error('the main process ended before it was ready.');
    }
  }

  async function afterExit(one: Service, process: Running, success: boolean): Promise<void> {
    if (one.process !== process) return;
    one.process = undefined;
    const again = one.unit?.restart === 'always' || (one.unit?.restart === 'on-failure' && !success);
    one.state = success ? 'inactive' : 'failed';
    if (!one.wanted || !again) return;
    await tryAgain(one);
  }

  async function tryAgain(one: Service): Promise<void> {
    one.state = 'activating';
    await delay(one.unit?.restartMs ?? 100);
    if (!one.wanted || one.process) return;
    if (startsTooOften(one)) {
      one.state = 'failed';
      return;
    }
    // What keeps a unit from starting (a missing file) is tried again like a crash.
    await begin(one).catch(() => (one.process ? undefined : tryAgain(one)));
  }

  async function start(name: string): Promise<void> {
    const one = service(name);
    if (one.process || (one.wanted && one.state === 'activating')) return;
    one.wanted = true;
    one.starts = [];
    try {
      await begin(one);
    } catch (error) {
      if (one.unit?.restart === 'always' && one.state === 'activating') void tryAgain(one);
      else if (!one.process) one.state = 'failed';
      throw error;
    }
  }

  async function stop(name: string): Promise<void> {
    const one = service(name);
    one.wanted = false;
    const process = one.process;
    one.process = undefined;
    if (process && one.unit) {
      const env = options.env();
      for (const command of one.unit.execStop) await runToEnd(one, command, env).catch(() => {});
      await process.stop(one.unit.stopMs, one.unit.killMixed);
    }
    one.state = 'inactive';
  }

  async function reload(name: string): Promise<void> {
    const one = service(name);
    const unit = load(name);
    if (!one.process) throw new Error(`${one.name} is not active, cannot reload.`);
    if (!unit.execReload) throw new Error(`Job type reload is not applicable for unit ${one.name}.`);
    // A reload reads the configuration anew: the translated copy must be there first.
    await options.translate(substitute(unit.execStart.argv, environmentOf(unit)));
    const env = { ...environmentOf(unit), MAINPID: String(one.process.pid) };
    await runToEnd(one, { ...unit.execReload, argv: substitute(unit.execReload.argv, env) }, env);
  }

  const running = (): Service[] => [...services.values()].filter((one) => one.process);

  return {
    start,
    stop,
    async restart(name) {
      load(name);
      await stop(name);
      await start(name);
    },
    reload,
    state: (name) => service(name).state,
    exists: (name) => existsSync(fileOf(name)),
    enable(name) {
      load(name);
      mkdirSync(wants, { recursive: true });
      if (!existsSync(join(wants, unitName(name)))) symlinkSync(fileOf(name), join(wants, unitName(name)));
    },
    disable: (name) => rmSync(join(wants, unitName(name)), { force: true }),
    isEnabled: (name) => existsSync(join(wants, unitName(name))),
    mainPid: (name) => service(name).process?.pid,
    async startEnabled() {
      const names = existsSync(wants) ? readdirSync(wants) : [];
      // A unit that cannot start does not keep the others from it.
      await Promise.allSettled(names.map(start));
    },
    async stopAll() {
      await Promise.all([...services.keys()].map(stop));
    },
    signalAll(signal) {
      for (const one of running()) one.process?.signal(signal);
    },
    async killAll() {
      const processes = running().flatMap((one) => one.process ?? []);
      for (const one of services.values()) Object.assign(one, { wanted: false, process: undefined, state: 'inactive' });
      for (const process of processes) process.signal('SIGKILL');
      await Promise.all(processes.map((process) => process.exited));
    },
  };
}

function startsTooOften({ starts, unit }: Service): boolean {
  const { burst, intervalMs } = unit?.startLimit ?? { burst: 0, intervalMs: 0 };
  return intervalMs > 0 && burst > 0 && starts.filter((at) => at > Date.now() - intervalMs).length >= burst;
}

function conditionHolds(condition: string, root: string): boolean {
  const negated = condition.startsWith('!');
  return existsSync(mapPaths(condition.replace(/^!/, ''), root)) !== negated;
}
