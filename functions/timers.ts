import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { settleAudit } from '../shared/auditSweep.ts';
import type { Deps } from '../shared/deps.ts';
import { compareResources } from '../shared/healing/compare.ts';
import { sweepHealing } from '../shared/healing/sweep.ts';
import type { StartOperation } from '../shared/http.ts';
import { startOrchestration } from '../shared/operations.ts';
import { sweepRotations } from '../shared/rotation/sweep.ts';
import { sweepScaling } from '../shared/scaling/sweep.ts';
import { settleLeases, settleServing } from '../shared/settling.ts';
import { forgetRepeatablesBefore } from '../shared/store/repeatability.ts';
import { secondsAfter } from '../shared/time.ts';

type Work = (deps: Deps, start: StartOperation) => Promise<unknown>;

/** Every minute, each at a second of its own: what is to happen without anybody asking. Six-field NCRONTAB, UTC. */
const timers: Record<string, { schedule: string; work: Work }> = {
  settling: { schedule: '0 * * * * *', work: settle },
  /** Nodes follow the schedule and demand. */
  scaling: { schedule: '2 * * * * *', work: sweepScaling },
  /** What is due is rotated, and what was interrupted is carried on. */
  rotation: { schedule: '4 * * * * *', work: sweepRotations },
  /** Nodes that do not work. */
  healing: { schedule: '22 * * * * *', work: sweepHealing },
  /** For a few jump servers a minute everything else. */
  comparing: { schedule: '42 * * * * *', work: compareResources },
};

export function registerTimers(deps: Deps): void {
  for (const [name, { schedule, work }] of Object.entries(timers)) {
    app.timer(name, {
      schedule,
      extraInputs: [df.input.durableClient()],
      handler: async (_timer, context) => {
        const client = df.getClient(context);
        await work(deps, (lease) => startOrchestration(client, lease));
      },
    });
  }
}

/** How long a repeated POST gets the first one's answer. */
const repeatableForSeconds = 24 * 3600;

/** What a crash left open is carried on or closed. */
async function settle(deps: Deps, start: StartOperation): Promise<void> {
  await settleLeases(deps, start);
  await settleServing(deps);
  await settleAudit(deps);
  await forgetRepeatablesBefore(deps.tables, secondsAfter(deps.now(), -repeatableForSeconds));
}
