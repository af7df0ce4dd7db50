import type { Deps } from '../deps.ts';
import { readBrought } from '../secrets/broughtCertificate.ts';
import { nodeSecrets } from '../secrets/vaults.ts';
import { listInventory } from '../store/inventory.ts';
import { noteSource } from '../store/rotations.ts';
import { secondsAfter } from '../time.ts';
import { orderOf } from './credentials.ts';
import { type Due, isFree, type RotationMinute } from './due.ts';

/** So often the secret that a spec names is looked at for a newer version. Seconds. */
const lookEvery = 3600;

/** Whether it is time to look where this jump server's certificate comes from. Pure. */
export function isLookDue(minute: RotationMinute): boolean {
  const { server, rotations, now } = minute;
  if (server.spec.ingress.certificate === undefined || server.state !== 'Ready' || !isFree(minute)) return false;
  const lookedAt = rotations.find(({ credential }) => credential === 'certificate')?.lookedAt;
  return lookedAt === undefined || secondsAfter(lookedAt, lookEvery) <= now;
}

/**
 * What to rotate, and why, when the secret that the spec names holds another certificate than the jump server has. One that is no good is
 * noted for the status, and the present one stays.
 */
export async function lookAtSource(
  deps: Deps,
  { server, now }: Pick<RotationMinute, 'server' | 'now'>,
): Promise<Due | undefined> {
  const { hostname = '', certificate } = server.spec.ingress;
  if (certificate === undefined) return undefined;
  const brought = await readBrought(deps, certificate.keyVaultSecretId, hostname);
  const problem = 'failure' in brought ? `${brought.failure.message} ${brought.failure.advice ?? ''}` : '';
  await noteSource(deps.tables, server.name, { lookedAt: now, problem });
  if ('failure' in brought) return undefined;
  const vault = (await listInventory(deps.tables, server.name)).find(({ key }) => key === 'vault')?.output.vaultUri;
  const present = vault === undefined ? undefined : await deps.vaults.at(vault).find(nodeSecrets.certificate);
  if (present === undefined || present.value === brought.value) return undefined;
  return { order: orderOf(['certificate']), reason: `a newer certificate is in ${brought.source}` };
}
