import type { Step } from '../azure/engine.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { certificateRotationStep } from './certificateStep.ts';
import type { Credential } from './credentials.ts';
import { controlAccountSteps, guacadminStep, mysqlAdministratorStep } from './databaseCredentials.ts';
import { nodeAccountSteps } from './nodeAccount.ts';
import type { Rotating } from './rotating.ts';

type Maker = (rotating: Rotating, fleet: readonly NodeRecord[], dependsOn: readonly string[]) => Step[];

const makers: Record<Credential, Maker> = {
  mysqlAdministrator: (rotating, _, dependsOn) => [mysqlAdministratorStep(rotating, dependsOn)],
  controlAccount: (rotating, _, dependsOn) => controlAccountSteps(rotating, dependsOn),
  guacadmin: (rotating, _, dependsOn) => [guacadminStep(rotating, dependsOn)],
  certificate: (rotating, _, dependsOn) => [certificateRotationStep(rotating, dependsOn)],
  nodeAccount: nodeAccountSteps,
};

/** One credential after the other, in the order given; each one's first step has the credential's name. */
export const rotationSteps = (
  rotating: Rotating,
  credentials: readonly Credential[],
  fleet: readonly NodeRecord[],
): Step[] =>
  credentials.flatMap((credential, index) =>
    makers[credential](rotating, fleet, credentials.slice(0, index).slice(-1)),
  );
