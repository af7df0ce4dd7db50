import { certificateProblems } from '../certificateProblems.ts';
import { certificateText } from '../certificateText.ts';
import type { Deps } from '../deps.ts';
import { ApiError, type Failure } from '../errors.ts';
import type { JumpServerSpec } from '../spec.ts';
import { isCode, type Secret } from './vaults.ts';

export type Ingress = JumpServerSpec['ingress'];

/** What a certificate's secret holds just now, or why it cannot be used. */
export type Brought = { value: string; source: string } | { failure: Failure };

/** On a version of a jump server's certificate: the secret that it was brought from, with its version. */
const sourceTag = 'molcajete-source';

export const broughtFrom = (source: string): Record<string, string> => ({ [sourceTag]: source });

export const isBrought = ({ tags }: Pick<Secret, 'tags'>): boolean => tags[sourceTag] !== undefined;

/**
 * Whether this version came from the secret that the spec names and serves the name that it has now. One that has ended stays as well:
 * nothing is better in its place, and nodes must go on being repaired and added (`CertificateExpires` says so).
 */
export function mayStay({ value, tags }: Secret, { hostname, certificate }: Ingress): boolean {
  const source = tags[sourceTag];
  if (source === undefined || certificate === undefined || hostname === undefined) return false;
  const isFromThere = source === certificate.keyVaultSecretId || source.startsWith(`${certificate.keyVaultSecretId}/`);
  const problems = certificateProblems(value, { names: [hostname] });
  return isFromThere && problems.every(({ code }) => code === 'CertificateExpired');
}

/** Reads the secret that a spec names, and checks what it holds. Never throws, and never quotes it. */
export async function readBrought(
  { vaults, config, now }: Pick<Deps, 'vaults' | 'config' | 'now'>,
  keyVaultSecretId: string,
  hostname: string,
): Promise<Brought> {
  const { origin, host, pathname } = new URL(keyVaultSecretId);
  const [, , name = '', version] = pathname.split('/');
  // The token for vaults goes nowhere else.
  if (domainOf(host) !== domainOf(new URL(config.MOLCAJETE_VAULT_URL).host)) return foreign(host);
  const vault = vaults.at(`${origin}/`);
  let secret: Secret | undefined;
  try {
    secret = await (version === undefined ? vault.find(name) : vault.findVersion(name, version));
  } catch (error) {
    return isCode(error, 403) ? forbidden(host, name, config.AZURE_CLIENT_ID) : unreachable(host, error);
  }
  if (secret === undefined) return missing(host, name, version);
  const source = version === undefined ? `${keyVaultSecretId}/${secret.version}` : keyVaultSecretId;
  return check(secret.value, source, hostname, now());
}

const domainOf = (host: string): string => host.slice(host.indexOf('.'));

function check(value: string, source: string, hostname: string, now: Date): Brought {
  let text: string;
  try {
    text = certificateText(value);
  } catch {
    return failed(
      'CertificateUnreadable',
      `The secret ${source} holds no certificate with its private key that can be read.`,
      'Name the secret of a Key Vault certificate with an exportable key, or PEM text: unencrypted private key, certificate and chain.',
    );
  }
  const [first, ...more] = certificateProblems(text, { names: [hostname], now });
  if (first === undefined) return { value: text, source };
  const message = [first, ...more].map((problem) => problem.message).join(' ');
  return failed(first.code, `The certificate in ${source} is no good. ${message}`, 'Put a better version there.');
}

const failed = (code: string, message: string, advice: string): Brought => ({ failure: { code, message, advice } });

const foreign = (host: string): Brought =>
  failed(
    'CertificateVaultForeign',
    `'${host}' is no vault of the cloud that the control plane is in.`,
    "Give the secret's id as Key Vault shows it: https://{vault}.vault.azure.net/secrets/{name}.",
  );

const forbidden = (host: string, name: string, clientId: string): Brought =>
  failed(
    'CertificateSecretForbidden',
    `The control plane may not read the secret '${name}' of the vault ${host}.`,
    `Give its identity (client id ${clientId}) the role Key Vault Secrets User on that vault, which takes minutes to act; let the vault's firewall admit the control plane; and see that the version is enabled.`,
  );

const missing = (host: string, name: string, version: string | undefined): Brought =>
  failed(
    'CertificateSecretNotFound',
    `There is no ${version === undefined ? '' : `enabled version ${version} of a `}secret '${name}' in the vault ${host}.`,
    'Name one that is there. A Key Vault certificate has a secret of the same name.',
  );

const unreachable = (host: string, error: unknown): Brought =>
  failed(
    'CertificateVaultUnreachable',
    `The vault ${host} does not answer (${error instanceof Error && 'code' in error ? String(error.code) : 'no code'}).`,
    'See that its name is right, and that the control plane reaches it: publicly, or by a private endpoint in its network.',
  );

/** A certificate that cannot be had is the caller's to mend, before anything is changed. Throws ApiError 400. */
export async function refuseBadCertificate(deps: Deps, { hostname, certificate }: Ingress): Promise<void> {
  if (certificate === undefined || hostname === undefined) return;
  const brought = await readBrought(deps, certificate.keyVaultSecretId, hostname);
  if (!('failure' in brought)) return;
  const { code, message, advice } = brought.failure;
  throw new ApiError(400, code, `${message} ${advice}`, { target: 'ingress.certificate.keyVaultSecretId' });
}
