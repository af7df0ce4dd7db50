import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AppDirectory, appDirectory, HostProcess, until } from './hostProcess.ts';

describe('The local host', () => {
  let directory: AppDirectory;
  let host: HostProcess | undefined;
  beforeEach(() => {
    directory = appDirectory('durable.cjs', {
      'durable.cjs': { copyOf: join(import.meta.dirname, 'app/durable.cjs') },
    });
  });
  afterEach(async () => {
    await host?.end('SIGKILL');
    directory.remove();
  });

  it('lets a running function finish and answer when it is told to stop, and exits with 0', async () => {
    host = await HostProcess.start(directory);
    const answer = fetch(`${host.origin}/api/slow`);
    await until('the request to arrive', 5_000, () =>
      host?.trace.some((line) => line.function === 'slow') ? true : null,
    );
    const code = host.end('SIGTERM');
    expect(await (await answer).text()).toBe('done');
    expect(await code).toBe(0);
  });

  it('sends the rest of an answer that streams before it stops', async () => {
    const streaming = appDirectory('streaming.cjs', {
      'streaming.cjs': { copyOf: join(import.meta.dirname, 'app/streaming.cjs') },
    });
    host = await HostProcess.start(streaming);
    const answer = await fetch(`${host.origin}/api/countdown`);
    const code = host.end('SIGTERM');
    expect(await answer.text()).toBe('3 2 1 0');
    expect(await code).toBe(0);
    streaming.remove();
  });

  it('lets a running activity finish when it is told to stop, and goes on from there', async () => {
    const runs = join(directory.app, '../runs');
    writeFileSync(runs, '');
    host = await HostProcess.start(directory, { env: { RUNS: runs } });
    await host.startInstance('chain', 'c', { run: 'c', steps: 2, ms: 400 });
    await until('the activity', 5_000, () => (readFileSync(runs, 'utf8').includes('begin c 0') ? true : null));
    expect(await host.end('SIGTERM')).toBe(0);
    host = await HostProcess.start(directory, { env: { RUNS: runs }, name: 'second' });
    expect((await host.finished('c')).output).toEqual([0, 1]);
    expect(readFileSync(runs, 'utf8').match(/begin c 0/g)).toHaveLength(1);
  });

  it('gives the app the Values of local.settings.json, unless the environment has them', async () => {
    const settings = { Values: { SETTING_A: 'file', SETTING_B: 'file' } };
    writeFileSync(join(directory.app, 'local.settings.json'), JSON.stringify(settings));
    host = await HostProcess.start(directory, { env: { SETTING_B: 'environment' } });
    const port = new URL(host.origin).port;
    expect(await host.json('/api/settings')).toEqual({ a: 'file', b: 'environment', host: `localhost:${port}` });
  });

  it('reads prefix and hub name from host.json, and loads only the functions it was told to', async () => {
    const config = { version: '2.0', extensions: { http: { routePrefix: 'v1' }, durableTask: { hubName: 'MyHub' } } };
    writeFileSync(join(directory.app, 'host.json'), JSON.stringify(config));
    host = await HostProcess.start(directory, { args: ['--enable', 'settings input'] });
    const statuses = await Promise.all(
      ['/v1/settings', '/api/settings', '/v1/other'].map(
        async (path) => (await fetch(`${host?.origin}${path}`)).status,
      ),
    );
    expect(statuses).toEqual([200, 404, 404]);
    const started = (await (await host.startInstance('input', 'i')).json()) as { statusQueryGetUri: string };
    expect(started.statusQueryGetUri).toContain('taskHub=MyHub');
  });

  it('listens on the loopback address only', async () => {
    host = await HostProcess.start(directory);
    const port = Number(new URL(host.origin).port);
    const outside = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4');
    if (!outside) return;
    const refused = await new Promise((resolve) => {
      const socket = connect(port, outside.address, () => resolve(false));
      socket.on('error', () => resolve(true));
    });
    expect(refused).toBe(true);
  });

  it('says what is wrong with its command line or its app, and exits with 1', async () => {
    writeFileSync(join(directory.app, 'package.json'), '{}');
    await expect(HostProcess.start(directory)).rejects.toThrow(/main/);
    await expect(HostProcess.start(directory, { args: ['--rpc-port', 'x'] })).rejects.toThrow(
      /--rpc-port must be a port number/,
    );
  });

  it('uses next to no processor time when nothing happens', async () => {
    host = await HostProcess.start(directory, { args: ['--enable', 'settings'] });
    const ticks = (): number => {
      const stat = readFileSync(`/proc/${host?.child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return Number(stat[11]) + Number(stat[12]);
    };
    await fetch(`${host.origin}/api/settings`);
    const before = ticks();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    // Hundredths of a second.
    expect(ticks() - before).toBeLessThanOrEqual(4);
  });
});
