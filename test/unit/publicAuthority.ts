import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const day = 24 * 3600 * 1000;

interface Member {
  pem: string;
  key: string;
  keys: webcrypto.CryptoKeyPair;
  certificate: x509.X509Certificate;
}

export interface LeafOptions {
  names: string[];
  notBefore?: Date;
  notAfter?: Date;
  usage?: string;
  algorithm?: { name: string; hash: string; namedCurve?: string; modulusLength?: number; publicExponent?: Uint8Array };
}

export const rsa = (modulusLength: number) => ({
  ...{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength },
  publicExponent: new Uint8Array([1, 0, 1]),
});

/** An authority as public ones are: a root, and an intermediate that issues. */
export interface PublicAuthority {
  root: string;
  intermediate: string;
  /** A new key and certificate, each PEM. */
  issue(options: LeafOptions): Promise<{ key: string; leaf: string }>;
}

export async function createPublicAuthority(): Promise<PublicAuthority> {
  const ca = [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
  ];
  const root = await sign('Public Root', ca);
  const intermediate = await sign('Public Issuing', ca, root);
  return {
    root: root.pem,
    intermediate: intermediate.pem,
    async issue({ names, usage = x509.ExtendedKeyUsage.serverAuth, ...more }) {
      const subject = new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value })));
      const { key, pem } = await sign(
        'Leaf',
        [subject, new x509.ExtendedKeyUsageExtension([usage])],
        intermediate,
        more,
      );
      return { key, leaf: pem };
    },
  };
}

async function sign(
  name: string,
  extensions: x509.Extension[],
  issuer?: Member,
  { notBefore, notAfter, algorithm = ec }: Partial<LeafOptions> = {},
): Promise<Member> {
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: issuer?.certificate.subject ?? [{ CN: [name] }],
    notBefore: notBefore ?? new Date(Date.now() - day),
    notAfter: notAfter ?? new Date(Date.now() + 90 * day),
    signingAlgorithm: ec,
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    extensions,
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' });
  return { pem: `${certificate.toString('pem')}\n`, key: key.toString(), keys, certificate };
}
