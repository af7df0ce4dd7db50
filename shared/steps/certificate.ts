import { type Attempt, type Outcome, type Step, Stopped } from '../azure/engine.ts';
import { certificateProblems } from '../certificateProblems.ts';
import {
  type Authority,
  createAuthority,
  describeCertificate,
  isIssuedHere,
  issueCertificate,
  peerName,
} from '../certificates.ts';
import type { Deps } from '../deps.ts';
import type { Failure } from '../errors.ts';
import { broughtFrom, type Ingress, isBrought, mayStay, readBrought } from '../secrets/broughtCertificate.ts';
import { controlSecrets, nodeSecrets, type Secret, type Vault } from '../secrets/vaults.ts';
import { secondsAfter } from '../time.ts';

/** One of our own with less than this left is replaced. Seconds. */
export const renewBefore = 30 * 24 * 3600;
const pem = 'application/x-pem-file';

/** Where a certificate goes, and for whom. */
export interface CertificatePlace {
  jumpServer: string;
  ingress: Ingress;
  vault: Vault;
  /** What the public IP address turned out to be. */
  address: Readonly<Record<string, string>> | undefined;
}

type Version = Pick<Secret, 'value' | 'version' | 'tags'>;

/**
 * The jump server's certificate in its vault: from the secret that the spec names, or issued by Molcajete's own authority for the
 * ingress's names and address. A renewal that is no good leaves the present one in force (`lookAtSource` says so).
 */
export function certificateStep(deps: Deps, jumpServer: string, ingress: Ingress): Step {
  return {
    key: 'certificate',
    type: 'Molcajete/certificate',
    id: '',
    dependsOn: ['vault', 'publicIpAddress'],
    async ensure(outputs, attempt): Promise<Outcome> {
      const vault = deps.vaults.at(outputs.vault?.vaultUri ?? '');
      const place = { jumpServer, ingress, vault, address: outputs.publicIpAddress };
      const ready = (version: Version): Outcome => ({
        state: 'ready',
        output: certificateOutput(jumpServer, version),
      });
      try {
        const existing = await vault.find(nodeSecrets.certificate);
        if (existing !== undefined && isIssued(existing, place, deps.now())) return ready(existing);
        const next = await nextVersion(deps, place, existing, attempt);
        if (!('failure' in next)) return ready(next);
        if (existing !== undefined && mayStay(existing, ingress)) return ready(existing);
        return { state: 'failed', failure: next.failure };
      } catch (error) {
        return vaultNotYet(error);
      }
    },
  };
}

/** The name that the ingress is verified by, empty for its address. */
export const serverName = ({ hostname }: Ingress, { fqdn = '' }: Readonly<Record<string, string>> = {}): string =>
  hostname ?? fqdn;

/** Whether our own authority's certificate can go on: it covers all names and its end is not near. */
function isIssued(existing: Secret, { ingress, address }: CertificatePlace, now: Date): boolean {
  if (ingress.certificate !== undefined || isBrought(existing)) return false;
  const then = secondsAfter(now, renewBefore);
  return certificateProblems(existing.value, { names: namesFor(ingress, address), now: then }).length === 0;
}

const namesFor = ({ hostname }: Ingress, { ipAddress, fqdn }: CertificatePlace['address'] = {}): string[] =>
  [ipAddress, fqdn, hostname].filter((name) => name !== undefined && name !== '') as string[];

/**
 * What is to follow the present version, written to the jump server's vault: what its source holds, or a new key and certificate of our
 * own authority. The present one itself where its source holds nothing else.
 */
export async function nextVersion(
  deps: Deps,
  place: CertificatePlace,
  present: Secret | undefined,
  { permit }: Pick<Attempt, 'permit'>,
  tags: Record<string, string> = {},
): Promise<Version | { failure: Failure }> {
  const { hostname = '', certificate } = place.ingress;
  const next =
    certificate === undefined
      ? { value: await issue(deps, place), tags }
      : await readBrought(deps, certificate.keyVaultSecretId, hostname);
  if ('failure' in next) return next;
  if (present !== undefined && next.value === present.value) return present;
  const more = {
    contentType: pem,
    expiresOn: describeCertificate(next.value).notAfter,
    tags: { ...tags, ...('source' in next ? broughtFrom(next.source) : {}), ...replaced(present) },
  };
  await permit();
  return {
    value: next.value,
    tags: more.tags,
    version: await place.vault.put(nodeSecrets.certificate, next.value, more),
  };
}

/** Two first jump servers at once may each make an authority: the certificate is by the one that stays. */
async function issue(deps: Deps, { jumpServer, ingress, address }: CertificatePlace): Promise<string> {
  const { control } = deps.vaults;
  const names = namesFor(ingress, address);
  for (;;) {
    const authority = await ensureAuthority(control);
    const value = await issueCertificate({ authority, jumpServer, names, now: deps.now() });
    if ((await ensureAuthority(control)).certificate === authority.certificate) return value;
  }
}

/** On a version: the one it replaced, where that was neither issued by Molcajete nor brought from the spec's secret. */
const replacedTag = 'molcajete-replaced';

const replaced = (present: Secret | undefined): Record<string, string> =>
  present === undefined || isBrought(present) || isIssuedHere(present.value) ? {} : { [replacedTag]: present.version };

/** What the nodes, and the status, need to know of a version. */
export const certificateOutput = (jumpServer: string, { value, version, tags }: Version): Record<string, string> => ({
  version,
  peerName: peerName(value, jumpServer),
  notAfter: describeCertificate(value).notAfter.toISOString(),
  // Empty, too: a rotation writes it over what the former version said.
  replaced: tags[replacedTag] ?? '',
});

/** The certificates after the first: whom to trust to verify it. */
export const certificateChain = (pemText: string): string[] =>
  (pemText.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).slice(1);

export async function findAuthority(control: Vault): Promise<Authority | undefined> {
  const stored = await control.find(controlSecrets.certificateAuthority);
  return stored && (JSON.parse(stored.value) as Authority);
}

/** The one authority of this control plane, made with the first jump server. */
export async function ensureAuthority(control: Vault): Promise<Authority> {
  const stored = await findAuthority(control);
  if (stored !== undefined) return stored;
  const authority = await createAuthority();
  await control.put(controlSecrets.certificateAuthority, JSON.stringify(authority), {
    contentType: 'application/json',
  });
  return ensureAuthority(control);
}

/** A new vault's name takes a while to resolve and its role assignments take minutes to act (azure-behaviour.md, 2.18). */
function vaultNotYet(error: unknown): Outcome {
  if (error instanceof Stopped) throw error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'Unknown';
  const failure = { code, message: `The jump server's vault cannot be used yet (${code}).` };
  return { state: 'pending', detail: failure.message, lookAgainSeconds: 3, failure };
}
