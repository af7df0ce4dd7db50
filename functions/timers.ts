import { app } from '@azure/functions';
import * as df from 'durable-functions';
import type { Deps } from '../shared/deps.ts';
import { compareResources } from '../shared/healing/compare.ts';
import { sweepHealing } from '../shared/healing/sweep.ts';
import type { StartOperation } from '../shared/http.ts';
import { startOrchestration } from '../shared/operations.ts';
import { sweepRotations } from '../shared/rotation/sweep.ts';
import { sweepScaling } from '../shared/scaling/sweep.ts';
import { settle } from '../shared/settling.ts';

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
