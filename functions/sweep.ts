import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { settleAudit } from '../shared/auditSweep.ts';
import type { Deps } from '../shared/deps.ts';
import { settleLeases, startOrchestration } from '../shared/operations.ts';
import { forgetRepeatablesBefore } from '../shared/store/repeatability.ts';
import { secondsAfter } from '../shared/time.ts';

/** How long a repeated POST gets the first one's answer. */
const repeatableForSeconds = 24 * 3600;

/** Every minute: what a crash left open is carried on or closed. */
export function registerSweep(deps: Deps): void {
  app.timer('sweep', {
    schedule: '0 * * * * *',
    extraInputs: [df.input.durableClient()],
    handler: async (_timer, context) => {
      const client = df.getClient(context);
      await settleLeases(deps, (lease) => startOrchestration(client, lease));
      await settleAudit(deps);
      await forgetRepeatablesBefore(deps.tables, secondsAfter(deps.now(), -repeatableForSeconds));
    },
  });
}
