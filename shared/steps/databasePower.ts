import type { Writes } from '../azure/armStep.ts';
import type { Step } from '../azure/engine.ts';
import type { Deps } from '../deps.ts';
import { databaseServer, turn } from '../scaling/power.ts';
import type { JumpServerSpec } from '../spec.ts';

/** A MySQL server that was stopped is started before anything is asked of it. One just seen to be ready is not looked at again. */
export function databasePowerStep(deps: Deps, writes: Writes, jumpServer: string, spec: JumpServerSpec): Step {
  let errors = 0;
  return {
    key: 'mysqlServer/power',
    type: 'Molcajete/databasePower',
    id: '',
    dependsOn: ['mysqlServer'],
    passing: true,
    ensure: async (outputs, attempt) =>
      outputs.mysqlServer?.state === 'Ready'
        ? { state: 'ready', output: {} }
        : turn(databaseServer(deps, jumpServer, spec), 'on', writes, attempt, errors++),
  };
}
