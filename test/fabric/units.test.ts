import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mapPaths } from '../../local/azure/guest/paths.ts';
import { openUnits, type Units } from '../../local/azure/guest/units.ts';
import { until } from './world.ts';

let root: string;
let units: Units;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fabric-units-'));
  for (const path of ['etc/systemd/system', 'opt', 'log']) mkdirSync(join(root, path), { recursive: true });
  units = openAll();
});
afterEach(async () => {
  await units.killAll();
  rmSync(root, { recursive: true, force: true });
});

const openAll = (): Units =>
  openUnits({
    root,
    logDir: join(root, 'log'),
    env: () => ({ PATH: '/usr/bin:/bin' }),
    translate: async ([program = '', ...args]) => ({ argv: [program, ...args.map((arg) => mapPaths(arg, root))] }),
  });

function write(name: string, service: string, unit = ''): void {
  writeFileSync(
    join(root, 'etc/systemd/system', `${name}.service`),
    `[Unit]\n${unit}\n[Service]\n${service}\n[Install]\nWantedBy=multi-user.target\n`,
  );
}
const pid = (name: string) => until(() => units.mainPid(name));
const alive = (id: number) => existsSync(`/proc/${id}`);

test('a unit with Restart=always comes back after its process was killed', async () => {
  write('a', 'ExecStart=/bin/sleep 60\nRestart=always\nRestartSec=20ms');
  await units.start('a');
  const first = await pid('a');
  process.kill(first, 'SIGKILL');
  await until(() => units.mainPid('a') && units.mainPid('a') !== first);
  expect(units.state('a')).toBe('active');
});

test('a unit that keeps failing is given up after its start limit', async () => {
  write('a', 'ExecStart=/bin/false\nRestart=always\nRestartSec=5ms', 'StartLimitBurst=3\nStartLimitIntervalSec=10');
  await units.start('a');
  await until(() => units.state('a') === 'failed' && units.mainPid('a') === undefined);
});

test('a stop takes what the unit has left behind, and nothing comes back', async () => {
  write('a', 'ExecStart=/bin/sh /opt/run.sh\nRestart=always\nRestartSec=5ms');
  writeFileSync(join(root, 'opt/run.sh'), `sleep 60 & echo $! > ${root}/opt/child\nexec sleep 60\n`);
  await units.start('a');
  const child = await until(() => Number(readFileSync(join(root, 'opt/child'), 'utf8')));
  await units.stop('a');
  await until(() => !alive(child));
  expect(units.state('a')).toBe('inactive');
});

test('environment files reach the process and its command line', async () => {
  writeFileSync(join(root, 'opt/env'), 'GREETING=hello\n');
  writeFileSync(join(root, 'opt/run.sh'), `echo "$1 $GREETING" > ${root}/opt/out\nsleep 60\n`);
  write('a', 'EnvironmentFile=/opt/env\nExecStart=/bin/sh /opt/run.sh $GREETING');
  await units.start('a');
  expect(await until(() => existsSync(join(root, 'opt/out')) && readFileSync(join(root, 'opt/out'), 'utf8'))).toBe(
    'hello hello\n',
  );
});

test('a start without its environment file fails and is tried again until the file is there', async () => {
  write(
    'a',
    'EnvironmentFile=/opt/env\nExecStart=/bin/sleep 60\nRestart=always\nRestartSec=20ms',
    'StartLimitIntervalSec=0',
  );
  await expect(units.start('a')).rejects.toThrow('/opt/env is missing');
  writeFileSync(join(root, 'opt/env'), '');
  await until(() => units.state('a') === 'active');
});

test('a reload runs ExecReload with the main process, an inactive unit refuses', async () => {
  writeFileSync(
    join(root, 'opt/run.sh'),
    `trap 'echo reloaded > ${root}/opt/out' USR2\nwhile :; do sleep 0.02; done\n`,
  );
  write('a', 'ExecStart=/bin/sh /opt/run.sh\nExecReload=/bin/kill -USR2 $MAINPID');
  await expect(units.reload('a')).rejects.toThrow('not active');
  await units.start('a');
  await until(async () => {
    await units.reload('a').catch(() => {});
    return existsSync(join(root, 'opt/out'));
  });
});

test('enabled units start at the next boot, the others do not', async () => {
  write('a', 'ExecStart=/bin/sleep 60');
  write('b', 'ExecStart=/bin/sleep 60');
  units.enable('a');
  await units.killAll();
  units = openAll();
  await units.startEnabled();
  expect([units.state('a'), units.state('b')]).toEqual(['active', 'inactive']);
});

test('a notify unit that ends at once fails its start', async () => {
  write('a', 'Type=notify\nExecStart=/bin/false');
  await expect(units.start('a')).rejects.toThrow('before it was ready');
});

test('a frozen process does not hinder a stop', async () => {
  write('a', 'ExecStart=/bin/sleep 60');
  await units.start('a');
  const id = await pid('a');
  units.signalAll('SIGSTOP');
  await units.stop('a');
  expect(alive(id)).toBe(false);
});
