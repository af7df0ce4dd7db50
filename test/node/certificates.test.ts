import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { certificateProblems } from '../../shared/certificateProblems.ts';
import {
  type Authority,
  createAuthority,
  describeCertificate,
  internalName,
  issueCertificate,
  leafDays,
  peerName,
} from '../../shared/certificates.ts';

const day = 24 * 3600 * 1000;
const names = ['contoso.westeurope.cloudapp.azure.com', '20.1.2.3'];
let authority: Authority;
let pem: string;

beforeAll(async () => {
  authority = await createAuthority();
  pem = await issueCertificate({ authority, jumpServer: 'contoso', names });
});

const codes = (text: string, more: { names?: string[]; now?: Date } = {}): string[] =>
  certificateProblems(text, { names, ...more }).map(({ code }) => code);
const blocks = (text: string): string[] => text.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g) ?? [];

describe('an issued certificate', () => {
  test('has its key, itself and its authority in one text, and passes the checks for a brought one', () => {
    const [key, leaf, root, ...rest] = blocks(pem);
    expect(rest).toEqual([]);
    const [certificate, issuer] = [new X509Certificate(leaf ?? ''), new X509Certificate(root ?? '')];
    expect(certificate.checkPrivateKey(createPrivateKey(key ?? ''))).toBe(true);
    expect(certificate.verify(issuer.publicKey) && certificate.checkIssued(issuer)).toBe(true);
    expect([issuer.ca, certificate.ca]).toEqual([true, false]);
    expect(root).toBe(authority.certificate);
    expect(codes(pem)).toEqual([]);
  });

  test('covers the names, the address and the name between nodes, for the longest time that browsers accept', () => {
    const described = describeCertificate(pem);
    expect(described.names).toEqual([...names, internalName('contoso')]);
    expect(described.notAfter.getTime() - Date.now()).toBeLessThanOrEqual(leafDays * day);
    expect(described.notBefore.getTime()).toBeLessThan(Date.now());
    expect(described.issuer).toBe('CN=Molcajete CA, O=Molcajete');
    expect(described.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  test('is another one each time', async () => {
    const again = describeCertificate(await issueCertificate({ authority, jumpServer: 'contoso', names }));
    expect(again.serialNumber).not.toBe(describeCertificate(pem).serialNumber);
  });

  test('cannot outlive its authority or the limit', async () => {
    const now = new Date(Date.now() + 9.5 * 365 * day);
    await expect(issueCertificate({ authority, jumpServer: 'contoso', names, now })).rejects.toThrow(
      'certificate authority ends',
    );
    await expect(issueCertificate({ authority, jumpServer: 'contoso', names, days: 399 })).rejects.toThrow(
      '1 to 398 days',
    );
  });
});

describe('a brought certificate', () => {
  test('is refused when there is no key or no certificate in it', () => {
    const [key = '', leaf = ''] = blocks(pem);
    expect(codes(leaf)).toEqual(['CertificateUnreadable']);
    expect(codes(key)).toEqual(['CertificateUnreadable']);
    expect(codes('hello')).toEqual(['CertificateUnreadable']);
    expect(codes(key.trim() + leaf)).toEqual(['CertificateUnreadable']);
  });

  test("is refused with another certificate's key", async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(codes(key + blocks(pem).slice(1).join(''))).toEqual(['CertificateKeyMismatch']);
  });

  test('is refused when it has expired or is not valid yet', () => {
    expect(codes(pem, { now: new Date(Date.now() + 399 * day) })).toEqual(['CertificateExpired']);
    expect(codes(pem, { now: new Date(Date.now() - day) })).toEqual(['CertificateExpired']);
  });

  test('is refused when it does not cover a name, and says which it covers', () => {
    const [problem] = certificateProblems(pem, { names: ['jump.example'] });
    expect(problem?.code).toBe('CertificateNameMissing');
    expect(problem?.message).toContain("does not cover 'jump.example' but contoso.westeurope");
  });

  test('is refused without its root, for nodes trust each other by it', async () => {
    const [key = '', leaf = ''] = blocks(pem);
    expect(codes(key + leaf)).toEqual(['CertificateChainIncomplete']);
    const stranger = await createAuthority();
    expect(codes(key + leaf + stranger.certificate)).toEqual(['CertificateChainIncomplete']);
  });

  test('is known between nodes by its own first name, a wildcard by a name below it', async () => {
    expect(peerName(pem, 'contoso')).toBe(internalName('contoso'));
    expect(peerName(pem, 'other')).toBe(names[0]);
    const wildcard = await issueCertificate({ authority, jumpServer: 'x', names: ['*.jump.example'] });
    expect(peerName(wildcard, 'contoso')).toBe('node.jump.example');
  });
});
