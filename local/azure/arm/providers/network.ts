import type { Provider } from '../provider.ts';
import { effectiveActions } from './effective.ts';
import { loadBalancers } from './loadBalancers.ts';
import { networkBasics } from './networkBasics.ts';
import { networkInterfaces } from './networkInterfaces.ts';
import { privateEndpoints } from './privateEndpoints.ts';
import { securityGroups } from './securityGroups.ts';
import { virtualNetworks } from './virtualNetworks.ts';

const limits: [name: string, type: string, limit: number][] = [
  ['VirtualNetworks', 'Microsoft.Network/virtualNetworks', 1000],
  ['NetworkSecurityGroups', 'Microsoft.Network/networkSecurityGroups', 5000],
  ['StandardSkuPublicIpAddresses', 'Microsoft.Network/publicIPAddresses', 1000],
  ['NetworkInterfaces', 'Microsoft.Network/networkInterfaces', 65536],
  ['StandardSkuLoadBalancers', 'Microsoft.Network/loadBalancers', 1000],
  ['PrivateEndpoints', 'Microsoft.Network/privateEndpoints', 65536],
];

export const network: Provider = {
  namespace: 'Microsoft.Network',
  kinds: [
    ...virtualNetworks,
    ...securityGroups,
    ...networkBasics,
    ...networkInterfaces.map((kind) => ({ ...kind, actions: effectiveActions })),
    ...loadBalancers,
    ...privateEndpoints,
  ],
  routes: [
    {
      method: 'GET',
      pattern: '/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/usages',
      permission: 'Microsoft.Network/locations/usages/read',
      handle: (env) => ({
        status: 200,
        body: {
          value: limits.map(([name, type, limit]) => ({
            currentValue: env.state.list(type).length,
            limit,
            name: { localizedValue: name, value: name },
            unit: 'Count',
          })),
        },
      }),
    },
  ],
};
