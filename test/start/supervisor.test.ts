import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** What `npm start` runs; its output so far is in `text`. */
function start(dir: string, ...more: string[]): { process: ChildProcess; text(): string } {
  const process = spawn('node', ['local/run.mjs', 'start', '--dir', dir, ...more], { cwd: root });
  let text = '';
  for (const stream of [process.stdout, process.stderr]) stream.on('data', (chunk) => (text += chunk));
  onTestFinished(() => void process.kill('SIGKILL'));
  return { process, text: () => text };
}

/** Command lines of the living processes that have to do with the directory. */
function processesOf(dir: string): string[] {
  const read = (pid: string, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return '';
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => read(pid, 'cmdline'))
    .filter((commandLine) => commandLine.includes(dir));
}

test('npm start shows the way to a login and stays; a Ctrl-C, and even a kill -9, leaves no process', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'molcajete-supervisor-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const said = (run: ReturnType<typeof start>, what: string) =>
    vi.waitUntil(
      () => {
        if (run.process.exitCode !== null) throw new Error(`It ended, and never said '${what}':\n${run.text()}`);
        return run.text().includes(what);
      },
      { timeout: 150_000, interval: 200 },
    );

  const first = start(dir);
  await said(first, 'Ctrl-C stops everything');
  expect(first.text()).toMatch(/ready +\d+\.\d s {2}mysqlServer\n/);
  expect(first.text()).toMatch(/Log in at +https:\/\/127\./);
  const printed = (...args: string[]) =>
    String(execFileSync('node', ['local/run.mjs', ...args, '--dir', dir], { cwd: root }));
  expect(first.text()).toContain('npm run --silent password');
  expect(JSON.parse(printed('password'))).toEqual({ username: 'guacadmin', password: expect.stringMatching(/.{16}/) });
  const token = printed('token', '--role', 'Reader');
  const { api } = JSON.parse(readFileSync(join(dir, 'endpoints.json'), 'utf8')) as { api: string };
  const answer = await fetch(`${api}/jump-servers/demo`, {
    headers: { authorization: `Bearer ${token.trim()}` },
  });
  expect(await answer.json()).toMatchObject({ name: 'demo', status: { state: 'Ready' } });

  const rival = start(dir, '--exit-when-ready');
  expect(await once(rival.process, 'exit')).toEqual([1, null]);
  expect(rival.text()).toContain(`already runs in ${dir}`);

  first.process.kill('SIGINT');
  expect(await once(first.process, 'exit')).toEqual([0, null]);
  expect(processesOf(dir)).toEqual([]);

  const second = start(dir);
  await said(second, 'of an earlier run');
  await said(second, 'Ctrl-C stops everything');
  expect(processesOf(dir).length).toBeGreaterThan(5);
  second.process.kill('SIGKILL');
  await vi.waitFor(() => expect(processesOf(dir)).toEqual([]), { timeout: 30_000, interval: 200 });

  // The state of the earlier runs spares it the provision.
  const third = start(dir, '--exit-when-ready');
  expect(await once(third.process, 'exit'), third.text()).toEqual([0, null]);
  expect(third.text()).toContain('of an earlier run');
  expect(processesOf(dir)).toEqual([]);
});
