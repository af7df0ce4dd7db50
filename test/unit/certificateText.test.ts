import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { certificateProblems } from '../../shared/certificateProblems.ts';
import { certificateText } from '../../shared/certificateText.ts';
import { createPublicAuthority, type LeafOptions, type PublicAuthority, rsa } from './publicAuthority.ts';

/** What Node.js says that the public roots are. */
const known = vi.hoisted((): { roots: string[] } => ({ roots: [] }));
vi.mock('node:tls', async (original) => ({
  ...(await original<typeof import('node:tls')>()),
  get rootCertificates() {
    return known.roots;
  },
}));

const names = ['jump.contoso.com'];
let authority: PublicAuthority;
beforeAll(async () => {
  authority = await createPublicAuthority();
  known.roots = [(await createPublicAuthority()).root, authority.root];
});

const codes = (text: string, wanted = names): string[] =>
  certificateProblems(text, { names: wanted }).map(({ code }) => code);

/** As Key Vault and Windows write it, without a password. */
function pkcs12(pem: string, ...how: string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'molcajete-'));
  const [from, to] = [join(dir, 'all.pem'), join(dir, 'all.pfx')];
  writeFileSync(from, pem);
  execFileSync('openssl', ['pkcs12', '-export', '-in', from, '-out', to, '-passout', 'pass:', ...how]);
  const base64 = readFileSync(to).toString('base64');
  rmSync(dir, { recursive: true });
  return base64;
}

test('key, certificate and chain are put in order, whatever order they came in', async () => {
  const { key, leaf } = await authority.issue({ names });
  const { root, intermediate } = authority;
  const ordered = key + leaf + intermediate + root;
  expect(certificateText(root + leaf + key + intermediate)).toBe(ordered);
  expect(certificateText(ordered)).toBe(ordered);
  expect(codes(ordered)).toEqual([]);
});

test("a public authority's root, which nobody sends, is added", async () => {
  const { key, leaf } = await authority.issue({ names });
  const { root, intermediate } = authority;
  expect(certificateText(key + leaf + intermediate)).toBe(key + leaf + intermediate + root);
});

test('a chain with a gap, or with a root that nobody knows, stays incomplete', async () => {
  const stranger = await createPublicAuthority();
  const { key, leaf } = await stranger.issue({ names });
  expect(codes(certificateText(key + leaf + stranger.intermediate))).toEqual(['CertificateChainIncomplete']);
  expect(codes(certificateText(key + leaf + stranger.root))).toEqual(['CertificateChainIncomplete']);
});

const encryptions: [string, string[]][] = [
  ['AES', []],
  ['3DES', ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
  ['RC2 for the certificates', ['-legacy']],
  ['nothing encrypted', ['-keypbe', 'NONE', '-certpbe', 'NONE']],
];

test.each(encryptions)('PKCS #12 with %s gives the same text as PEM', async (_, how) => {
  for (const algorithm of [undefined, rsa(2048)]) {
    const { key, leaf } = await authority.issue({ names, ...(algorithm === undefined ? {} : { algorithm }) });
    const pem = key + leaf + authority.intermediate;
    const text = certificateText(pkcs12(pem, ...how));
    expect(text).toBe(certificateText(pem));
    expect(codes(text)).toEqual([]);
  }
});

test('what is neither, or is locked by a password, is refused', async () => {
  const { key, leaf } = await authority.issue({ names });
  expect(() => certificateText('{"hello": 1}')).toThrow();
  expect(() => certificateText(leaf)).toThrow();
  expect(() => certificateText(pkcs12(key + leaf, '-passout', 'pass:secret'))).toThrow();
});

const bad: [string, Partial<LeafOptions>, string][] = [
  ['an RSA key of 1024 bits', { algorithm: rsa(1024) }, 'CertificateKeyUnsupported'],
  [
    'a key on a curve that browsers do not take',
    { algorithm: { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' } },
    'CertificateKeyUnsupported',
  ],
  ['a certificate for clients', { usage: '1.3.6.1.5.5.7.3.2' }, 'CertificateNotForServers'],
  ['one that has ended', { notAfter: new Date(Date.now() - 1000) }, 'CertificateExpired'],
];

test.each(bad)('%s is refused', async (_, options, code) => {
  const { key, leaf } = await authority.issue({ names, ...options });
  expect(codes(certificateText(key + leaf + authority.intermediate))).toEqual([code]);
});

test('a wildcard covers one label, and not its own domain', async () => {
  const { key, leaf } = await authority.issue({ names: ['*.contoso.com'] });
  const text = certificateText(key + leaf + authority.intermediate);
  expect(codes(text, ['jump.contoso.com'])).toEqual([]);
  for (const name of ['contoso.com', 'a.jump.contoso.com', 'jump.fabrikam.com', '20.1.2.3'])
    expect([name, ...codes(text, [name])]).toEqual([name, 'CertificateNameMissing']);
});
