import type { VirtualMachine, VirtualMachineInstanceView } from '@azure/arm-compute';
import { balancerHealth } from '../azure/balancerHealth.ts';
import { nodeName, parseNodeKey, resourceId } from '../azure/names.ts';
import { observeProvisioningState, orUndefinedIfMissing } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import { fleetOf, isSurplus, isUp } from '../scaling/fleet.ts';
import type { HealingMemory } from '../store/healing.ts';
import { listInventory } from '../store/inventory.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { brokenParts, listReports, type StoredReport, unchangedParts } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import type { Machine, NodeSight, Voice } from './findings.ts';

/** A node whose last report is older is not heard of. Seconds: three of its agent's intervals. */
export const silentAfter = (deps: Deps): number => Math.max(10, 3 * deps.config.MOLCAJETE_REPORT_SECONDS);

/** The reports of these nodes that are fresh. */
export async function freshReports(
  deps: Deps,
  jumpServer: string,
  nodes: readonly NodeRecord[],
): Promise<StoredReport[]> {
  const names = nodes.map(({ number }) => nodeName(jumpServer, number));
  const fresh = secondsAfter(deps.now(), -silentAfter(deps));
  return (await listReports(deps.tables, jumpServer)).filter(
    ({ node, receivedAt }) => names.includes(node) && receivedAt > fresh,
  );
}

/** Numbers of these nodes whose fresh report names no broken part. */
export async function workingNodes(deps: Deps, jumpServer: string, nodes: readonly NodeRecord[]): Promise<number[]> {
  const heard = await freshReports(deps, jumpServer, nodes);
  const working = new Set(heard.filter(({ report }) => brokenParts(report).length === 0).map(({ node }) => node));
  return nodes.map(({ number }) => number).filter((number) => working.has(nodeName(jumpServer, number)));
}

/** What Azure says of every virtual machine of the subscription, by id in lower case: one paged list, whatever their number. */
export async function listMachines(deps: Deps): Promise<Map<string, Machine>> {
  const machines = new Map<string, Machine>();
  for await (const one of deps.azure.compute.virtualMachines.listAll({ statusOnly: 'true' }))
    machines.set((one.id ?? '').toLowerCase(), machineOf(one, one.instanceView));
  return machines;
}

const powers: Record<string, Machine['power']> = {
  'PowerState/running': 'running',
  'PowerState/stopped': 'stopped',
  'PowerState/deallocated': 'deallocated',
};

/** A power state that is missing says nothing: Azure leaves it out now and then (virtual-machines/states-billing). */
function machineOf(
  found: Pick<VirtualMachine, 'provisioningState'>,
  view: VirtualMachineInstanceView | undefined,
): Machine {
  const code = view?.statuses?.find((status) => status.code?.startsWith('PowerState/'))?.code;
  const observed = observeProvisioningState(found);
  const [failed, atWork] = [observed === 'failed', observed === 'pending'];
  const power = atWork ? undefined : powers[code ?? ''];
  if (power !== undefined) return { power, failed };
  const called = atWork ? found.provisioningState : code;
  return { power: 'changing', failed, ...(called === undefined ? {} : { called }) };
}

/** The virtual machine of a node. */
export const machineId = (deps: Deps, { name, spec }: Pick<JumpServer, 'name' | 'spec'>, number: number): string => {
  const place = { subscriptionId: deps.config.AZURE_SUBSCRIPTION_ID, resourceGroup: spec.resourceGroup };
  return resourceId(place, 'Microsoft.Compute/virtualMachines', nodeName(name, number));
};

/** After so long a node that was to come up has not: scaling alone does not get it up. Seconds. */
export const longestStart = 1800;

/** Is it still scaling's? */
const isComingUp = ({ state, since }: NodeRecord, now: Date): boolean =>
  state === 'starting' && secondsAfter(since, longestStart) >= now;

/** The nodes that should be up by now. */
export const watchedNodes = (server: JumpServer, recorded: readonly NodeRecord[], now: Date): NodeRecord[] =>
  fleetOf(server.spec, recorded, server.createdAt).filter((node) => isUp(node) && !isComingUp(node, now));

/** The nodes whose resources must be right: one that is deallocated, made again, would run and cost where nobody wants it. */
export const awakeNodes = (fleet: readonly NodeRecord[], spec: JumpServer['spec'], now: Date): NodeRecord[] =>
  fleet.filter((node) => node.state !== 'deallocated' && !isComingUp(node, now) && !isSurplus(node, spec));

/** What the store and a list say. */
interface Known {
  machine: Machine | undefined;
  reports: readonly StoredReport[];
  /** What a node without a report among these is. */
  unheard: 'well' | 'silent';
  memory: HealingMemory;
}

