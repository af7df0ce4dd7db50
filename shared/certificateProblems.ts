import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { alternativeNames, certificatesIn } from './certificates.ts';

export interface CertificateProblem {
  code:
    | 'CertificateUnreadable'
    | 'CertificateKeyMismatch'
    | 'CertificateKeyUnsupported'
    | 'CertificateNotForServers'
    | 'CertificateExpired'
    | 'CertificateNameMissing'
    | 'CertificateChainIncomplete';
  message: string;
}

/** Extended key usage "server authentication" (RFC 5280, 4.2.1.12). */
const serverAuth = '1.3.6.1.5.5.7.3.1';

/**
 * What is wrong with a certificate that a user brings: empty when nothing is. `names`: every DNS name or address by which users
 * reach the ingress and which the certificate must therefore cover.
 */
export function certificateProblems(
  pem: string,
  { names, now = new Date() }: { names: readonly string[]; now?: Date },
): CertificateProblem[] {
  // Node.js reads two blocks on one line, HAProxy does not.
  if (/[^\n]-----BEGIN/.test(pem)) {
    return [{ code: 'CertificateUnreadable', message: 'Each block of the PEM text must begin on a line of its own.' }];
  }
  let chain: X509Certificate[];
  let key: KeyObject;
  try {
    chain = certificatesIn(pem);
    key = createPrivateKey(pem);
  } catch {
    return [
      {
        code: 'CertificateUnreadable',
        message: 'The PEM text must hold an unencrypted private key, the certificate and its chain.',
      },
    ];
  }
  const leaf = chain[0];
  if (!leaf) return [{ code: 'CertificateUnreadable', message: 'There is no certificate in the PEM text.' }];
  const problems: CertificateProblem[] = [];
  if (!leaf.checkPrivateKey(key))
    problems.push({
      code: 'CertificateKeyMismatch',
      message: 'The private key is not the one of the first certificate.',
    });
  if (!isSupported(key)) {
    problems.push({
      code: 'CertificateKeyUnsupported',
      message: `Its key is ${describeKey(key)}. Browsers and HAProxy take RSA from 2048 bits on, and EC on the curves P-256 and P-384.`,
    });
  }
  // Node.js calls the extended key usage so; a certificate without one is good for everything.
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes(serverAuth))
    problems.push({
      code: 'CertificateNotForServers',
      message: 'Its extended key usage does not say server authentication.',
    });
  const expired = chain.find((one) => new Date(one.validTo) <= now || new Date(one.validFrom) > now);
  if (expired) {
    problems.push({
      code: 'CertificateExpired',
      message: `'${oneLine(expired.subject)}' is valid from ${iso(expired.validFrom)} to ${iso(expired.validTo)}.`,
    });
  }
  for (const name of names.filter((one) => !covers(leaf, one))) {
    problems.push({
      code: 'CertificateNameMissing',
      message: `The certificate does not cover '${name}' but ${alternativeNames(leaf).join(', ') || 'no name'}.`,
    });
  }
  const gap = chain.find(
    (one, at) => !one.verify((chain[at + 1] ?? one).publicKey) || !one.checkIssued(chain[at + 1] ?? one),
  );
  if (gap) {
    problems.push({
      code: 'CertificateChainIncomplete',
      message: `After '${oneLine(gap.subject)}' the certificate of '${oneLine(gap.issuer)}' must follow; the chain ends with its root.`,
    });
  }
  return problems;
}

const covers = (certificate: X509Certificate, name: string): boolean =>
  (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name, { subject: 'never' })) !== undefined;

const curves = ['prime256v1', 'secp384r1'];

const isSupported = ({
  asymmetricKeyType: type,
  asymmetricKeyDetails: { modulusLength = 0, namedCurve = '' } = {},
}: KeyObject) => (type === 'rsa' && modulusLength >= 2048) || (type === 'ec' && curves.includes(namedCurve));

const describeKey = ({
  asymmetricKeyType,
  asymmetricKeyDetails: { modulusLength, namedCurve } = {},
}: KeyObject): string =>
  [asymmetricKeyType?.toUpperCase(), modulusLength ?? namedCurve].filter((part) => part !== undefined).join(' ');

const iso = (date: string): string => new Date(date).toISOString();
const oneLine = (subject: string): string => subject.replaceAll('\n', ', ');
