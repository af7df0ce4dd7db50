import type { Outcome, Step } from '../azure/engine.ts';
import { type Authority, createAuthority, describeCertificate, issueCertificate, peerName } from '../certificates.ts';
import type { Deps } from '../deps.ts';
import { controlSecrets, nodeSecrets, type Secret, type Vault } from '../secrets/vaults.ts';
import { secondsAfter } from '../time.ts';

/** A certificate with less than this left is replaced. Seconds. */
export const renewBefore = 30 * 24 * 3600;
const pem = 'application/x-pem-file';

/** The jump server's certificate in its vault, issued by Molcajete's own authority for the ingress's name and address. */
export function certificateStep(deps: Deps, jumpServer: string): Step {
  return {
    key: 'certificate',
    type: 'Molcajete/certificate',
    id: '',
    dependsOn: ['vault', 'publicIpAddress'],
    async ensure(outputs, attempt): Promise<Outcome> {
      const vault = deps.vaults.at(outputs.vault?.vaultUri ?? '');
      const names = namesFor(outputs.publicIpAddress);
      try {
        const existing = await vault.find(nodeSecrets.certificate);
        if (existing !== undefined && covers(existing, names, deps.now())) return ready(jumpServer, existing);
        await attempt.permit();
        return ready(jumpServer, await issueVersion(deps, jumpServer, vault, outputs.publicIpAddress));
      } catch (error) {
        return vaultNotYet(error);
      }
    },
  };
}

const namesFor = ({ ipAddress, fqdn }: Readonly<Record<string, string>> = {}): string[] =>
  [ipAddress, fqdn].filter((name) => name !== undefined && name !== '') as string[];

/** A new key and certificate for the ingress's name and address, as a new version in the jump server's vault. */
export async function issueVersion(
  deps: Deps,
  jumpServer: string,
  vault: Vault,
  ingress: Readonly<Record<string, string>> | undefined,
  tags: Record<string, string> = {},
): Promise<{ value: string; version: string }> {
  const value = await issueCertificate({
    authority: await ensureAuthority(deps.vaults.control),
    jumpServer,
    names: namesFor(ingress),
    now: deps.now(),
  });
  const expiresOn = describeCertificate(value).notAfter;
  return { value, version: await vault.put(nodeSecrets.certificate, value, { contentType: pem, expiresOn, tags }) };
}

function covers(secret: Secret, names: readonly string[], now: Date): boolean {
  const { notAfter, names: covered } = describeCertificate(secret.value);
  return notAfter > secondsAfter(now, renewBefore) && names.every((name) => covered.includes(name));
}

/** What the nodes need to know of a version. */
export const certificateOutput = (jumpServer: string, { value, version }: Pick<Secret, 'value' | 'version'>) => ({
  version,
  peerName: peerName(value, jumpServer),
  notAfter: describeCertificate(value).notAfter.toISOString(),
});

const ready = (jumpServer: string, secret: Pick<Secret, 'value' | 'version'>): Outcome => ({
  state: 'ready',
  output: certificateOutput(jumpServer, secret),
});

/** The certificates after the first: whom to trust to verify it. */
export const certificateChain = (pemText: string): string[] =>
  (pemText.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).slice(1);

/** The one authority of this control plane, made with the first jump server. */
export async function ensureAuthority(control: Vault): Promise<Authority> {
  const stored = await control.find(controlSecrets.certificateAuthority);
  if (stored !== undefined) return JSON.parse(stored.value) as Authority;
  const authority = await createAuthority();
  await control.put(controlSecrets.certificateAuthority, JSON.stringify(authority), {
    contentType: 'application/json',
  });
  return ensureAuthority(control);
}

/** A new vault's name takes a while to resolve and its role assignments take minutes to act (azure-behaviour.md, 2.18). */
function vaultNotYet(error: unknown): Outcome {
  if (error instanceof Error && error.name === 'Stopped') throw error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'Unknown';
  const failure = { code, message: `The jump server's vault cannot be used yet (${code}).` };
  return { state: 'pending', detail: failure.message, lookAgainSeconds: 3, failure };
}
