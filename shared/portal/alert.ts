import { z } from 'zod';
import { durationSeconds } from '../duration.ts';
import { ApiError } from '../errors.ts';
import { recentRepairs } from '../healing/decision.ts';
import type { ServerMemory } from '../store/healing.ts';
import type { InventoryItem } from '../store/inventory.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import type { Lease } from '../store/leases.ts';
import { secondsAfter } from '../time.ts';
import { groupOf } from './armIds.ts';

const time = z.iso.datetime({ offset: true, error: "must be a time such as '2026-11-23T12:00:00Z'" });

/**
 * Azure Monitor's common alert schema, as far as it is needed. Azure adds members as it likes, so others pass.
 * https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
 */
export const alertBody = z.looseObject({
  schemaId: z.literal('azureMonitorCommonAlertSchema', {
    error: "must be 'azureMonitorCommonAlertSchema': switch the common alert schema on in the action group",
  }),
  data: z.looseObject({
    essentials: z.looseObject({
      alertId: z.string().min(1).max(2048),
      alertRule: z.string().max(2048).optional(),
      severity: z.string().max(40).optional(),
      monitorCondition: z.enum(['Fired', 'Resolved'], { error: "must be 'Fired' or 'Resolved'" }),
      alertTargetIDs: z.array(z.string().max(2048)).min(1, 'must name what the alert is about').max(100),
      firedDateTime: time,
    }),
  }),
});

export type Essentials = z.output<typeof alertBody>['data']['essentials'];

/** The jump servers that may own what an alert is about: those whose inventories are worth a look. Pure. */
export const candidates = (
  essentials: Essentials,
  servers: readonly JumpServer[],
  place: { subscriptionId: string; controlResourceGroup: string },
): JumpServer[] => {
  const groups = new Set(essentials.alertTargetIDs.map((id) => groupOf(id, place.subscriptionId)));
  const control = place.controlResourceGroup.toLowerCase();
  // Each jump server has a private endpoint among the control plane's own resources; its name begins with the jump server's.
  const inControl = (name: string) =>
    groups.has(control) &&
    essentials.alertTargetIDs.some((id) => id.toLowerCase().split('/').at(-1)?.startsWith(`${name}-`));
  return servers.filter(({ name, spec }) => groups.has(spec.resourceGroup.toLowerCase()) || inControl(name));
};

/** Is one of the alert's targets among these, or a part of one? Pure. */
export function isAbout(essentials: Essentials, inventory: readonly InventoryItem[]): boolean {
  const owned = inventory.map(({ id }) => id.toLowerCase()).filter((id) => id !== '');
  return essentials.alertTargetIDs.some((target) => {
    const id = target.toLowerCase();
    // The group itself is in the inventory too; what merely lies in it may be somebody else's.
    return owned.some((one) => id === one || (one.includes('/providers/') && id.startsWith(`${one}/`)));
  });
}

/** An alert is acted upon for this long after it fired. Repeats are remembered longer, so none is ever acted upon twice. Seconds. */
const freshForSeconds = 3600;
const clockSkewSeconds = 300;

/** Throws ApiError 400 `AlertNotCurrent` for an alert that fired long ago, or will. */
export function refuseStale({ firedDateTime }: Essentials, now: Date): void {
  const fired = new Date(firedDateTime);
  if (fired >= secondsAfter(now, -freshForSeconds) && fired <= secondsAfter(now, clockSkewSeconds)) return;
  const message = `data.essentials.firedDateTime: ${firedDateTime} is not within the last ${freshForSeconds / 60} minutes. Nothing was started.`;
  throw new ApiError(400, 'AlertNotCurrent', message, { target: 'data.essentials.firedDateTime' });
}

/**
 * An alert is no person: it does not do what healing by itself would not. Throws ApiError 409 when healing is switched off, has stopped, or
 * has just been at work. Pure.
 */
export function heedBrakes(
  { name, spec }: JumpServer,
  memory: Pick<ServerMemory, 'repairs' | 'breakerSince'>,
  lease: Pick<Lease, 'kind' | 'requestedAt'> | undefined,
  now: Date,
): void {
  const { enabled, maxRepairsPerHour, gracePeriod } = spec.healing;
  const refuse = (code: string, why: string) =>
    new ApiError(409, code, `${why} Nothing was started.`, { target: name });
  if (!enabled) throw refuse('HealingDisabled', `The jump server '${name}' says healing.enabled: false.`);
  if (memory.breakerSince !== undefined || recentRepairs(memory.repairs, now).length >= maxRepairsPerHour)
    throw refuse('HealingStopped', `Healing of '${name}' has stopped after too many repairs and waits for a person.`);
  if (lease?.kind === 'heal' && secondsAfter(lease.requestedAt, durationSeconds(gracePeriod)) > now)
    throw refuse('HealedLately', `A heal of '${name}' began at ${lease.requestedAt.toISOString()}.`);
}

/** For the reason of an operation. */
export const describeAlert = ({ alertRule, severity, alertId, firedDateTime, alertTargetIDs }: Essentials): string =>
  [
    `alert ${alertRule === undefined ? alertId : `'${alertRule}'`}`,
    severity === undefined ? '' : ` (${severity})`,
    ` fired at ${firedDateTime} about ${alertTargetIDs.map((id) => id.split('/').at(-1)).join(', ')}`,
  ]
    .join('')
    .slice(0, 1000);
