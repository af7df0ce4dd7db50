import { type Blueprint, blueprintOf, type Environment } from './azure/blueprint.ts';
import { nodeKey, nodeName } from './azure/names.ts';
import type { Resource } from './azure/resource.ts';
import { availabilitySet } from './azure/resources/availabilitySet.ts';
import { ddosProtectionPlan } from './azure/resources/ddosProtectionPlan.ts';
import { keyVault } from './azure/resources/keyVault.ts';
import { loadBalancer } from './azure/resources/loadBalancer.ts';
import { mysqlServer } from './azure/resources/mysqlServer.ts';
import { networkInterface } from './azure/resources/networkInterface.ts';
import { dataNetworkSecurityGroup, webNetworkSecurityGroup } from './azure/resources/networkSecurityGroup.ts';
import { dnsZone, dnsZoneLink } from './azure/resources/privateDnsZone.ts';
import { controlEndpointDns, dataEndpointDns } from './azure/resources/privateDnsZoneGroup.ts';
import { controlEndpoint, dataEndpoint } from './azure/resources/privateEndpoint.ts';
import { publicIpAddress } from './azure/resources/publicIpAddress.ts';
import { resourceGroup } from './azure/resources/resourceGroup.ts';
import { vaultRole } from './azure/resources/roleAssignment.ts';
import { userAssignedIdentity } from './azure/resources/userAssignedIdentity.ts';
import { virtualMachine } from './azure/resources/virtualMachine.ts';
import { virtualNetwork } from './azure/resources/virtualNetwork.ts';
import { peerings } from './azure/resources/virtualNetworkPeering.ts';
import type { JumpServerSpec } from './spec.ts';
import type { NodeRecord } from './store/nodes.ts';

export type { Environment } from './azure/blueprint.ts';

/**
 * What a jump server is made of: every Azure resource of its spec, each after those it depends on. Pure. The database comes
 * first after its group, because it takes longest; the reverse of the dependencies is the order to delete in.
 * @param nodes numbers of the nodes it has; scaling makes others than the first `web.count`
 */
export function topology(
  name: string,
  spec: JumpServerSpec,
  environment: Environment,
  nodes: readonly number[] = firstNodes(spec),
): Resource[] {
  const blueprint = blueprintOf(name, spec, environment);
  return [
    resourceGroup(blueprint),
    mysqlServer(blueprint),
    webNetworkSecurityGroup(blueprint),
    dataNetworkSecurityGroup(blueprint),
    ...(spec.network.ddosProtection ? [ddosProtectionPlan(blueprint)] : []),
    virtualNetwork(blueprint),
    ...peerings(blueprint),
    publicIpAddress(blueprint),
    loadBalancer(blueprint),
    availabilitySet(blueprint),
    userAssignedIdentity(blueprint),
    keyVault(blueprint),
    vaultRole(blueprint),
    dnsZone(blueprint),
    dnsZoneLink(blueprint),
    dataEndpoint(blueprint),
    dataEndpointDns(blueprint),
    controlEndpoint(blueprint),
    controlEndpointDns(blueprint),
    ...nodes.flatMap((number) => nodeResources(blueprint, number)),
  ];
}

/**
 * The same for the nodes as they are meant to be. The machine of a deallocated one is no more than looked after: made again it would run,
 * and nobody would switch it off. Who starts the node makes it.
 */
export function topologyOf(
  name: string,
  spec: JumpServerSpec,
  environment: Environment,
  nodes: readonly Pick<NodeRecord, 'number' | 'state'>[],
): Resource[] {
  const deallocated = new Set(
    nodes.filter(({ state }) => state === 'deallocated').map(({ number }) => nodeKey(number, 'virtualMachine')),
  );
  const numbers = nodes.map(({ number }) => number);
  return topology(name, spec, environment, numbers).map((one) => (deallocated.has(one.key) ? onlyIfThere(one) : one));
}

const onlyIfThere = (resource: Resource): Resource => ({
  ...resource,
  async look(azure, outputs) {
    const look = await resource.look(azure, outputs);
    return look.observed === 'missing' ? { observed: 'ready', output: {}, change: undefined } : look;
  },
});

const firstNodes = (spec: JumpServerSpec): number[] => Array.from({ length: spec.web.count }, (_, index) => index + 1);

function nodeResources(blueprint: Blueprint, number: number): Resource[] {
  const node = nodeName(blueprint.name, number);
  return [networkInterface(blueprint, node, number), virtualMachine(blueprint, node, number)];
}
