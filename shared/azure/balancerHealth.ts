import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';
import { namesOf, parts } from './names.ts';

/** Private addresses of the nodes that the balancer sends users to. Throws when there is no balancer, or no rule in it. */
export async function balancerHealth(deps: Deps, jumpServer: string, spec: JumpServerSpec): Promise<Set<string>> {
  const { resourceGroup } = spec;
  const { loadBalancer } = namesOf(jumpServer, { subscriptionId: deps.config.AZURE_SUBSCRIPTION_ID, resourceGroup });
  const health = await deps.azure.network.loadBalancerLoadBalancingRules.health(
    resourceGroup,
    loadBalancer,
    parts.rule,
  );
  const members = health.loadBalancerBackendAddresses ?? [];
  return new Set(members.flatMap(({ state, ipAddress }) => (state === 'Up' && ipAddress ? [ipAddress] : [])));
}
