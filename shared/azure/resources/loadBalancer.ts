import type { LoadBalancer } from '@azure/arm-network';
import { nodePorts } from '../../node/ports.ts';
import { mostNodes } from '../../scaling/scalingSpec.ts';
import type { Blueprint } from '../blueprint.ts';
import { parts } from '../names.ts';
import { type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/loadBalancers';

/** One PUT carries everything, and replaces it: sub-resources that others added go back with it. */
export function loadBalancer(blueprint: Blueprint): Resource {
  const { names, spec, place } = blueprint;
  const id = blueprint.id(type, names.loadBalancer);
  return resource<LoadBalancer, LoadBalancer>({
    key: 'loadBalancer',
    type,
    id,
    dependsOn: ['publicIpAddress'],
    writeQueue: id,
    get: (azure) => azure.network.loadBalancers.get(place.resourceGroup, names.loadBalancer),
    desired: (found) =>
      bodyToPut<LoadBalancer>(found, {
        location: spec.location,
        tags: tagsOver(found, blueprint),
        sku: { name: 'Standard' },
        ...document(blueprint, id),
      }),
    put: (azure, body) => azure.network.loadBalancers.createOrUpdate(place.resourceGroup, names.loadBalancer, body),
    output: () => ({ rule: parts.rule }),
  });
}

/** References inside the body are full ids of what the same body makes. */
function document(blueprint: Blueprint, id: string): LoadBalancer {
  const frontend = { id: `${id}/frontendIPConfigurations/${parts.frontend}` };
  const pool = { id: `${id}/backendAddressPools/${parts.pool}` };
  return {
    frontendIPConfigurations: [
      {
        name: parts.frontend,
        publicIPAddress: { id: blueprint.id('Microsoft.Network/publicIPAddresses', blueprint.names.publicIpAddress) },
      },
    ],
    // Members are written on their network interfaces: load-balancer/backend-pool-management.
    backendAddressPools: [{ name: parts.pool }],
    probes: [
      {
        name: parts.probe,
        protocol: 'Http',
        port: nodePorts.probe,
        requestPath: '/health',
        intervalInSeconds: 5,
        // numberOfProbes is not honoured by the platform, probeThreshold is: load-balancer/load-balancer-custom-probe-overview.
        probeThreshold: 2,
      },
    ],
    loadBalancingRules: [
      {
        name: parts.rule,
        protocol: 'Tcp',
        frontendPort: blueprint.spec.ingress.port,
        backendPort: nodePorts.ingress,
        frontendIPConfiguration: frontend,
        backendAddressPool: pool,
        probe: { id: `${id}/probes/${parts.probe}` },
        loadDistribution: 'Default',
        idleTimeoutInMinutes: 30,
        enableTcpReset: true,
        // Demanded beside an outbound rule on the same frontend:
        // LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule.
        disableOutboundSnat: true,
      },
    ],
    outboundRules: [
      {
        name: parts.outboundRule,
        protocol: 'All',
        frontendIPConfigurations: [frontend],
        backendAddressPool: pool,
        // Fixed: with Azure's own allocation a growing pool takes ports, and with them open connections, from its members.
        // One address has 64,000 ports, given out in eights: load-balancer/outbound-rules.
        // Each node's for its own connections out.
        allocatedOutboundPorts: 64_000 / mostNodes,
        enableTcpReset: true,
        idleTimeoutInMinutes: 4,
      },
    ],
  };
}
