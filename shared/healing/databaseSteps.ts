import { afterError } from '../azure/armStep.ts';
import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { namesOf } from '../azure/names.ts';
import type { Resource } from '../azure/resource.ts';
import { databaseStep } from '../steps/database.ts';
import { databaseNumber, findHealing, never, rememberNode } from '../store/healing.ts';
import { listSteps } from '../store/operations.ts';
import { secondsAfter } from '../time.ts';
import { graceOf } from './decision.ts';
import { repairFacts } from './findings.ts';
import type { Healing } from './repairStep.ts';

/** Everything else waits for this: an empty database in place of a lost one would look like health. */
export const keptKey = 'mysqlServer/kept';

/** The MySQL server must still be there: healing makes no new one, for it would be empty. */
export function databaseKeptStep({ deps }: Healing, server: Resource): Step {
  let setbacks = 0;
  return {
    key: keptKey,
    type: 'Molcajete/databaseKept',
    id: '',
    dependsOn: [],
    passing: true,
    async ensure(outputs): Promise<Outcome> {
      try {
        const { observed } = await server.look(deps.azure, outputs);
        return observed === 'missing' ? lost : { state: 'ready', output: {} };
      } catch (error) {
        return afterError(error, ++setbacks);
      }
    },
  };
}

const lost: Outcome = {
  state: 'failed',
  failure: {
    code: 'DatabaseLost',
    message:
      'The MySQL server is gone, and with it all connections and users. Healing makes no empty one in its place.',
    advice:
      'Azure keeps the backups of a deleted server for a few days: restore it under the same name. Or send the spec again by PUT to begin with an empty database.',
  },
};

/** Codes of a connection that does not come about, as against one that is refused by the server. */
const unreachable = /^(E[A-Z]+|PROTOCOL_CONNECTION_LOST|HANDSHAKE_.*)$/;

/**
 * Schema and accounts, put right where they are not. A server that Azure calls ready and that does not answer for a grace period is
 * restarted, once an operation.
 */
export function databaseAgainStep(healing: Healing): Step {
  const { deps, holder, server } = healing;
  const inner = databaseStep(deps, server.name);
  return {
    ...inner,
    async ensure(outputs, attempt) {
      const outcome = await inner.ensure(outputs, attempt);
      if (outcome.state !== 'pending') return outcome;
      const began = (await listSteps(deps.tables, holder.operationId)).find(({ key }) => key === inner.key)?.startedAt;
      const since = began ?? deps.now();
      const code = outcome.failure?.code ?? '';
      const grace = graceOf(server);
      if (secondsAfter(since, grace) > deps.now()) return outcome;
      const again = unreachable.test(code) ? await restartOnce(healing, attempt) : 'restarted';
      if (again !== 'restarted') return again;
      if (secondsAfter(since, grace * repairFacts.rebuild.graces) > deps.now()) return outcome;
      const message = `The database cannot be used although its server and the way to it are in order (${code}).`;
      return { state: 'failed', failure: { code: 'DatabaseUnreachable', message, advice } };
    },
  };
}

const advice = 'Look at the MySQL server in the Azure portal: Resource health, Metrics, Server logs.';

async function restartOnce(
  { deps, writes, holder, server }: Healing,
  attempt: Attempt,
): Promise<Outcome | 'restarted'> {
  const { resourceGroup } = server.spec;
  const place = { subscriptionId: deps.config.AZURE_SUBSCRIPTION_ID, resourceGroup };
  const name = namesOf(server.name, place).mysqlServer;
  const id = `${name}#restart`;
  const working: Outcome = { state: 'pending', detail: 'Azure restarts the MySQL server', lookAgainSeconds: 2 };
  try {
    const sent = writes.find(id);
    if (sent !== undefined) return (await attempt.within(sent)) === undefined ? working : 'restarted';
    const { nodes } = await findHealing(deps.tables, server.name);
    if (nodes.find(({ number }) => number === databaseNumber)?.operationId === holder.operationId) return 'restarted';
    await attempt.permit();
    const memory = { number: databaseNumber, operationId: holder.operationId, sentAt: deps.now(), settledAt: never };
    await rememberNode(deps.tables, server.name, memory);
    await deps.databases.forget(server.name);
    const restart = () => deps.azure.mysql.servers.beginRestartAndWait(resourceGroup, name, {});
    return (await attempt.within(writes.start(id, undefined, restart))) === undefined ? working : 'restarted';
  } catch (error) {
    writes.forget(id);
    return afterError(error, 1);
  }
}
