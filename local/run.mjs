#!/usr/bin/env node
// Entry of every npm script. Runs on Node 20 in a fresh clone, so it imports nothing that npm installs: it sets up what the command
// needs (npm packages, a Node that runs TypeScript, Debian packages) and hands over.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, constants as os, platform } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wantedNode = 24;

/** What to run, and whether it needs the machine: Linux and its servers (MariaDB, HAProxy). azd builds on macOS and Windows, too. */
const commands = {
  start: { args: ['local/start/main.ts'], machine: true },
  test: { args: ['node_modules/vitest/vitest.mjs', 'run'], machine: true },
  bench: { args: ['test/bench/main.ts'], machine: true },
  soak: { args: ['test/bench/soak.ts'], machine: true },
  check: { args: ['local/start/check.ts'], machine: false },
  build: { args: ['local/start/build.ts'], machine: false },
  token: { args: ['local/start/token.ts'], machine: false },
  password: { args: ['local/start/password.ts'], machine: false },
  openapi: { args: ['local/start/openapi.ts'], machine: false },
};

const portable = Object.keys(commands).filter((name) => !commands[name].machine);

/** Binary → Debian package. The -core packages hold the programs without a service that Debian would start. */
const programs = {
  mariadbd: 'mariadb-server-core',
  'mariadb-install-db': 'mariadb-server-core',
  mariadb: 'mariadb-client-core',
  haproxy: 'haproxy',
  python3: 'python3',
  setpriv: 'util-linux',
};

const searchPath = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
const hasProgram = (name) => searchPath.some((dir) => isExecutable(join(dir, name)));

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A set-up problem: one line for the reader, no stack. */
class SetUpError extends Error {}

async function main() {
  const [name, ...rest] = process.argv.slice(2);
  const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined;
  if (!command) throw new SetUpError(`Usage: node local/run.mjs ${Object.keys(commands).join('|')} [options]`);
  if (command.machine && platform() !== 'linux')
    throw new SetUpError(
      `Molcajete runs locally on Linux only (it binds many 127.x.y.z addresses); elsewhere there are ${portable.join(', ')}.`,
    );
  await withLock(command, async () => {
    await installPackages();
    if (command.machine) await installPrograms();
  });
  return handOver(pickNode(), [...command.args, ...rest]);
}

/** Two commands started at once in one clone set it up one after the other. */
async function withLock(command, work) {
  const file = join(root, '.local', 'setup.lock');
  if (isSetUp(command)) return work();
  mkdirSync(dirname(file), { recursive: true });
  let said = false;
  while (!takeLock(file)) {
    if (!said) console.log('Another command is setting this clone up; waiting for it.');
    said = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

const isSetUp = (command) => packagesAreCurrent() && (!command.machine || Object.keys(programs).every(hasProgram));

function takeLock(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const holder = Number(readText(file));
    if (holder && !isRunning(holder)) rmSync(file, { force: true });
    return false;
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Compares the lock file with npm's own record of what it installed. Packages for other platforms may be missing. */
function packagesAreCurrent() {
  const installed = JSON.parse(
    readText(join(root, 'node_modules', '.package-lock.json')) ?? '{"packages":{}}',
  ).packages;
  const wanted = JSON.parse(readText(join(root, 'package-lock.json')) ?? '{"packages":{}}').packages;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (path === '' || link) return true;
    const found = installed[path]?.version;
    return found === version || (optional && found === undefined && !isNodeOfThisMachine(path));
  });
}

const isNodeOfThisMachine = (path) => path === `node_modules/node-${platform()}-${arch()}` && !isNewEnough();

async function installPackages() {
  if (packagesAreCurrent()) return;
  await step(
    'Installing the npm packages',
    npm('ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'),
    {
      advice: 'Run `npm ci` by hand to see what is wrong.',
    },
  );
}

/** Under `npm start` npm tells where it is; else the one on the PATH is taken. */
function npm(...args) {
  const running = process.env.npm_execpath ?? '';
  return /npm-cli\.c?js$/.test(running) ? [process.execPath, [running, ...args]] : ['npm', args];
}

const isNewEnough = () => Number(process.versions.node.split('.')[0]) >= wantedNode;

function pickNode() {
  if (isNewEnough()) return process.execPath;
  const packaged = join(root, 'node_modules', `node-${platform()}-${arch()}`, 'bin', 'node');
  if (isExecutable(packaged)) return packaged;
  throw new SetUpError(
    `Node ${wantedNode} or newer is needed (this is ${process.version}) and there is no packaged one for ${platform()} ${arch()}: install it from https://nodejs.org.`,
  );
}

async function installPrograms() {
  const missing = Object.keys(programs).filter((program) => !hasProgram(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => programs[program]))];
  const byHand = `Missing: ${missing.join(', ')}. Install by hand: apt-get install --no-install-recommends ${packages.join(' ')}`;
  const prefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (!hasProgram('apt-get')) throw new SetUpError(byHand);
  if (prefix.length > 0 && spawnSync('sudo', ['-n', 'true']).status !== 0) {
    throw new SetUpError(`${byHand} (this user is not root and has no sudo without a password)`);
  }
  const asRoot = (...args) => {
    const [file, ...rest] = [...prefix, ...args];
    return [file, rest];
  };
  await step('Updating the list of Debian packages', asRoot('apt-get', 'update', '-q'), { advice: byHand });
  await withoutServices(asRoot, packages.includes('haproxy'), () => {
    const install = [
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      'install',
      '-y',
      '-q',
      '--no-install-recommends',
    ];
    return step(`Installing ${packages.join(', ')} from Debian`, asRoot(...install, ...packages), { advice: byHand });
  });
}

