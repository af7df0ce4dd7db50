/**
 * The certificate of a jump server: issued by Molcajete's own authority or brought by the user. Always one PEM text: private
 * key (PKCS #8), certificate, chain up to and including the root, which is what HAProxy reads and what its nodes trust
 * among each other.
 */
// @peculiar/x509 needs the polyfill before it is loaded.
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

/** A CA certificate and its private key (PKCS #8), both PEM. */
export interface Authority {
  certificate: string;
  privateKey: string;
}

export interface CertificateDescription {
  notBefore: Date;
  notAfter: Date;
  /** DNS names and IP addresses, as the subject alternative names say. */
  names: string[];
  issuer: string;
  serialNumber: string;
  /** SHA-256 of the certificate, hexadecimal. */
  fingerprint: string;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const day = 24 * 3600 * 1000;
const caDays = 3650;
/** The longest life that browsers accept. */
export const leafDays = 398;
/** Clocks differ: valid from a little before it is made. */
const skew = 3600 * 1000;

/** The name by which the nodes of a jump server know each other; in every certificate that Molcajete issues. */
export const internalName = (jumpServer: string): string => `node.${jumpServer}.molcajete.internal`;

/** A new authority, valid for ten years. Its key belongs into the control plane's vault only. */
export async function createAuthority(now = new Date()): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ['Molcajete CA'] }, { O: ['Molcajete'] }],
    notBefore: new Date(now.getTime() - skew),
    notAfter: new Date(now.getTime() + caDays * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, privateKey: await privateKeyPem(keys.privateKey) };
}

/**
 * A new key and certificate for a jump server, as one PEM text with its chain. `names`: DNS names and IP addresses of the
 * ingress; the internal name is added. Throws when the authority cannot be read or would end before the certificate.
 */
export async function issueCertificate({
  authority,
  jumpServer,
  names,
  days = leafDays,
  now = new Date(),
}: {
  authority: Authority;
  jumpServer: string;
  names: readonly string[];
  days?: number;
  now?: Date;
}): Promise<string> {
  if (days < 1 || days > leafDays) throw new Error(`A certificate is valid for 1 to ${leafDays} days, not ${days}.`);
  const issuer = new x509.X509Certificate(authority.certificate);
  const notAfter = new Date(now.getTime() + days * day);
  if (issuer.notAfter < notAfter)
    throw new Error(`The certificate authority ends on ${issuer.notAfter.toISOString()}, before what it should issue.`);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const all = [...new Set([...names, internalName(jumpServer)])];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    // A common name holds 64 characters at most and nothing reads it any more.
    subject: [{ CN: [jumpServer] }, { O: ['Molcajete'] }],
    issuer: issuer.subject,
    notBefore: new Date(now.getTime() - skew),
    notAfter,
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(all.map((name) => ({ type: isIP(name) ? 'ip' : 'dns', value: name }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return `${await privateKeyPem(keys.privateKey)}${certificate.toString('pem')}\n${authority.certificate.trim()}\n`;
}

/** By its own word: whether an authority of Molcajete issued it. */
export function isIssuedHere(pem: string): boolean {
  try {
    return certificatesIn(pem)[0]?.issuer === 'CN=Molcajete CA\nO=Molcajete';
  } catch {
    return false;
  }
}

/** Of the first certificate in a PEM text. Throws when there is none. */
export function describeCertificate(pem: string): CertificateDescription {
  const [leaf] = certificatesIn(pem);
  if (!leaf) throw new Error('There is no certificate in the PEM text.');
  return {
    notBefore: new Date(leaf.validFrom),
    notAfter: new Date(leaf.validTo),
    names: alternativeNames(leaf),
    issuer: leaf.issuer.replaceAll('\n', ', '),
    serialNumber: leaf.serialNumber,
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** The name by which one node verifies the other's certificate: the internal one, or the first of a brought certificate. */
export function peerName(pem: string, jumpServer: string): string {
  const { names } = describeCertificate(pem);
  const internal = internalName(jumpServer);
  // It is written into HAProxy's configuration.
  const usable = names.filter((name) => /^(\*\.)?[\w.-]+$/.test(name) && !isIP(name));
  const name = usable.includes(internal) ? internal : usable[0];
  if (!name) throw new Error('The certificate has no DNS name by which nodes could verify each other.');
  // Any name below a wildcard will do.
  return name.replace(/^\*/, 'node');
}

/** The certificates of a PEM text, in its order. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

export const alternativeNames = (certificate: X509Certificate): string[] =>
  (certificate.subjectAltName ?? '')
    .split(', ')
    .filter((entry) => /^(DNS|IP Address):/.test(entry))
    .map((entry) => entry.slice(entry.indexOf(':') + 1));

/** Positive (first bit clear) and random. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

const importKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey(
    'pkcs8',
    createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' }),
    algorithm,
    false,
    ['sign'],
  );

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}
