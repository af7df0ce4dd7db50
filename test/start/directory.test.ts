import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockDirectory } from '../../local/start/lock.ts';
import { choosePorts } from '../../local/start/ports.ts';

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'molcajete-start-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a directory that runs already is refused by name, and free again after its end', async () => {
  const [dir, other] = [tempDir(), tempDir()];
  const unlock = await lockDirectory(dir);
  await expect(lockDirectory(dir)).rejects.toThrow(`already runs in ${dir}`);
  const unlockOther = await lockDirectory(other);
  await unlock();
  await (await lockDirectory(dir))();
  await unlockOther();
});

test('a directory keeps its ports, and another one has others', async () => {
  const dir = tempDir();
  const ports = await choosePorts(dir);
  expect(new Set(Object.values(ports)).size).toBe(4);
  expect(await choosePorts(dir)).toEqual(ports);
  expect(await choosePorts(tempDir())).not.toEqual(ports);
});

test('a port that nodes were told is not exchanged silently; others are', async () => {
  const dir = tempDir();
  const ports = await choosePorts(dir);
  const holdWhile = async (port: number, work: () => Promise<void>) => {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    await work();
    server.close();
  };
  await holdWhile(ports.host, () => expect(choosePorts(dir)).rejects.toThrow(`Port ${ports.host}`));
  await holdWhile(ports.table, async () => {
    const changed = await choosePorts(dir);
    expect(changed.host).toBe(ports.host);
    expect(changed.table).not.toBe(ports.table);
  });
});
