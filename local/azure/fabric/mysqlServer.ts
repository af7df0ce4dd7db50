/** One flexible server: a mariadbd of its own, its administrator, its certificate. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';
import { dataTemplate, giveTo, installData, mariadbd, serverConfiguration, serverUser } from './mariadb.ts';
import { type Running, startProcess } from './process.ts';

export const mysqlPort = 3306;

/** What Azure's administrator may: no SUPER, FILE or SHUTDOWN. */
const administratorPrivileges = `SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,
  CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE,
  ALTER ROUTINE, CREATE USER, EVENT, TRIGGER`;

/** `stopped`: by ARM or by a fault; `lost`: its data is gone. */
export type ServerPower = 'running' | 'stopped' | 'lost';

export interface MysqlServer {
  address: string;
  power(): ServerPower;
  /** Is there a process that answers? */
  isUp(): boolean;
  start(): Promise<void>;
  /** `how` kill: as a host that fails. */
  stop(power: Exclude<ServerPower, 'running'>, how?: 'kill'): Promise<void>;
  restart(): Promise<void>;
  /** Creates the administrator or gives it another password. */
  setAdministrator(login: string, password: string): Promise<void>;
  execute(statement: string): Promise<void>;
  useCertificate(names: string[]): Promise<void>;
  /** Ends the process; the server comes up again at the next start of the local Azure. */
  suspend(): Promise<void>;
  destroy(): Promise<void>;
}

export interface ServerOptions {
  dir: string;
  /** Path of the Unix socket by which we administer the server. */
  socket: string;
  address: string;
  cacheDir: string;
  issue(names: string[]): Promise<{ certPem: string; keyPem: string }>;
  log(message: string): void;
}

const startTimeoutMs = 30_000;
const restartAfterCrashMs = 500;

export function openMysqlServer(options: ServerOptions): MysqlServer {
  const { dir } = options;
  const files = {
    data: join(dir, 'data'),
    certificate: join(dir, 'server.pem'),
    key: join(dir, 'server-key.pem'),
    configuration: join(dir, 'server.cnf'),
    log: join(dir, 'server.log'),
    power: join(dir, 'power.json'),
    socket: options.socket,
  };
  let running: Running | undefined;
  let closing = false;

  const power = (): ServerPower =>
    existsSync(files.power) ? JSON.parse(readFileSync(files.power, 'utf8')).power : 'running';
  const setPower = (value: ServerPower): Promise<void> => writeFile(files.power, JSON.stringify({ power: value }));

  async function up(): Promise<void> {
    if (running && !running.hasExited()) return;
    await mkdir(dir, { recursive: true });
    const user = serverUser(dir);
    await installData(await dataTemplate(options.cacheDir), files.data, user);
    await writeFile(files.log, '', { flag: 'a', mode: 0o600 });
    await giveTo(user, files.log);
    const places = { ...files, address: options.address, port: mysqlPort };
    await writeFile(files.configuration, serverConfiguration(places));
    const own = user === userInfo().username;
    const argv = [mariadbd, `--defaults-file=${files.configuration}`, ...(own ? [`--user=${user}`] : [])];
    const started = startProcess(argv, {
      cwd: dir,
      env: { PATH: '/usr/sbin:/usr/bin:/bin' },
      logFile: files.log,
      user: own ? undefined : user,
    });
    running = started;
    void started.exited.then(() => afterExit(started));
    await ready(started).catch(async (error: Error) => {
      await down(true);
      throw error;
    });
  }

  /** The service restarts a server that crashed. */
  async function afterExit(process: Running): Promise<void> {
    if (closing || running !== process || power() !== 'running') return;
    options.log(`MySQL server in ${dir} ended unexpectedly; it is started again. See ${files.log}.`);
    await delay(restartAfterCrashMs);
    if (!closing && running === process && power() === 'running')
      await up().catch((error: Error) => options.log(error.message));
  }

  async function ready(process: Running): Promise<void> {
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      const connection = await connect().catch(() => undefined);
      if (connection) return connection.end();
      if (process.hasExited() || Date.now() > deadline) {
        throw new Error(`mariadbd did not start: ${(await readFile(files.log, 'utf8')).slice(-600)}`);
      }
      await delay(20);
    }
  }

  /** As the local superuser, known by the socket's peer credentials: there is no password to keep. */
  const connect = (): Promise<Connection> => createConnection({ socketPath: files.socket, user: userInfo().username });

  async function withConnection(work: (connection: Connection) => Promise<void>): Promise<void> {
    const connection = await connect();
    try {
      await work(connection);
    } finally {
      await connection.end();
    }
  }

  async function down(kill: boolean): Promise<void> {
    const process = running;
    running = undefined;
    if (kill) process?.signal('SIGKILL');
    await process?.stop();
    await rm(files.socket, { force: true });
  }

  async function useCertificate(names: string[]): Promise<void> {
    const { certPem, keyPem } = await options.issue(names);
    await mkdir(dir, { recursive: true });
    if (existsSync(files.certificate) && readFileSync(files.certificate, 'utf8') === certPem) return;
    await rm(files.key, { force: true });
    await writeFile(files.key, keyPem, { mode: 0o600 });
    await giveTo(serverUser(dir), files.key);
    await writeFile(files.certificate, certPem);
    if (running && !running.hasExited())
      await withConnection(async (connection) => void (await connection.query('FLUSH SSL')));
  }

  return {
    address: options.address,
    power,
    isUp: () => running !== undefined && !running.hasExited(),
    async start() {
      await setPower('running');
      await up();
    },
    async stop(value, how) {
      await setPower(value);
      await down(how === 'kill');
      if (value === 'lost') await rm(files.data, { recursive: true, force: true });
    },
    async restart() {
      await down(false);
      await setPower('running');
      await up();
    },
    setAdministrator: (login, password) =>
      withConnection(async (connection) => {
        await connection.query('CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?', [login, '%', password]);
        await connection.query('ALTER USER ?@? IDENTIFIED BY ?', [login, '%', password]);
        await connection.query(`GRANT ${administratorPrivileges} ON *.* TO ?@? WITH GRANT OPTION`, [login, '%']);
      }),
    execute: (statement) => withConnection(async (connection) => void (await connection.query(statement))),
    useCertificate,
    async suspend() {
      closing = true;
      await down(false);
    },
    async destroy() {
      closing = true;
      await down(true);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
