import type { VirtualMachine } from '@azure/arm-compute';
import { isTurnedAway } from '../azure/armError.ts';
import { afterError, type Writes } from '../azure/armStep.ts';
import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { nodeKey, nodeName } from '../azure/names.ts';
import { observeProvisioningState, orUndefinedIfMissing } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import { isUp } from '../scaling/fleet.ts';
import { findHealing, type NodeMemory, never, rememberLoss, rememberNode, takeBackRepair } from '../store/healing.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import type { Holder } from '../store/leases.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { keptKey } from './databaseSteps.ts';
import { comesFirst, type NodeOrder } from './order.ts';
import { type Repair, repairFacts } from './repairs.ts';
import { machineId, probeOf, probesOf } from './sight.ts';

/** What the steps of one heal operation share. */
export interface Healing {
  deps: Deps;
  writes: Writes;
  holder: Holder;
  server: JumpServer;
  fleet: readonly NodeRecord[];
  requestedAt: Date;
}

const ready: Outcome = { state: 'ready', output: {} };
const working: Outcome = { state: 'pending', detail: 'Azure is working on it', lookAgainSeconds: 2 };
/** Failures of a repair that may pass; after so many another repair is better. */
const mostErrors = 3;

/** Does to a node what was decided, once: what a crash leaves half done is looked at and not sent again. */
export function repairStep(healing: Healing, order: NodeOrder): Step {
  const { deps, writes, holder, server } = healing;
  const id = `${machineId(deps, server, order.number)}#${order.repair}`;
  let errors = 0;
  const settled = async (): Promise<Outcome> => {
    await rememberNode(deps.tables, server.name, { number: order.number, settledAt: deps.now() });
    return ready;
  };
  return {
    key: nodeKey(order.number, 'repair'),
    type: `Molcajete/${order.repair}`,
    id: '',
    dependsOn: comesFirst(order) ? [keptKey] : [nodeKey(order.number, 'virtualMachine')],
    passing: true,
    async ensure(_outputs, attempt) {
      const memory = (await findHealing(deps.tables, server.name)).nodes.find(({ number }) => number === order.number);
      const begun = memory?.operationId === holder.operationId;
      if (begun && memory.settledAt !== undefined) return ready;
      try {
        const sent = writes.find(id);
        if (sent !== undefined) return (await attempt.within(sent)) === undefined ? working : await settled();
        if (begun && !(await mayBeRepeated(healing, order, memory.vmId)))
          return (await isBusy(healing, order.number)) ? working : await settled();
        if (!begun) {
          const against = await whyNot(healing, order).catch((error: unknown) => unsure(order, error, ++errors));
          if (against !== undefined) return against;
          await begin(healing, order, memory, attempt);
        } else {
          await attempt.permit();
          // Killed while it was taken back, it may have lost that already.
          if (memory.sentAt !== undefined) await noteLoss(healing, order, memory.sentAt);
        }
        const write = writes.start(id, undefined, () => send(healing, order));
        return (await attempt.within(write)) === undefined ? working : await settled();
      } catch (error) {
        // What fails otherwise is a look or the store: what is noted stays, and is carried on from.
        const sent = writes.find(id) !== undefined;
        writes.forget(id);
        const outcome = afterError(error, ++errors);
        const turnedAway = isTurnedAway(error);
        if (sent && turnedAway) await takeBackRepair(deps.tables, server.name, order.number, holder.operationId);
        else if (sent) await rememberNode(deps.tables, server.name, { number: order.number, operationId: '' });
        const hopeless = sent && !turnedAway && byRunCommand(order.repair);
        return errors < mostErrors && !hopeless ? outcome : failed(order, outcome, turnedAway);
      }
    },
  };
}

const byRunCommand = (repair: Repair): boolean => repair === 'restartAgent' || repair === 'restartServices';

function failed({ number, repair }: NodeOrder, outcome: Outcome, turnedAway: boolean): Outcome {
  const cause = outcome.state === 'ready' ? undefined : outcome.failure;
  const message = `Node ${number}: '${repairFacts[repair].text}' did not work: ${cause?.message ?? 'no reason given'}.`;
  const next = turnedAway ? 'It is tried again after a pause.' : 'A stronger repair follows by itself.';
  const advice = cause?.advice ?? next;
  return { state: 'failed', failure: { code: cause?.code ?? 'RepairFailed', message, advice } };
}

/**
 * Much may have changed since it was decided. The balancer alone says who serves users: a node that calls itself well may be out of its pool, and
 * one that cannot report may have everybody's sessions. Throws when the balancer cannot be asked.
 */
