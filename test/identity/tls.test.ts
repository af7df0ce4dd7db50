import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { openAuthority } from '../../local/azure/tls.ts';

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'molcajete-tls-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a leaf is trusted for its names and addresses, and for no other', async () => {
  const authority = await openAuthority(tempDir());
  const { certPem, keyPem } = await authority.issue(['127.0.0.1', 'server.mysql.database.azure.com']);
  const server = createServer({ cert: certPem, key: keyPem }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const ca = readFileSync(authority.caFile);
  const { port } = server.address() as AddressInfo;
  const shake = async (servername: string | undefined): Promise<string | undefined> => {
    const socket = connect({ host: '127.0.0.1', port, ca, ...(servername && { servername }) });
    // `once` rejects with the socket's error.
    const outcome = await once(socket, 'secureConnect').then(
      () => 'trusted',
      (error: NodeJS.ErrnoException) => error.code,
    );
    socket.destroy();
    return outcome;
  };
  expect(await shake(undefined)).toBe('trusted');
  expect(await shake('server.mysql.database.azure.com')).toBe('trusted');
  expect(await shake('other.mysql.database.azure.com')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
});

test('OpenSSL accepts the chain by its strict rules, which Python 3.13 applies', async () => {
  const authority = await openAuthority(tempDir());
  const { certFile } = await authority.issue(['127.0.0.1']);
  expect(
    execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', authority.caFile, certFile]).toString(),
  ).toContain('OK');
});

test('authority and leaves outlive a restart; another authority makes the leaves anew', async () => {
  const dir = tempDir();
  const first = await (await openAuthority(dir)).issue(['127.0.0.1']);
  const again = await openAuthority(dir);
  expect((await again.issue(['127.0.0.1'])).certPem).toBe(first.certPem);
  rmSync(again.caFile);
  const other = await openAuthority(dir);
  expect((await other.issue(['127.0.0.1'])).certPem).not.toBe(first.certPem);
});

test('keys are readable by their owner only, and equal requests at once get one certificate', async () => {
  const dir = tempDir();
  const authority = await openAuthority(dir);
  const [a, b] = await Promise.all([authority.issue(['127.0.0.1']), authority.issue(['127.0.0.1'])]);
  expect(a.certPem).toBe(b.certPem);
  expect([join(dir, 'ca-key.pem'), a.keyFile].map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600]);
});
