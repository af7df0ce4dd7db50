import { isTurnedAway } from '../azure/armError.ts';
import { afterError } from '../azure/armStep.ts';
import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { namesOf, resourceId } from '../azure/names.ts';
import type { Resource } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import type { Failure } from '../errors.ts';
import { databaseStep } from '../steps/database.ts';
import { databaseNumber, findHealing, never, rememberNode } from '../store/healing.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { findStepStart } from '../store/operations.ts';
import { brokenParts } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { graceOf } from './decision.ts';
import type { Healing } from './repairStep.ts';
import { repairFacts } from './repairs.ts';
import { freshReports, platformAtFault } from './sight.ts';

/** Everything else waits for this: an empty database in place of a lost one would look like health. */
export const keptKey = 'mysqlServer/kept';

/** The MySQL server must still be there: healing makes no new one, for it would be empty. */
export function databaseKeptStep({ deps }: Healing, server: Resource): Step {
  let errors = 0;
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
        return afterError(error, ++errors);
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
export const isUnreachable = (code: string): boolean =>
  /^(E[A-Z_]+|PROTOCOL_CONNECTION_LOST|HANDSHAKE_.*)$/.test(code) && !code.startsWith('ER_');

/**
 * Schema and accounts, put right where they are not. A server that Azure calls ready and that answers neither us nor any node for a
 * grace period is restarted, once an operation; our own word alone may be our own network's trouble.
 */
export function databaseAgainStep(healing: Healing): Step {
  const { deps, holder, server } = healing;
  const inner = databaseStep(deps, server.name);
  let errors = 0;
  return {
    ...inner,
    async ensure(outputs, attempt) {
      const outcome = await inner.ensure(outputs, attempt);
      if (outcome.state !== 'pending') return outcome;
      const since = (await findStepStart(deps.tables, holder.operationId, inner.key)) ?? deps.now();
      const code = outcome.failure?.code ?? '';
      const grace = graceOf(server);
      if (secondsAfter(since, grace) > deps.now()) return outcome;
      const culprit = isUnreachable(code) ? await culpritOf(healing) : 'unknown';
      if (culprit === 'ourselves' || culprit === 'platform') return { state: 'failed', failure: blamed[culprit](code) };
      const isPatient = secondsAfter(since, grace * repairFacts.rebuild.graces) > deps.now();
      if (culprit === 'server') {
        const again = await restartOnce(healing, attempt).catch((error: unknown) => afterError(error, ++errors));
        // A restart that is on its way is waited for; one that Azure goes on turning away is not.
        if (again !== 'restarted' && (isPatient || again.state !== 'pending' || again.failure === undefined))
          return again;
      }
      if (isPatient) return outcome;
      const message = `The database cannot be used although its server and the way to it are in order (${code}).`;
      return { state: 'failed', failure: { code: 'DatabaseUnreachable', message, advice } };
    },
  };
}

type Culprit = 'server' | 'platform' | 'ourselves' | 'unknown';

/** Who is to blame that our connection does not come about, by the word of the nodes and of Azure. */
async function culpritOf({ deps, server, fleet }: Healing): Promise<Culprit> {
  const logins = await nodeLogins(deps, server.name, fleet);
  if (logins.works > 0) return 'ourselves';
  if (logins.fails === 0) return 'unknown';
  return (await platformAtFault(deps, mysqlServerOf(deps, server).id)) ? 'platform' : 'server';
}

/** How many of the nodes that were heard lately can log in to the database, and how many cannot. */
export async function nodeLogins(
  deps: Deps,
  jumpServer: string,
  fleet: readonly NodeRecord[],
): Promise<{ works: number; fails: number }> {
  const heard = await freshReports(deps, jumpServer, fleet);
  const fails = heard.filter(({ report }) => brokenParts(report).includes('database')).length;
  return { works: heard.length - fails, fails };
}

const blamed: Record<'ourselves' | 'platform', (code: string) => Failure> = {
  ourselves: (code) => ({ code: outOfReach.type, message: outOfReach.message(code), advice: outOfReach.advice }),
  platform: () => ({
    code: 'PlatformAtFault',
    message: 'Nobody reaches the MySQL server, and Azure says that its platform is at fault and repairs it.',
    advice: 'It is waited for; the Azure portal shows how far that is: Resource health of the MySQL server.',
  }),
};

/** The nodes log in and the control plane does not. */
export const outOfReach = {
  type: 'DatabaseOutOfReach',
  message: (code: string) =>
    `The control plane does not reach the MySQL server (${code}), while nodes log in to it: users are served, and the server is left alone.`,
  advice:
    "Look at the control plane's own network: its private endpoint for this server, the record in its DNS zone, what its subnet may reach.",
};

function mysqlServerOf(deps: Deps, { name, spec }: Healing['server']): { name: string; id: string } {
  const place = { subscriptionId: deps.config.AZURE_SUBSCRIPTION_ID, resourceGroup: spec.resourceGroup };
  const own = namesOf(name, place).mysqlServer;
  return { name: own, id: resourceId(place, 'Microsoft.DBforMySQL/flexibleServers', own) };
}

const advice = 'Look at the MySQL server in the Azure portal: Resource health, Metrics, Server logs.';

async function restartOnce(
  { deps, writes, holder, server }: Healing,
  attempt: Attempt,
): Promise<Outcome | 'restarted'> {
  const { resourceGroup } = server.spec;
  const { name } = mysqlServerOf(deps, server);
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
    const sent = writes.find(id) !== undefined;
    writes.forget(id);
    // Otherwise it is done: a restart that failed is not sent again.
    if (sent && isTurnedAway(error))
      await rememberNode(deps.tables, server.name, { number: databaseNumber, operationId: '' });
    throw error;
  }
}
