import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorld, until, type World } from './world.ts';

const type = 'Microsoft.DBforMySQL/flexibleServers';
const password = 'Secret-pass-1!';
let world: World;
let server: string;

beforeAll(async () => {
  world = await openWorld();
  const properties = { administratorLogin: 'keeper', version: '8.4' };
  const stored = await world.put(type, 'mj-office', properties, {
    writeOnly: { administratorLoginPassword: password },
  });
  server = stored.id;
});
afterAll(() => world.close());

const connect = (secret = password, tls = true) =>
  createConnection({
    // The name that its clients use; that it leads to this address is another test's subject.
    host: 'mj-office.mysql.database.azure.com',
    stream: () => connectTcp(3306, world.addresses.allocate('mysql', server)),
    user: 'keeper',
    password: secret,
    ...(tls ? { ssl: { ca: readFileSync(world.context.certificates.caFile, 'utf8'), verifyIdentity: true } } : {}),
  });

test('the administrator manages databases and accounts over verified TLS', async () => {
  const connection = await connect();
  await connection.query('CREATE DATABASE guacamole');
  await connection.query("CREATE USER node@'%' IDENTIFIED BY 'Another-1'");
  await connection.query("GRANT SELECT, INSERT, UPDATE, DELETE ON guacamole.* TO node@'%'");
  await connection.query('CREATE TABLE guacamole.kept (id INT)');
  await connection.query('INSERT INTO guacamole.kept VALUES (7)');
  const [rows] = await connection.query("SHOW STATUS LIKE 'Ssl_version'");
  expect(JSON.stringify(rows)).toContain('TLSv1.');
  await connection.end();
});

test('a connection without TLS is refused', async () => {
  await expect(connect(password, false)).rejects.toThrow(/denied|insecure transport/i);
});

test('the administrator is no superuser', async () => {
  const connection = await connect();
  await expect(connection.query('SET GLOBAL max_connections = 5')).rejects.toThrow(/SUPER|privilege/i);
  await expect(connection.query("SELECT 1 INTO OUTFILE '/tmp/x'")).rejects.toThrow(/denied/i);
  await connection.end();
});

test('another password takes over while open sessions live on', async () => {
  const open = await connect();
  const resource = world.state.get(server);
  await world.put(type, 'mj-office', resource?.properties ?? {}, {
    writeOnly: { administratorLoginPassword: 'Other-pass-2!' },
  });
  await expect(connect()).rejects.toThrow(/denied/i);
  await (await connect('Other-pass-2!')).end();
  await open.query('SELECT 1');
  await open.end();
});

test('a stopped server is unreachable and keeps its data for the next start', async () => {
  await world.act(server, 'stop');
  await expect(connect('Other-pass-2!')).rejects.toThrow(/ECONNREFUSED/);
  await world.act(server, 'start');
  const connection = await connect('Other-pass-2!');
  const [rows] = await connection.query('SELECT id FROM guacamole.kept');
  expect(rows).toEqual([{ id: 7 }]);
  await connection.end();
});

test('a restarted local Azure brings the server back with its data', async () => {
  await world.restart();
  const connection = await connect('Other-pass-2!');
  const [rows] = await connection.query('SELECT id FROM guacamole.kept');
  expect(rows).toEqual([{ id: 7 }]);
  await connection.end();
});

test('a server that crashes is started again', async () => {
  const connection = await connect('Other-pass-2!');
  const [rows] = await connection.query('SELECT @@pid_file AS file');
  const file = (rows as { file: string }[])[0]?.file ?? '';
  process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
  connection.destroy();
  await until(async () => (await connect('Other-pass-2!')).end().then(() => true));
});

test('a lost server cannot be started, and its data is gone when it is made anew', async () => {
  await world.act(server, 'fault:lose');
  await expect(world.act(server, 'start')).rejects.toThrow(/lost/);
  const resource = world.state.get(server);
  await world.put(type, 'mj-office', resource?.properties ?? {}, {
    writeOnly: { administratorLoginPassword: password },
  });
  const connection = await connect();
  const [rows] = await connection.query('SHOW DATABASES');
  expect(JSON.stringify(rows)).not.toContain('guacamole');
  await connection.end();
});
