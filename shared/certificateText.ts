/** Whatever form a brought certificate has, it becomes the one PEM text that nodes read (shared/certificates.ts). */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import forge from 'node-forge';
import { certificatesIn } from './certificates.ts';

/** A private key and certificates, in whatever order they came. */
interface Parts {
  key: KeyObject;
  certificates: X509Certificate[];
}

/**
 * The PEM text of a secret that holds a certificate with its private key: PEM, or PKCS #12 without a password in Base64, as Key Vault
 * keeps its certificates. The chain is put in order. Public authorities leave their root out: it is added, for nodes need it.
 * Throws when it is neither.
 */
export function certificateText(value: string): string {
  const { key, certificates } = value.includes('-----BEGIN')
    ? { key: createPrivateKey(value), certificates: certificatesIn(value) }
    : fromPkcs12(value);
  const chain = orderChain(key, certificates);
  return key.export({ type: 'pkcs8', format: 'pem' }) + chain.map((one) => one.toString()).join('');
}

/** OpenSSL reads it too, but Node.js does not give the key away. */
function fromPkcs12(base64: string): Parts {
  const file = forge.pkcs12.pkcs12FromAsn1(forge.asn1.fromDer(forge.util.decode64(base64)), '');
  const bags = file.safeContents.flatMap(({ safeBags }) => safeBags);
  const keyBag = bags.find(({ type }) => type === forge.pki.oids.pkcs8ShroudedKeyBag || type === forge.pki.oids.keyBag);
  if (keyBag === undefined) throw new Error('There is no private key in it.');
  // forge itself knows RSA only: what it cannot read it hands over as it is.
  const key = keyBag.key ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(keyBag.key)) : keyBag.asn1;
  return {
    key: createPrivateKey({ key: der(key), format: 'der', type: 'pkcs8' }),
    certificates: bags
      .filter(({ type }) => type === forge.pki.oids.certBag)
      .map(({ cert, asn1 }) => new X509Certificate(der(cert ? forge.pki.certificateToAsn1(cert) : asn1))),
  };
}

const der = (asn1: forge.asn1.Asn1): Buffer => Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'binary');

/** The key's certificate, then each one's issuer as far as they are there, or the root of a public authority. */
function orderChain(key: KeyObject, certificates: readonly X509Certificate[]): X509Certificate[] {
  const first = certificates.find((one) => one.checkPrivateKey(key)) ?? certificates[0];
  const chain = first === undefined ? [] : [first];
  for (let last = first; last !== undefined && !isIssuedBy(last, last); ) {
    const subject = last;
    const root = publicRoots().find((one) => isIssuedBy(subject, one));
    last = root ?? certificates.find((one) => !chain.includes(one) && isIssuedBy(subject, one));
    if (last !== undefined) chain.push(last);
  }
  return chain;
}

const isIssuedBy = (subject: X509Certificate, issuer: X509Certificate): boolean =>
  subject.checkIssued(issuer) && subject.verify(issuer.publicKey);

let roots: X509Certificate[] | undefined;
/** Mozilla's list, as Node.js has it. */
function publicRoots(): X509Certificate[] {
  roots ??= rootCertificates.map((root) => new X509Certificate(root));
  return roots;
}
