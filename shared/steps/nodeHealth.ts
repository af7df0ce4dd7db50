import type { Outcome, Step } from '../azure/engine.ts';
import { nodeName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { reasonsUnhealthy } from '../node/report.ts';
import { desiredNode, nodeNumbers } from '../nodes.ts';
import type { JumpServerSpec } from '../spec.ts';
import { findReport } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';

/** A report older than this says nothing about now. Seconds; three of the agent's intervals. */
export const staleAfterSeconds = 90;

/** Each node's own word that it works: HAProxy, Guacamole, guacd and a login to the database, all in the desired state. */
export function nodeHealthSteps(deps: Deps, jumpServer: string, spec: JumpServerSpec): Step[] {
  return nodeNumbers(spec).map((number) => {
    const node = nodeName(jumpServer, number);
    return {
      key: `node-${number}/health`,
      type: 'Molcajete/nodeHealth',
      id: '',
      dependsOn: [
        `node-${number}/virtualMachine`,
        'certificate',
        'database',
        'dataEndpointDns',
        'vaultRole',
        'identity',
      ],
      async ensure(outputs): Promise<Outcome> {
        const [stored, desired] = [
          await findReport(deps.tables, jumpServer, node),
          desiredNode(jumpServer, spec, outputs, node),
        ];
        if (stored === undefined || desired === undefined) return waiting('has not reported yet');
        if (secondsAfter(stored.receivedAt, staleAfterSeconds) < deps.now())
          return waiting('has not reported for a while');
        const [reason] = reasonsUnhealthy(stored.report, desired);
        return reason === undefined ? { state: 'ready', output: { bootId: stored.report.bootId } } : waiting(reason);
      },
    };
  });
}

const waiting = (detail: string): Outcome => ({ state: 'pending', detail, lookAgainSeconds: 1 });
