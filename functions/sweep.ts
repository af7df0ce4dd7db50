import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { settleAudit } from '../shared/auditSweep.ts';
import type { Deps } from '../shared/deps.ts';
import { settleLeases, startOrchestration } from '../shared/operations.ts';

/** Every minute: what a crash left open is carried on or closed. */
export function registerSweep(deps: Deps): void {
  app.timer('sweep', {
    schedule: '0 * * * * *',
    extraInputs: [df.input.durableClient()],
    handler: async (_timer, context) => {
      const client = df.getClient(context);
      await settleLeases(deps, (lease) => startOrchestration(client, lease));
      await settleAudit(deps);
    },
  });
}
