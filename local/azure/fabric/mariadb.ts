/** MariaDB's programs as the stand-in for a flexible server: configuration, prepared data directory, user. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const mariadbd = '/usr/sbin/mariadbd';
const installer = '/usr/bin/mariadb-install-db';
const account = 'mysql';

/** Small memory, no performance schema; what Azure sets (TLS only, strict mode, lower-case names) is set. */
const settings = `
skip-name-resolve
skip-log-bin
default_time_zone = "+00:00"
performance_schema = OFF
local_infile = OFF
require_secure_transport = ON
tls_version = TLSv1.2,TLSv1.3
lower_case_table_names = 1
character-set-server = utf8mb4
sql_mode = STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION
max_connections = 250
thread_cache_size = 8
table_open_cache = 256
key_buffer_size = 1M
aria_pagecache_buffer_size = 2M
innodb_buffer_pool_size = 24M
innodb_log_buffer_size = 2M
innodb_read_io_threads = 1
innodb_write_io_threads = 1
innodb_purge_threads = 1
`;

/** The same at installation and later: InnoDB keeps them in its files. */
const fileSettings = `
innodb_log_file_size = 8M
innodb_data_file_path = ibdata1:5M:autoextend
innodb_autoextend_increment = 1
innodb_use_native_aio = OFF
`;

export interface ServerPlaces {
  data: string;
  socket: string;
  address: string;
  port: number;
  certificate: string;
  key: string;
  log: string;
}

export const serverConfiguration = (places: ServerPlaces): string => `[mysqld]
datadir = ${places.data}
socket = ${places.socket}
pid-file = ${places.data}/server.pid
log-error = ${places.log}
bind-address = ${places.address}
port = ${places.port}
ssl-cert = ${places.certificate}
ssl-key = ${places.key}
${settings}${fileSettings}`;

/** MariaDB refuses to run as root: the user `mysql` then, if it can get to the directory; else root is told to be meant. */
export function serverUser(dir: string): string {
  const own = userInfo().username;
  if (process.getuid?.() !== 0 || !hasAccount()) return own;
  for (let at = dir; at !== dirname(at); at = dirname(at)) {
    if (!(statSync(at).mode & 0o001)) return own;
  }
  return account;
}

const hasAccount = (): boolean => readFileSync('/etc/passwd', 'utf8').includes(`\n${account}:`);

/** Throws when Debian's MariaDB is not installed. */
export function requireMariadb(): void {
  for (const program of [mariadbd, installer]) {
    try {
      accessSync(program, constants.X_OK);
    } catch {
      throw new Error(`${program} is missing. Install it: apt-get install mariadb-server`);
    }
  }
}

const templates = new Map<string, Promise<string>>();

/** A freshly installed data directory, made once a machine: copying it is much faster than installing. */
export function dataTemplate(cacheDir: string): Promise<string> {
  const known = templates.get(cacheDir);
  if (known) return known;
  const made = makeTemplate(cacheDir);
  templates.set(cacheDir, made);
  made.catch(() => templates.delete(cacheDir));
  return made;
}

async function makeTemplate(cacheDir: string): Promise<string> {
  requireMariadb();
  const { stdout: version } = await run(mariadbd, ['--version']);
  const owner = userInfo().username;
  const name = createHash('sha256').update(`${version}${fileSettings}${owner}`).digest('hex').slice(0, 12);
  const template = join(cacheDir, `mariadb-${name}`);
  if (exists(template)) return template;
  await mkdir(cacheDir, { recursive: true });
  const draft = await mkdtemp(join(cacheDir, 'draft-'));
  const configuration = join(draft, 'install.cnf');
  await writeFile(configuration, `[mysqld]\n${settings}${fileSettings}`);
  const options = [
    '--skip-test-db',
    '--skip-name-resolve',
    '--auth-root-authentication-method=socket',
    `--auth-root-socket-user=${owner}`,
  ];
  await run(installer, [
    `--defaults-file=${configuration}`,
    `--user=${owner}`,
    `--datadir=${join(draft, 'data')}`,
    ...options,
  ]);
  // Two processes may prepare it at once; the second rename fails on the first one's directory.
  await rename(join(draft, 'data'), template).catch((error: NodeJS.ErrnoException) => {
    if (!exists(template)) throw error;
  });
  await rm(draft, { recursive: true, force: true });
  return template;
}

/** Copies the template to `data`; a copy cut short by a kill is never taken for a whole one. */
export async function installData(template: string, data: string, user: string): Promise<void> {
  if (exists(data)) return;
  const draft = `${data}.new`;
  await rm(draft, { recursive: true, force: true });
  await run('cp', ['-a', '--reflink=auto', template, draft]);
  await giveTo(user, draft);
  await rename(draft, data);
}

/** Makes a file or directory the server's own, where it runs as another user. */
export async function giveTo(user: string, path: string): Promise<void> {
  if (user !== userInfo().username) await run('chown', ['-R', `${user}:`, path]);
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
