// @peculiar/x509 needs the polyfill before it is loaded.
import 'reflect-metadata';
import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

/** A PEM certificate and its PKCS #8 key, and where they are on disk. */
export interface KeyedCertificate {
  certPem: string;
  keyPem: string;
  certFile: string;
  keyFile: string;
}

/** Fits `Context.certificates`. */
export interface Authority {
  caFile: string;
  issue(names: string[]): Promise<KeyedCertificate>;
}

type PemPair = Pick<KeyedCertificate, 'certPem' | 'keyPem'>;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const day = 24 * 3600 * 1000;
const caLifetime = 3650 * day;
const leafLifetime = 365 * day;
/** A cached leaf with less than this left is issued anew. */
const renewBefore = 30 * day;

/**
 * Opens the local certificate authority of a state directory, making it at the first call: `<dir>/ca.pem`, `<dir>/ca-key.pem`,
 * leaves below `<dir>/tls`. `issue` takes DNS names and IP addresses (the first becomes the common name); equal names get the same
 * certificate until it nears its end, also after a restart.
 */
export async function openAuthority(dir: string): Promise<Authority> {
  await mkdir(join(dir, 'tls'), { recursive: true });
  const caFile = join(dir, 'ca.pem');
  const ca = await readOrMake(caFile, join(dir, 'ca-key.pem'), isFresh, makeAuthority);
  const issuer = { certificate: new x509.X509Certificate(ca.certPem), key: await importKey(ca.keyPem) };
  const underWay = new Map<string, Promise<KeyedCertificate>>();
  return {
    caFile,
    issue(names) {
      const file = join(dir, 'tls', createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 32));
      let answer = underWay.get(file);
      if (!answer) {
        const usable = (pem: string) =>
          isFresh(pem) && new X509Certificate(pem).checkIssued(new X509Certificate(ca.certPem));
        answer = readOrMake(`${file}.pem`, `${file}-key.pem`, usable, () => makeLeaf(issuer, names));
        underWay.set(file, answer);
        answer.finally(() => underWay.delete(file)).catch(() => {});
      }
      return answer;
    },
  };
}

const isFresh = (pem: string): boolean => new X509Certificate(pem).validToDate.getTime() - Date.now() > renewBefore;

async function readOrMake(
  certFile: string,
  keyFile: string,
  usable: (certPem: string) => boolean,
  make: () => Promise<PemPair>,
): Promise<KeyedCertificate> {
  const read = (file: string) => readFile(file, 'utf8').catch(() => undefined);
  const [certPem, keyPem] = await Promise.all([read(certFile), read(keyFile)]);
  if (certPem && keyPem && usable(certPem)) return { certPem, keyPem, certFile, keyFile };
  const made = await make();
  await writeWhole(keyFile, made.keyPem, 0o600);
  await writeWhole(certFile, made.certPem, 0o644);
  return { ...made, certFile, keyFile };
}

/** Renamed into place: a reader, or a restart after a crash, never meets half a file. */
async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, text, { mode });
  await rename(draft, file);
}

async function makeAuthority(): Promise<PemPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(caLifetime),
    name: `CN=Molcajete local CA ${randomBytes(4).toString('hex')}`,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certPem: certificate.toString('pem'), keyPem: await exportKey(keys.privateKey) };
}

async function makeLeaf(
  issuer: { certificate: x509.X509Certificate; key: webcrypto.CryptoKey },
  names: string[],
): Promise<PemPair> {
  const [first] = names;
  if (!first) throw new Error('A certificate needs at least one name or address.');
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(leafLifetime),
    subject: [{ CN: [first.slice(0, 64)] }],
    issuer: issuer.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: issuer.key,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((name) => ({ type: isIP(name) ? 'ip' : 'dns', value: name }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      // Python from 3.13 on refuses a chain without it.
      await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
    ],
  });
  return { certPem: certificate.toString('pem'), keyPem: await exportKey(keys.privateKey) };
}

const validity = (lifetime: number) => ({
  serialNumber: `00${randomBytes(15).toString('hex')}`,
  notBefore: new Date(Date.now() - 3600 * 1000),
  notAfter: new Date(Date.now() + lifetime),
});

const exportKey = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

const importKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), algorithm, false, ['sign']);