/** A node before a closer look. */
export function sightOf(deps: Deps, server: JumpServer, record: NodeRecord, known: Known): NodeSight {
  const own = known.memory.nodes.find(({ number }) => number === record.number);
  const name = nodeName(server.name, record.number);
  const report = known.reports.find(({ node }) => node === name);
  const unheard: Voice = known.unheard === 'well' ? { kind: 'well' } : { kind: 'silent', since: record.since };
  return {
    record,
    name,
    machine: known.machine,
    voice: report === undefined ? unheard : voiceOf(deps, report, own?.unwellSince),
    memory: own,
    ...(own?.probeDownSince === undefined ? {} : { probeDownSince: own.probeDownSince }),
  };
}

function voiceOf(deps: Deps, { report, receivedAt }: StoredReport, unwellSince: Date | undefined): Voice {
  if (secondsAfter(receivedAt, silentAfter(deps)) < deps.now()) return { kind: 'silent', since: receivedAt };
  const describe = (parts: ReturnType<typeof brokenParts>): string | undefined =>
    parts[0] && `${parts.join(', ')}: ${report[parts[0]].detail ?? 'no detail'}`;
  const parts = brokenParts(report);
  const detail = describe(parts);
  if (detail !== undefined) return { kind: 'unwell', parts, detail, since: unwellSince ?? deps.now() };
  const stuck = describe(unchangedParts(report));
  return { kind: 'well', ...(stuck === undefined ? {} : { stuck }) };
}

/** What is asked only about a node with which something is wrong: two reads, and a third where it alone may serve users. */
export async function lookCloser(
  deps: Deps,
  server: JumpServer,
  nodes: readonly NodeSight[],
  suspects: readonly number[],
): Promise<NodeSight[]> {
  const oneStays = nodes.some(({ voice, record }) => voice.kind === 'well' && !suspects.includes(record.number));
  const probes = oneStays ? undefined : await probesIfTold(deps, server);
  return Promise.all(
    nodes.map(async (node) => {
      const probed = probes === undefined ? node : { ...node, ...probeOf(probes, node) };
      return suspects.includes(node.record.number) ? inspect(deps, server, probed) : probed;
    }),
  );
}

async function inspect(deps: Deps, server: JumpServer, node: NodeSight): Promise<NodeSight> {
  const { resourceGroup } = server.spec;
  const machines = deps.azure.compute.virtualMachines;
  const found = await orUndefinedIfMissing(machines.get(resourceGroup, node.name, { expand: 'instanceView' }));
  if (found === undefined) return { ...node, machine: undefined };
  const agent = found.instanceView?.vmAgent?.statuses?.[0]?.code;
  const tag = Object.entries(found.tags ?? {}).find(([name]) => name.toLowerCase() === pauseTag)?.[1];
  return {
    ...node,
    machine: machineOf(found, found.instanceView),
    guestAgent: agent === 'ProvisioningState/succeeded' ? 'ready' : 'notReady',
    paused: tag !== undefined && tag.toLowerCase() !== 'false',
    platform: await platformAtFault(deps, found.id ?? ''),
  };
}

/** On a virtual machine: leave it alone. Any value but `false`. */
const pauseTag = 'molcajete-pause';

/** Longer than this the platform's own repair is not waited for. Seconds. */
const platformPatience = 1800;
const healthApi = '2025-05-01';

/** Azure Resource Health: unavailable, and not because a person switched it off. No answer says nothing. */
export async function platformAtFault(deps: Deps, resource: string): Promise<boolean> {
  try {
    const id = `${resource}/providers/Microsoft.ResourceHealth/availabilityStatuses/current`;
    const { properties = {} } = await deps.azure.resources.resources.getById(id, healthApi);
    const {
      availabilityState,
      reasonType,
      occurredTime,
      occuredTime = occurredTime,
    } = properties as Record<string, string>;
    const since = new Date(occuredTime ?? 0);
    return (
      availabilityState === 'Unavailable' &&
      (reasonType === 'Unplanned' || reasonType === 'Planned') &&
      secondsAfter(since, platformPatience) > deps.now()
    );
  } catch {
    return false;
  }
}

/** What the balancer's probe says, by private address. */
type Probes = { up: Set<string>; addresses: Map<number, string> };

/** Undefined when the balancer or its rule is not there: then nobody is served. Any other error is thrown: it says nothing of users. */
export async function probesOf(deps: Deps, server: JumpServer): Promise<Probes | undefined> {
  const inventory = await listInventory(deps.tables, server.name);
  const addresses = new Map<number, string>();
  for (const { key, output } of inventory) {
    const node = parseNodeKey(key);
    if (node?.part === 'networkInterface' && output.privateIPAddress)
      addresses.set(node.number, output.privateIPAddress);
  }
  const up = await orUndefinedIfMissing(balancerHealth(deps, server.name, server.spec));
  return up && { up, addresses };
}

/** The same where a node is only judged: one of which the balancer says nothing may serve users. */
export const probesIfTold = (deps: Deps, server: JumpServer): Promise<Probes | undefined> =>
  probesOf(deps, server).catch(() => undefined);

export function probeOf({ up, addresses }: Probes, { record }: Pick<NodeSight, 'record'>): Pick<NodeSight, 'probe'> {
  const address = addresses.get(record.number);
  return address === undefined ? {} : { probe: up.has(address) ? 'up' : 'down' };
}
