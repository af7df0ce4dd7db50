import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { shortPath } from '../../local/azure/fabric/shortPath.ts';
import { commandLines, until } from './world.ts';

/** The processes that have to do with any of these. */
const processesOf = (marks: string[]): string[] =>
  commandLines().filter((line) => marks.some((mark) => line.includes(mark)));

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
