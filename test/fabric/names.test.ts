import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const hook = resolve('local/azure/fabric/names.ts');

/** What the code prints in a process inside the network whose names are these. */
async function inside(hosts: Record<string, string>, code: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'fabric-names-'));
  const file = join(dir, 'hosts.json');
  writeFileSync(file, JSON.stringify(hosts));
  try {
    const env = { ...process.env, LOCAL_DNS_HOSTS: file };
    return (await run(process.execPath, ['--import', hook, '--input-type=module', '-e', code], { env })).stdout.trim();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const name = 'mj.mysql.database.azure.com';

test('sockets and both kinds of lookup find the names of the network', async () => {
  const code = `
    import dns, { lookup } from 'node:dns';
    import { lookup as promised } from 'node:dns/promises';
    import net from 'node:net';
    const server = net.createServer((s) => s.end(s.localAddress)).listen(0, '127.0.0.77', () => {
      net.connect(server.address().port, '${name}').on('data', (d) => {
        console.log(String(d));
        server.close();
      });
    });
    lookup('${name.toUpperCase()}', { all: true }, async (e, all) => {
      console.log(JSON.stringify(all), (await promised('${name}')).address, (await dns.promises.lookup('${name}', 4)).family);
    });`;
  expect((await inside({ [name]: '127.0.0.77' }, code)).split('\n').sort()).toEqual([
    '127.0.0.77',
    '[{"address":"127.0.0.77","family":4}] 127.0.0.77 4',
  ]);
});

test('a name that only Azure knows fails at once, others go to the machine', async () => {
  const code = `
    import { lookup } from 'node:dns/promises';
    const say = (name) => lookup(name).then(({ address }) => address, ({ code }) => code);
    console.log(await say('${name}'), (await say('localhost')) !== 'ENOTFOUND');`;
  expect(await inside({}, code)).toBe('ENOTFOUND true');
});

test('a change of the file is seen by the running process', async () => {
  const code = `
    import { lookup } from 'node:dns/promises';
    import { writeFileSync } from 'node:fs';
    const before = (await lookup('${name}')).address;
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(process.env.LOCAL_DNS_HOSTS, JSON.stringify({ '${name}': '127.0.0.2' }));
    console.log(before, (await lookup('${name}')).address);`;
  expect(await inside({ [name]: '127.0.0.1' }, code)).toBe('127.0.0.1 127.0.0.2');
});
