import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openChildren } from '../../local/start/children.ts';

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'molcajete-start-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const node = (title: string, script: string, onLine?: (line: string) => void) => ({
  title,
  command: process.execPath,
  args: ['-e', script],
  cwd: tmpdir(),
  env: process.env,
  onLine,
});

/** A zombie is dead; whoever is process 1 takes its time to bury it. */
function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a process that ends by itself is reported with the end of its log', async () => {
  const failed = Promise.withResolvers<Error>();
  const children = openChildren(tempDir(), failed.resolve);
  children.start(node('Part', 'console.error("the reason"); process.exit(3)'));
  expect((await failed.promise).message).toMatch(/Part ended with exit code 3\.\nthe reason/);
  expect(children.failure()).toBe(await failed.promise);
});

test('why a process ended is known also when everything is stopped right after', async () => {
  const children = openChildren(tempDir(), () => {});
  const child = children.start(node('Part', 'console.error("the reason"); process.exit(3)'));
  await vi.waitUntil(() => !child.running());
  await children.stop();
  expect(children.failure()?.message).toMatch(/Part ended with exit code 3\.\nthe reason/);
});

test('stopping ends the processes, the last started first, and reports nothing', async () => {
  const ended: string[] = [];
  const onFailure = vi.fn();
  const children = openChildren(tempDir(), onFailure);
  const script =
    'process.on("SIGTERM", () => { console.log("end"); process.exit() }); console.log("up"); setInterval(() => {}, 1e6)';
  for (const title of ['first', 'second']) {
    const up = Promise.withResolvers<void>();
    children.start(node(title, script, (line) => (line === 'up' ? up.resolve() : ended.push(title))));
    await up.promise;
  }
  await children.stop();
  expect(ended).toEqual(['second', 'first']);
  expect(onFailure).not.toHaveBeenCalled();
});

test('a process and what it started die with us, also by kill -9', async () => {
  const dir = tempDir();
  const modulePath = join(import.meta.dirname, '../../local/start/children.ts');
  const grandchild =
    'const c = require("child_process").spawn("sleep", ["1000"]); process.on("SIGTERM", () => { c.kill(); process.exit() }); console.log("pid", process.pid, c.pid); setInterval(() => {}, 1e6)';
  const script = `
    import { openChildren } from ${JSON.stringify(modulePath)};
    openChildren(${JSON.stringify(dir)}, () => {}).start({
      title: 'Part', command: process.execPath, args: ['-e', ${JSON.stringify(grandchild)}], cwd: '/', env: process.env, onLine: console.log,
    });`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script]);
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  const pids = line.split(' ').slice(1).map(Number);
  expect(pids.map(isAlive)).toEqual([true, true]);
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(pids.map(isAlive)).toEqual([false, false]), 5000);
});
