import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { type Kysely, sql } from 'kysely';
import { type DatabaseLogin, openDatabase } from '../../shared/guacamole/database.ts';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';

const run = promisify(execFile);

/** A real MariaDB of this test file's own, on a loopback port, with TLS that the process has been told to trust. */
export interface TestServer {
  login: DatabaseLogin;
  ca: string;
  /** The same for other processes: NODE_EXTRA_CA_CERTS. */
  caFile: string;
  stop(): Promise<void>;
}

/**
 * Starts a server in a new temporary directory; `stop` ends it and removes the directory. It dies with this process. Its temporary
 * files stay in its directory: servers that share /tmp have been seen to crash while installing.
 */
export async function startMariadb(options: readonly string[] = [], certificateFor = 'localhost'): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), 'molcajete-mariadb-'));
  try {
    return await startIn(directory, options, certificateFor);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(directory: string, options: readonly string[], certificateFor: string): Promise<TestServer> {
  const at = (name: string): string => join(directory, name);
  for (const name of ['data', 'tmp']) mkdirSync(at(name));
  const port = await freePort();
  const ca = await makeCertificates(directory, certificateFor);
  const common = [
    '--no-defaults',
    `--datadir=${at('data')}`,
    `--tmpdir=${at('tmp')}`,
    '--skip-name-resolve',
    ...asRoot(),
  ];
  await run('mariadb-install-db', [...common, '--auth-root-authentication-method=normal', '--skip-test-db']);
  writeFileSync(
    at('init.sql'),
    "CREATE USER IF NOT EXISTS 'admin'@'%' IDENTIFIED BY 'admin-password' REQUIRE SSL;\nGRANT ALL ON *.* TO 'admin'@'%' WITH GRANT OPTION;\n",
  );
  const own = [
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${at('s.sock')}`,
    `--pid-file=${at('pid')}`,
    `--ssl-cert=${at('server.pem')}`,
    `--ssl-key=${at('server.key')}`,
    `--init-file=${at('init.sql')}`,
    '--innodb-buffer-pool-size=128M',
    '--innodb-flush-log-at-trx-commit=0',
    '--skip-innodb-doublewrite',
    '--skip-sync-frm',
    '--skip-log-bin',
    '--performance-schema=OFF',
  ];
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', 'mariadbd', ...common, ...own, ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await untilReady(server);
  setDefaultCACertificates([...getCACertificates('default'), ca]);
  return {
    login: { host: 'localhost', port, user: 'admin', password: 'admin-password' },
    ca,
    caFile: at('ca.pem'),
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

let databases = 0;

/** A fresh, empty database on the server, opened by its administrator. */
export async function freshDatabase(
  server: TestServer,
): Promise<{ db: Kysely<GuacamoleDatabase>; login: DatabaseLogin }> {
  databases += 1;
  const database = `guacamole_${process.pid}_${databases}`;
  const admin = openDatabase(server.login);
  await sql`CREATE DATABASE ${sql.id(database)} CHARACTER SET utf8mb4`.execute(admin);
  await admin.destroy();
  const login = { ...server.login, database };
  return { db: openDatabase(login), login };
}

const asRoot = (): string[] => (process.getuid?.() === 0 ? ['--user=root'] : []);

/** `ready for connections` is what the server says last when it starts. */
async function untilReady(server: ChildProcess): Promise<void> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-8192);
      if (said.includes('ready for connections')) resolve();
    });
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`mariadbd ended with ${code}: ${said}`)));
  });
}

/** An authority of its own and a server certificate for the name. */
async function makeCertificates(directory: string, name: string): Promise<string> {
  const at = (name: string): string => join(directory, name);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await run('openssl', [
    'req',
    '-x509',
    ...ec,
    '-days',
    '2',
    '-subj',
    '/CN=Test authority',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
  ]);
  await run('openssl', ['req', ...ec, '-subj', `/CN=${name}`, '-keyout', at('server.key'), '-out', at('server.csr')]);
  writeFileSync(at('ext'), `subjectAltName=DNS:${name}\n`);
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    at('server.csr'),
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    at('ext'),
    '-out',
    at('server.pem'),
  ]);
  return readFileSync(at('ca.pem'), 'utf8');
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
