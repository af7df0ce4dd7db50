import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';
import type { Lease } from '../store/leases.ts';
import { rememberScaling } from '../store/scaling.ts';
import { parseScaleOrder } from './order.ts';
import { basisOf } from './timetable.ts';

/** Keeps what a person asked for by a scale operation, so that the plan does not undo it. Repeating it changes nothing. */
export async function rememberByHand(deps: Deps, lease: Lease, spec: JumpServerSpec): Promise<void> {
  const { count, byHand } = parseScaleOrder(lease.spec);
  if (byHand === undefined) return;
  const { until } = byHand;
  await rememberScaling(deps.tables, lease.jumpServer, {
    byHand: {
      count,
      from: lease.requestedAt,
      until: until === null ? undefined : new Date(until),
      by: lease.requestedBy.name,
      basis: basisOf(spec.scaling, spec.web.count),
    },
  });
}
