import type { JumpServer } from '../store/jumpServers.ts';
import { isActive, type Lease, pauseIsOver } from '../store/leases.ts';
import type { NodeRecord } from '../store/nodes.ts';
import type { ScalingMemory } from '../store/scaling.ts';
import { desiredCount, type Need } from './desiredCount.ts';
import { fleetOf, isRotating, isScaled, upCount } from './fleet.ts';
import { parseScaleOrder } from './order.ts';
import { planOf } from './provisionFleet.ts';

/** All that the store knows of one jump server when a minute begins. */
export interface ScalingMinute {
  server: JumpServer;
  nodes: readonly NodeRecord[];
  memory: ScalingMemory;
  lease: Lease | undefined;
  /** On all its nodes together. */
  openSessions: number;
  now: Date;
}

export interface ScalingDecision {
  /** A scale operation to be asked for, and why. */
  order?: { count: number; reason: string };
  /** To be remembered; undefined where nothing has changed. */
  needs?: Need[];
  /** A scale that failed is wanted no more. */
  overcome?: true;
}

/** After an attempt that did not succeed the next waits this long. Seconds. */
const pauseAfterAttempt = 600;

/** What is to be done for a jump server this minute. Pure. */
export function decideScaling(minute: ScalingMinute): ScalingDecision {
  const { server, nodes, memory, openSessions, now } = minute;
  if (server.state !== 'Ready' && server.state !== 'Hibernated') return {};
  const fleet = fleetOf(server.spec, nodes, server.createdAt);
  const desired = desiredCount(planOf(server.spec, memory), now, openSessions, memory.needs);
  const reason = whyScale(minute, fleet, desired.count, desired.reason);
  const atRest = minute.lease === undefined || !isActive(minute.lease, now);
  const free = reason !== undefined && isFree(minute, desired.count);
  return {
    ...(free ? { order: { count: desired.count, reason } } : {}),
    ...(JSON.stringify(desired.needs) === JSON.stringify(memory.needs) ? {} : { needs: desired.needs }),
    ...(reason === undefined && atRest && server.setback?.kind === 'scale' ? { overcome: true } : {}),
  };
}

/** Undefined when all is as it should be. */
function whyScale(
  { server, memory, lease, now }: ScalingMinute,
  fleet: readonly NodeRecord[],
  count: number,
  reason: string,
): string | undefined {
  if (upCount(fleet) !== count) return reason;
  if (!isScaled(fleet)) return `carries on an interrupted change of the nodes: ${reason}`;
  // One that goes on, or is about to, brings it back itself.
  if (fleet.some(isRotating) && lease?.kind === 'rotate' && !isActive(lease, now))
    return `puts a node back that an interrupted rotation left draining: ${reason}`;
  const hibernates = server.state === 'Hibernated';
  if (count > 0) return hibernates ? reason : undefined;
  const look = !hibernates || (memory.checkDatabaseAt ?? new Date(0)) <= now;
  return look
    ? 'looks whether the database is stopped: Azure starts a stopped MySQL server again after 30 days'
    : undefined;
}

/** Nobody else is at work, and this was not tried just now. */
function isFree({ lease, now }: ScalingMinute, count: number): boolean {
  if (lease === undefined) return true;
  const same = lease.kind === 'scale' && parseScaleOrder(lease.spec).count === count;
  if (isActive(lease, now)) return lease.yields && !same;
  return !same || pauseIsOver(pauseAfterAttempt, lease, now);
}
