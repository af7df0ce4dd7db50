import { leafDays } from '../certificates.ts';
import { durationSeconds } from '../duration.ts';
import { renewBefore } from '../steps/certificate.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import { isActive, type Lease, type OperationKind, pauseIsOver } from '../store/leases.ts';
import type { Rotation } from '../store/rotations.ts';
import { secondsAfter } from '../time.ts';
import { type Credential, credentials, orderOf, type RotateOrder } from './credentials.ts';

/** A certificate is renewed before its end, whatever the spec says. Seconds. */
const certificateLasts = leafDays * 86_400 - renewBefore;
/** After a rotation that did not succeed. Seconds. */
const pause = 600;
/**
 * So long after the end of an operation of that kind none is begun. Seconds. Whatever stood in a rotation's way is repaired meanwhile;
 * after a repair healing has a minute to see whether it was enough.
 */
const pauses: Partial<Record<OperationKind, number>> = { rotate: pause, heal: 120 };

/** One credential as the status shows it. */
export interface CredentialPlan {
  credential: Credential;
  /** Undefined before the first rotation: as old as the jump server. */
  rotatedAt: Date | undefined;
  /** Undefined when only a person's word rotates it. */
  nextAt: Date | undefined;
  unfinished: boolean;
}

type Known = Pick<JumpServer, 'spec' | 'createdAt'>;

/** What was rotated when, and what is next. Pure. */
export function planRotations({ spec, createdAt }: Known, rotations: readonly Rotation[]): CredentialPlan[] {
  const every = spec.rotation === undefined ? undefined : durationSeconds(spec.rotation.every);
  return credentials.map((credential) => {
    const known = rotations.find((one) => one.credential === credential);
    const ages = agesOf(credential, spec.ingress.certificate !== undefined, every);
    const from = known?.rotatedAt ?? createdAt;
    return {
      credential,
      rotatedAt: known?.rotatedAt,
      nextAt: ages.length === 0 ? undefined : secondsAfter(from, Math.min(...ages)),
      unfinished: known?.unfinished ?? false,
    };
  });
}

/** A brought certificate is renewed where it comes from, and taken from there when it is (`lookAtSource`). */
function agesOf(credential: Credential, brought: boolean, every: number | undefined): number[] {
  if (credential === 'certificate' && brought) return [];
  return [every, credential === 'certificate' ? certificateLasts : undefined].filter((age) => age !== undefined);
}

/** All that the store knows of one jump server when a minute begins. */
export interface RotationMinute {
  server: JumpServer;
  rotations: readonly Rotation[];
  lease: Lease | undefined;
  now: Date;
}

/** What is to be rotated, and why. */
export interface Due {
  order: RotateOrder;
  reason: string;
}

/** All their credentials and reasons as one; undefined when there are none. Pure. */
export function joinDues(dues: readonly (Due | undefined)[]): Due | undefined {
  const some = dues.filter((due) => due !== undefined);
  if (some.length === 0) return undefined;
  return {
    order: orderOf(some.flatMap(({ order }) => order.credentials)),
    reason: some.map(({ reason }) => reason).join('; '),
  };
}

/** What is to be rotated this minute; undefined when nothing is, or it is not the moment. Pure. */
export function decideRotation(minute: RotationMinute): Due | undefined {
  const { server, rotations, now } = minute;
  if (server.state !== 'Ready' || !isFree(minute)) return undefined;
  const plan = planRotations(server, rotations);
  const unfinished = plan.filter((one) => one.unfinished);
  const due = plan.filter((one) => !one.unfinished && one.nextAt !== undefined && one.nextAt <= now);
  if (unfinished.length + due.length === 0) return undefined;
  const names = (list: CredentialPlan[]) => list.map(({ credential }) => credential).join(', ');
  const reasons = [
    ...(unfinished.length > 0 ? [`carries on an interrupted rotation: ${names(unfinished)}`] : []),
    ...(due.length > 0 ? [`due: ${names(due)}`] : []),
  ];
  return { order: orderOf([...unfinished, ...due].map(({ credential }) => credential)), reason: reasons.join('; ') };
}

/** Nobody else is at work, and nothing that comes first was tried just now. */
export function isFree({ lease, now, rotations }: RotationMinute): boolean {
  if (lease === undefined) return true;
  if (isActive(lease, now)) return false;
  // The scale that puts a node back has mended nothing.
  const triedJustNow = ({ failedAt }: Rotation) => failedAt !== undefined && secondsAfter(failedAt, pause) > now;
  if (lease.kind === 'scale' && rotations.some(triedJustNow)) return false;
  return pauseIsOver(pauses[lease.kind] ?? 0, lease, now);
}
