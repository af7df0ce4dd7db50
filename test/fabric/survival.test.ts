import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { shortPath } from '../../local/azure/fabric/shortPath.ts';
import { until } from './world.ts';

/** Command lines of the processes that have to do with this directory. */
function processesOf(marks: string[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return [];
      }
    })
    .filter((line) => marks.some((mark) => line.includes(mark)));
}

test('a local Azure that is killed leaves no process behind', async () => {
  const child = spawn(process.execPath, [resolve('test/fabric/killedWorld.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const { dir } = JSON.parse(await until(() => (output.includes('\n') ? output : undefined))) as { dir: string };
  const marks = [dir, shortPath(dir, `${dir}/guests/rg--vm/root`)];
  try {
    // mariadbd, and HAProxy's master with its worker.
    await until(
      () => processesOf(marks).filter((line) => /^(\/usr\/sbin\/)?(mariadbd|haproxy)/.test(line)).length === 3,
    );
    child.kill('SIGKILL');
    await until(() => processesOf(marks).length === 0);
  } finally {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
  expect(processesOf(marks)).toEqual([]);
});
