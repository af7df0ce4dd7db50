import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { parentId } from '../ids.ts';
import type { ActionRule } from '../kind.ts';
import { asObject, asText, idOf, type Json, objects } from '../values.ts';
import { machineOf } from './networkInterfaces.ts';
import { powerOf } from './vmView.ts';

/** What really acts on an interface: asked of the host, so the VM has to run. */

function checkRunning(nic: Stored, _body: Json, env: ArmEnv): void {
  const machine = env.state.get(machineOf(env, nic.id) ?? '');
  if (machine !== undefined && powerOf(machine) === 'running') return;
  throw new ArmError(
    400,
    'NetworkInterfaceNotAttachedToRunningVM',
    `Network interface ${nic.id} is not attached to a running VM.`,
  );
}

const subnetsOf = (nic: Stored, env: ArmEnv): Stored[] =>
  objects(nic.properties.ipConfigurations).flatMap(
    (configuration) => env.state.get(idOf(asObject(configuration.properties).subnet) ?? '') ?? [],
  );

function effectiveGroups(nic: Stored, env: ArmEnv): Json[] {
  const held = [...subnetsOf(nic, env).map((subnet) => ({ subnet })), { nic }] as { subnet?: Stored; nic?: Stored }[];
  return held.flatMap(({ subnet }) => {
    const owner = subnet ?? nic;
    const group = env.state.get(idOf(owner.properties.networkSecurityGroup) ?? '');
    if (group === undefined) return [];
    const rules = [...objects(group.properties.securityRules), ...objects(group.properties.defaultSecurityRules)];
    return [
      {
        networkSecurityGroup: { id: group.id },
        association: subnet ? { subnet: { id: subnet.id } } : { networkInterface: { id: nic.id } },
        effectiveSecurityRules: rules.map((rule) => ({ name: rule.name, ...asObject(rule.properties) })),
      },
    ];
  });
}

function effectiveRoutes(nic: Stored, env: ArmEnv): Json[] {
  const networks = subnetsOf(nic, env).flatMap((subnet) => env.state.get(parentId(subnet.id)) ?? []);
  const route = (nextHopType: string, addressPrefix: unknown[]) => ({
    source: 'Default',
    state: 'Active',
    addressPrefix,
    nextHopType,
  });
  const own = networks.flatMap((network) => asObject(network.properties.addressSpace).addressPrefixes as string[]);
  const peered = networks
    .flatMap((network) => objects(network.properties.virtualNetworkPeerings))
    .map((peering) => asObject(peering.properties))
    .filter((peering) => peering.peeringState === 'Connected')
    .flatMap((peering) => (asObject(peering.remoteAddressSpace).addressPrefixes as string[] | undefined) ?? []);
  return [
    route('VnetLocal', own),
    ...(peered.length > 0 ? [route('VNetPeering', peered)] : []),
    route('Internet', ['0.0.0.0/0']),
  ].map((one) => ({ ...one, name: asText(one.nextHopType) }));
}

export const effectiveActions: Record<string, ActionRule> = {
  effectiveNetworkSecurityGroups: {
    free: true,
    check: checkRunning,
    work: async (nic, env) => ({ value: effectiveGroups(nic, env) }),
  },
  effectiveRouteTable: {
    free: true,
    check: checkRunning,
    work: async (nic, env) => ({ value: effectiveRoutes(nic, env) }),
  },
};
