import type { Writes } from '../azure/armStep.ts';
import type { Step } from '../azure/engine.ts';
import type { Outputs } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import { isSurplus, isUp } from '../scaling/fleet.ts';
import type { JumpServerSpec } from '../spec.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { certificateStep } from './certificate.ts';
import { databaseStep } from './database.ts';
import { databasePowerStep } from './databasePower.ts';
import { ingressStep } from './ingress.ts';
import { nodeHealthStep } from './nodeHealth.ts';

/**
 * What makes Azure's resources a jump server: certificate, database, healthy nodes, and the proof at the ingress. A node that
 * is not to be up is not asked for its health; while none is, database and ingress are not looked at either, and what they said before (`known`) stands.
 */
export function ownSteps(
  deps: Deps,
  writes: Writes,
  jumpServer: string,
  spec: JumpServerSpec,
  fleet: readonly NodeRecord[],
  known: Outputs,
): Step[] {
  const up = fleet.filter(isUp).map(({ number }) => number);
  const awake = (step: Step) => (up.length > 0 ? step : resting(step, known));
  return [
    certificateStep(deps, jumpServer, spec.ingress),
    ...(up.length > 0 ? [databasePowerStep(deps, writes, jumpServer, spec)] : []),
    awake(databaseStep(deps, jumpServer)),
    ...fleet
      .filter((node) => !isSurplus(node, spec))
      .map((node) => {
        const step = nodeHealthStep(deps, writes, jumpServer, spec, fleet, node);
        return isUp(node) ? step : resting(step, known);
      }),
    awake(ingressStep(deps, jumpServer, spec, up)),
  ];
}

const resting = (step: Step, known: Outputs): Step => ({
  ...step,
  dependsOn: [],
  ensure: async () => ({ state: 'ready', output: { ...known[step.key] } }),
});