async function whyNot(healing: Healing, { number, repair }: NodeOrder): Promise<Outcome | undefined> {
  const { deps, server, fleet } = healing;
  if (!repairFacts[repair].disrupts) return undefined;
  const probes = await probesOf(deps, server);
  const record = fleet.find((node) => node.number === number);
  if (probes === undefined || record === undefined || probeOf(probes, { record }).probe === 'down') return undefined;
  const others = fleet.filter((node) => node.number !== number && isUp(node));
  if (others.some((other) => probeOf(probes, { record: other }).probe === 'up')) return undefined;
  const message = `Node ${number} is the only one that serves users, so nothing was done that would end their sessions.`;
  const advice = 'It is repaired once another node works.';
  return { state: 'failed', failure: { code: 'LastNode', message, advice } };
}

/** Nothing is done while it is not known who would suffer from it; asked again a few times. */
function unsure({ number }: NodeOrder, error: unknown, errors: number): Outcome {
  const outcome = afterError(error, errors);
  if (outcome.state !== 'pending' || errors < mostErrors) return outcome;
  const message = `Whether node ${number} alone serves users cannot be told (${outcome.failure?.code ?? 'no code'}), so nothing was done to it.`;
  return { state: 'failed', failure: { code: 'LastNodeUnknown', message, advice: 'It is tried again after a pause.' } };
}

/** Written down before it is sent: what is remembered decides after a crash. */
async function begin(
  healing: Healing,
  order: NodeOrder,
  before: NodeMemory | undefined,
  attempt: Attempt,
): Promise<void> {
  const { deps, server, holder } = healing;
  const { number, repair } = order;
  await attempt.permit();
  const now = deps.now();
  const found = await findMachine(healing, number);
  await noteLoss(healing, order, now);
  await rememberNode(deps.tables, server.name, {
    number,
    repair,
    operationId: holder.operationId,
    sentAt: now,
    settledAt: never,
    vmId: found?.vmId ?? '',
    former: { repair: before?.repair, sentAt: before?.sentAt, settledAt: before?.settledAt },
  });
}

async function noteLoss({ deps, server }: Healing, { number, repair }: NodeOrder, at: Date): Promise<void> {
  if (repair !== 'restartAgent' && repair !== 'reapply') await rememberLoss(deps.tables, server.name, { number, at });
}

/** Deleting or starting a machine twice is the same as once, as long as it is the same machine. */
async function mayBeRepeated(healing: Healing, { number, repair }: NodeOrder, vmId = ''): Promise<boolean> {
  if (repair === 'start') return true;
  if (repair !== 'rebuild') return false;
  const found = await findMachine(healing, number);
  return found !== undefined && found.vmId === vmId;
}

async function isBusy(healing: Healing, number: number): Promise<boolean> {
  const found = await findMachine(healing, number);
  return found !== undefined && observeProvisioningState(found) === 'pending';
}

const findMachine = ({ deps, server }: Healing, number: number): Promise<VirtualMachine | undefined> =>
  orUndefinedIfMissing(
    deps.azure.compute.virtualMachines.get(server.spec.resourceGroup, nodeName(server.name, number)),
  );

/** As root on the node, by Azure's agent in it. */
const scripts = {
  restartAgent: 'systemctl restart molcajete-agent',
  restartServices: [
    'systemctl restart molcajete-guacd',
    'systemctl restart molcajete-guacamole',
    'systemctl restart molcajete-haproxy',
    'systemctl restart molcajete-agent',
  ].join('\n'),
};

async function send({ deps, server }: Healing, { number, repair }: NodeOrder): Promise<void> {
  const { virtualMachines } = deps.azure.compute;
  const { resourceGroup } = server.spec;
  const node = nodeName(server.name, number);
  const run = (script: string) =>
    virtualMachines.runCommand(resourceGroup, node, { commandId: 'RunShellScript', script: [script] });
  const actions: Record<Repair, () => PromiseLike<unknown>> = {
    // The topology has made it before this step.
    create: async () => undefined,
    start: () => virtualMachines.start(resourceGroup, node),
    reapply: () => virtualMachines.reapply(resourceGroup, node),
    restartAgent: () => run(scripts.restartAgent),
    restartServices: () => run(scripts.restartServices),
    restartMachine: () => virtualMachines.restart(resourceGroup, node),
    redeploy: () => virtualMachines.redeploy(resourceGroup, node),
    // Its interface, and with it its address, stays (deleteOption Detach).
    rebuild: () => virtualMachines.delete(resourceGroup, node),
  };
  await actions[repair]();
}
