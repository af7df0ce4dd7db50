import type { Outcome, Step } from '../azure/engine.ts';
import { nodeKey, nodeName } from '../azure/names.ts';
import type { Outputs } from '../azure/resource.ts';
import { type NodeReport, reasonsUnhealthy } from '../node/report.ts';
import { desiredNode } from '../nodes.ts';
import { findHealing } from '../store/healing.ts';
import { findStepStart } from '../store/operations.ts';
import { brokenParts, findReport, unchangedParts } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { stillUnwell } from './commonCause.ts';
import { graceOf } from './decision.ts';
import type { NodeOrder } from './order.ts';
import type { Healing } from './repairStep.ts';
import { type Repair, repairFacts } from './repairs.ts';

/** Repairs after which a report from before they had ended is one of the node's new life. */
const bringsUp: readonly Repair[] = ['create', 'rebuild', 'start'];

/** Waits for a repaired node's own word that it works; fails when it does not come, so that the next repair can follow. */
export function repairedHealthStep(healing: Healing, order: NodeOrder): Step {
  const { deps, server } = healing;
  const { number, repair } = order;
  return healthStep(healing, number, [nodeKey(number, 'repair')], async () => {
    const memory = (await findHealing(deps.tables, server.name)).nodes.find((one) => one.number === number);
    const { sentAt = healing.requestedAt, settledAt = sentAt } = memory ?? {};
    const since = repair === 'create' ? healing.requestedAt : bringsUp.includes(repair) ? sentAt : settledAt;
    return {
      since,
      patience: patienceAfter(healing, repair),
      failure: {
        code: 'NodeNotHealed',
        message: `To ${repairFacts[repair].text} did not make ${nodeName(server.name, number)} well`,
        advice: 'The next repair is stronger; it follows by itself after a pause.',
      },
    };
  });
}

/** Waits for a node to be well again by itself, now that what it needs has been put right. */
export function awaitedHealthStep(healing: Healing, number: number): Step {
  const { server, requestedAt } = healing;
  return healthStep(healing, number, [], async () => ({
    since: requestedAt,
    patience: graceOf(server) * repairFacts.rebuild.graces,
    failure: {
      code: stillUnwell,
      message: `Everything that ${nodeName(server.name, number)} needs is in order, and it still does not work`,
      advice: 'The node itself is repaired next.',
    },
  }));
}

/** How long a node may take to be well after a repair. Seconds. */
function patienceAfter({ deps, server }: Healing, repair: Repair): number {
  const { graces, reports } = repairFacts[repair];
  return Math.max(graceOf(server) * graces, deps.config.MOLCAJETE_REPORT_SECONDS * reports);
}

interface Expectation {
  /** Reports from before say nothing. */
  since: Date;
  /** From the step's own beginning on: what comes before it, a database that is started or a machine that is made, takes many minutes. Seconds. */
  patience: number;
  failure: { code: string; message: string; advice: string };
}

function healthStep(
  { deps, holder, server, fleet }: Healing,
  number: number,
  dependsOn: string[],
  expect: () => Promise<Expectation>,
): Step {
  const key = nodeKey(number, 'health');
  return {
    key,
    type: 'Molcajete/nodeHealth',
    id: '',
    dependsOn: [
      nodeKey(number, 'virtualMachine'),
      'certificate',
      'database',
      'dataEndpointDns',
      'vaultRole',
      'identity',
      'loadBalancer',
      ...dependsOn,
    ],
    async ensure(outputs): Promise<Outcome> {
      const { since, patience, failure } = await expect();
      const [reason, bootId] = await wordOf(outputs, since);
      if (reason === undefined) return { state: 'ready', output: { bootId } };
      const began = (await findStepStart(deps.tables, holder.operationId, key)) ?? deps.now();
      if (secondsAfter(began, patience) > deps.now()) return { state: 'pending', detail: reason, lookAgainSeconds: 1 };
      return { state: 'failed', failure: { ...failure, message: `${failure.message}: it ${reason}.` } };
    },
  };

  async function wordOf(outputs: Outputs, since: Date): Promise<[reason: string | undefined, bootId: string]> {
    const node = nodeName(server.name, number);
    const stored = await findReport(deps.tables, server.name, node);
    const desired = desiredNode(server.name, server.spec, fleet, outputs, node);
    if (stored === undefined || stored.receivedAt <= since || desired === undefined)
      return ['has not reported yet', ''];
    const [reason] = servesAsItIs(stored.report) ? [] : reasonsUnhealthy(stored.report, desired);
    return [reason === undefined ? undefined : `reports that ${reason}`, stored.report.bootId];
  }
}

/** It works, and a change that it cannot make is no matter of repairs (`stuckNodes`). */
const servesAsItIs = (report: NodeReport): boolean =>
  brokenParts(report).length === 0 && unchangedParts(report).length > 0;
