import type { Writes } from '../azure/armStep.ts';
import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { nodeKey, nodeName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { reasonsUnhealthy } from '../node/report.ts';
import { desiredNode } from '../nodes.ts';
import { lookEverySeconds, nodeMachine, turn } from '../scaling/power.ts';
import type { JumpServerSpec } from '../spec.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { findReport, isStale, type StoredReport } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';

/** So long a node that was never heard of is not asked after: it boots for the first time. Seconds. */
const firstBootSeconds = 90;

/**
 * A node's own word that it works: HAProxy, Guacamole, guacd and a login to the database, all in the desired state. A node that says
 * nothing because its machine is switched off is switched on.
 */
export function nodeHealthStep(
  deps: Deps,
  writes: Writes,
  jumpServer: string,
  spec: JumpServerSpec,
  fleet: readonly NodeRecord[],
  record: NodeRecord,
): Step {
  const node = nodeName(jumpServer, record.number);
  const switchOn = createSwitchOn(deps, writes, jumpServer, spec, record);
  return {
    key: nodeKey(record.number, 'health'),
    type: 'Molcajete/nodeHealth',
    id: '',
    dependsOn: [
      nodeKey(record.number, 'virtualMachine'),
      'certificate',
      'database',
      'dataEndpointDns',
      'vaultRole',
      'identity',
    ],
    async ensure(outputs, attempt): Promise<Outcome> {
      const stored = await findReport(deps.tables, jumpServer, node);
      const desired = desiredNode(jumpServer, spec, fleet, outputs, node);
      if (stored === undefined || !speaksOfNow(deps, record, stored) || desired === undefined) {
        const switched = await switchOn(stored, attempt);
        return switched ?? waiting(stored === undefined ? 'has not reported yet' : 'has not reported for a while');
      }
      const [reason] = reasonsUnhealthy(stored.report, desired);
      return reason === undefined ? { state: 'ready', output: { bootId: stored.report.bootId } } : waiting(reason);
    },
  };
}

const waiting = (detail: string): Outcome => ({ state: 'pending', detail, lookAgainSeconds: 1 });

/** A report from before the node was asked to come up is of its former life. */
const speaksOfNow = (deps: Deps, { since, state }: NodeRecord, stored: StoredReport): boolean =>
  !isStale(stored, deps.now()) && (state !== 'starting' || stored.receivedAt > since);

/** Undefined when there is nothing to say but to wait: the machine runs, is too new to ask after, or was asked after just now. */
function createSwitchOn(deps: Deps, writes: Writes, jumpServer: string, spec: JumpServerSpec, record: NodeRecord) {
  const machine = nodeMachine(deps, jumpServer, spec, record.number);
  let lookAt = new Date(0);
  let errors = 0;
  return async (stored: StoredReport | undefined, attempt: Attempt): Promise<Outcome | undefined> => {
    const firstBoot = stored === undefined && secondsAfter(record.since, firstBootSeconds) > deps.now();
    if (firstBoot || deps.now() < lookAt) return undefined;
    const outcome = await turn(machine, 'on', writes, attempt, errors++);
    if (outcome.state !== 'ready') return outcome;
    lookAt = secondsAfter(deps.now(), lookEverySeconds);
    return undefined;
  };
}
