import type { Writes } from '../azure/armStep.ts';
import type { Attempt, Step } from '../azure/engine.ts';
import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';
import { moveJumpServer } from '../store/jumpServers.ts';
import type { Holder } from '../store/leases.ts';
import { findScaling, rememberScaling } from '../store/scaling.ts';
import { secondsAfter } from '../time.ts';
import { databaseServer, turn } from './power.ts';

/** Azure starts a stopped MySQL server by itself after 30 days (azure-behaviour.md, 2.17); an hour later it surely has. Seconds. */
const awakeAgainAfter = 30 * 86_400 + 3600;
/** Should it be late, it is looked at this often. Seconds. */
const lookAgainAfter = 3600;

/** Not known when to look: the sweep does at once. */
const atOnce = new Date(1);

/**
 * Stops the MySQL server when no node needs it any more. From then on the jump server hibernates: that is said first, so that a
 * caller is told so and not that the database cannot be reached.
 */
export function hibernateStep(
  deps: Deps,
  writes: Writes,
  holder: Holder,
  spec: JumpServerSpec,
  dependsOn: readonly string[],
): Step {
  const { jumpServer, operationId } = holder;
  const server = databaseServer(deps, jumpServer, spec);
  let begun: { due: boolean } | undefined;
  let errors = 0;
  const permitted = async (attempt: Attempt, checkDatabaseAt: Date) => {
    await attempt.permit();
    await rememberScaling(deps.tables, jumpServer, { checkDatabaseAt });
  };
  /** It was found awake. Written down before it is stopped: the stop outlasts one call, and the next begins anew. */
  const awake = async (attempt: Attempt) => {
    if (begun?.due === false) return;
    await permitted(attempt, atOnce);
    begun = { due: false };
  };
  return {
    key: 'mysqlServer/power',
    type: 'Molcajete/databasePower',
    id: '',
    dependsOn,
    passing: true,
    async ensure(_outputs, attempt) {
      if (begun === undefined) {
        await attempt.permit();
        const { checkDatabaseAt } = await findScaling(deps.tables, jumpServer);
        begun = { due: checkDatabaseAt !== undefined && checkDatabaseAt > atOnce && checkDatabaseAt <= deps.now() };
        if (!begun.due) await permitted(attempt, atOnce);
        await moveJumpServer(deps.tables, jumpServer, operationId, 'Hibernated');
        await deps.databases.forget(jumpServer);
      }
      const turnOff = async () => {
        await awake(attempt);
        await server.turnOff();
      };
      const outcome = await turn({ ...server, turnOff }, 'off', writes, attempt, errors++);
      if (outcome.state === 'ready')
        await permitted(attempt, secondsAfter(deps.now(), begun.due ? lookAgainAfter : awakeAgainAfter));
      return outcome;
    },
  };
}
