import { armStep } from '../azure/armStep.ts';
import type { Step } from '../azure/engine.ts';
import { nodeKey, parseNodeKey } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import { environmentOf } from '../environment.ts';
import { isPutUnfinished } from '../setback.ts';
import { certificateStep } from '../steps/certificate.ts';
import { databasePowerStep } from '../steps/databasePower.ts';
import { ingressStep } from '../steps/ingress.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import { topology } from '../topology.ts';
import { databaseAgainStep, databaseKeptStep, keptKey } from './databaseSteps.ts';
import { recordKey, recordSteps } from './dnsRecords.ts';
import { awaitedHealthStep, repairedHealthStep } from './healthSteps.ts';
import { comesFirst, type HealOrder, type NodeOrder } from './order.ts';
import { type Healing, repairStep } from './repairStep.ts';
import { awakeNodes } from './sight.ts';

/**
 * The graph of a heal operation: the resources that all nodes share, those of the nodes concerned, what is done to these, and the proof.
 * @param well numbers of the nodes that work as it begins
 */
export function healSteps(healing: Healing, order: HealOrder, well: readonly number[]): Step[] {
  const { deps, writes, server, fleet, requestedAt } = healing;
  const { name, spec } = server;
  const concerned = [...order.nodes.map(({ number }) => number), ...order.awaits];
  const awake = awakeNodes(fleet, spec, requestedAt).map(({ number }) => number);
  const numbers = order.everything ? awake : concerned;
  const alone = isAboutNodesAlone(server, order);
  const resources = topology(name, spec, environmentOf(deps, name), numbers).filter(
    ({ key }) => !alone || order.nodes.some((node) => needsWriting(node) && parseNodeKey(key)?.number === node.number),
  );
  const mysqlServer = resources.find(({ key }) => key === 'mysqlServer');
  const extra = extraDependencies(order);
  // Another node may die meanwhile: where nothing of its own was mended, that is the next operation's business.
  const proven = order.everything ? [...new Set([...concerned, ...well])] : concerned;
  const shared: Step[] = [
    ...(mysqlServer === undefined ? [] : [databaseKeptStep(healing, mysqlServer)]),
    ...recordSteps(deps, name, spec),
    certificateStep(deps, name, spec.ingress),
    databasePowerStep(deps, writes, name, spec),
    databaseAgainStep(healing),
  ];
  const steps: Step[] = [
    ...resources.map((resource) => {
      const step = armStep(resource, deps.azure, writes);
      return { ...step, dependsOn: [...step.dependsOn, ...(extra[step.key] ?? [])] };
    }),
    ...(alone ? [] : shared),
    ...order.nodes.flatMap((node) => [repairStep(healing, node), repairedHealthStep(healing, node)]),
    ...order.awaits.map((number) => awaitedHealthStep(healing, number)),
    ...(proven.length === 0 ? [] : [proof(deps, server, proven)]),
  ];
  const keys = new Set(steps.map(({ key }) => key));
  return steps.map((step) => ({ ...step, dependsOn: step.dependsOn.filter((key) => keys.has(key)) }));
}

/** The balancer never sees a node whose interface cannot be put back into its pool: then there is nothing to wait for. */
function proof(deps: Deps, { name, spec }: JumpServer, nodes: readonly number[]): Step {
  const step = ingressStep(deps, name, spec, nodes);
  return { ...step, dependsOn: [...step.dependsOn, ...nodes.map((number) => nodeKey(number, 'networkInterface'))] };
}

/**
 * What the last PUT failed at, a heal would fail at, too, and the nodes that need a repair would never get it. So after such a PUT their repair looks at
 * nothing else, unless it is the database that they wait for.
 */
const isAboutNodesAlone = (server: JumpServer, { everything, awaits }: HealOrder): boolean =>
  isPutUnfinished(server) && !everything && awaits.length === 0;

/** Is its machine made by it? Any other repair is one of a machine that is there, whatever the spec now says of it. */
const needsWriting = ({ repair }: NodeOrder): boolean => repair === 'create' || repair === 'rebuild';

/** What waits for more than in a provision. */
function extraDependencies({ nodes }: HealOrder): Record<string, string[]> {
  const repairedFirst = nodes.filter(comesFirst);
  return {
    resourceGroup: [keptKey],
    ...Object.fromEntries(['dataEndpointDns', 'controlEndpointDns'].map((key) => [key, [recordKey(key)]])),
    ...Object.fromEntries(
      repairedFirst.map(({ number }) => [nodeKey(number, 'virtualMachine'), [nodeKey(number, 'repair')]]),
    ),
  };
}
