import type { Step } from '../azure/engine.ts';
import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';
import { certificateStep } from './certificate.ts';
import { databaseStep } from './database.ts';
import { ingressStep } from './ingress.ts';
import { nodeHealthSteps } from './nodeHealth.ts';

/** What makes Azure's resources a jump server: certificate, database, healthy nodes, and the proof at the ingress. */
export function ownSteps(deps: Deps, jumpServer: string, spec: JumpServerSpec): Step[] {
  return [
    certificateStep(deps, jumpServer),
    databaseStep(deps, jumpServer),
    ...nodeHealthSteps(deps, jumpServer, spec),
    ingressStep(deps, jumpServer, spec),
  ];
}