/** Debian's haproxy package starts a service of its own, now and at every boot; only the program is wanted here. */
async function withoutServices(asRoot, bringsService, install) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = bringsService && !existsSync(policy);
  const run = ([file, args]) => spawnSync(file, args, { stdio: 'ignore' });
  if (ours) run(asRoot('sh', '-c', `printf '#!/bin/sh\\nexit 101\\n' > ${policy} && chmod 755 ${policy}`));
  try {
    await install();
  } finally {
    if (ours) run(asRoot('rm', '-f', policy));
    if (bringsService && existsSync('/run/systemd/system')) run(asRoot('systemctl', 'disable', '--now', 'haproxy'));
  }
}

/** Runs a program with its output in `.local/setup.log`, and says what it does and how long it took. */
async function step(title, [file, args], { advice }) {
  const log = join(root, '.local', 'setup.log');
  mkdirSync(dirname(log), { recursive: true });
  const output = openSync(log, 'w');
  const started = Date.now();
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  const live = process.stdout.isTTY;
  if (!live) console.log(`${title} …`);
  const ticker = live ? setInterval(() => process.stdout.write(`\r${title} … ${seconds()}`), 250) : undefined;
  const status = await new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', output, output] });
    child.on('error', () => resolve(127));
    child.on('exit', (code) => resolve(code ?? 1));
  });
  clearInterval(ticker);
  console.log(`${live ? '\r' : ''}${title}: ${status === 0 ? 'done' : 'failed'} after ${seconds()}`);
  if (status === 0) return;
  console.error((readText(log) ?? '').trim().split('\n').slice(-15).join('\n'));
  throw new SetUpError(`${title} failed (exit ${status}; all of its output is in ${log}). ${advice}`);
}

/** Replaces this process as far as Node can: same terminal, signals passed on, same exit. */
function handOver(node, args) {
  const env = { ...process.env, PATH: [dirname(node), ...searchPath].join(delimiter) };
  // When this process dies by kill -9, what it started gets SIGTERM and stops its own children.
  const wrapper = hasProgram('setpriv') ? ['setpriv', '--pdeathsig', 'TERM', '--'] : [];
  const [file, ...rest] = [...wrapper, node, '--disable-warning=ExperimentalWarning', ...args];
  const child = spawn(file, rest, { cwd: root, stdio: 'inherit', env });
  // A Ctrl-C reaches the child from the terminal already; a signal to this process alone is passed on.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? os.signals[signal] : 1)));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof SetUpError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
