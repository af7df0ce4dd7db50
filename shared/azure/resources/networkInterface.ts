import type { NetworkInterface } from '@azure/arm-network';
import type { Blueprint } from '../blueprint.ts';
import { networkInterfaceName, nodeKey, parts } from '../names.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/networkInterfaces';

/** A node's place in the network and in the balancer's pool. It outlives its virtual machine, and so does its address. */
export function networkInterface(blueprint: Blueprint, node: string, number: number): Resource {
  const { names, spec, place } = blueprint;
  const name = networkInterfaceName(node);
  const network = blueprint.id('Microsoft.Network/virtualNetworks', names.virtualNetwork);
  const balancer = blueprint.id('Microsoft.Network/loadBalancers', names.loadBalancer);
  return resource<NetworkInterface, NetworkInterface>({
    key: nodeKey(number, 'networkInterface'),
    type,
    id: blueprint.id(type, name),
    dependsOn: ['virtualNetwork', 'loadBalancer'],
    get: (azure) => azure.network.networkInterfaces.get(place.resourceGroup, name),
    desired: (found) =>
      bodyToPut<NetworkInterface>(found, {
        location: spec.location,
        tags: tagsOver(found, blueprint),
        ipConfigurations: [
          {
            name: parts.ipConfiguration,
            primary: true,
            subnet: { id: `${network}/subnets/${parts.webSubnet}` },
            // A dynamic address stays until the interface is deleted.
            privateIPAllocationMethod: 'Dynamic',
            loadBalancerBackendAddressPools: [{ id: `${balancer}/backendAddressPools/${parts.pool}` }],
          },
        ],
      }),
    put: (azure, body) => azure.network.networkInterfaces.createOrUpdate(place.resourceGroup, name, body),
    output: (found) => ({ privateIPAddress: found.ipConfigurations?.[0]?.privateIPAddress ?? '' }),
  });
}
