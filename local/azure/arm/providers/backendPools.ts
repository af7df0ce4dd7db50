import type { ArmResource } from '../../contract.ts';
import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { key, within } from '../ids.ts';
import type { Draft } from '../kind.ts';
import { asObject, asText, defaults, findAll, idOf, type Json, objects } from '../values.ts';
import { bad } from './networkErrors.ts';
import { memberName } from './networkInterfaces.ts';

/** Members of a NIC pool are written on the NIC: on the pool only their adminState may change, with their names as keys. */
export function checkPool({ resource, env }: Draft, own: Json, name: string): void {
  const addresses = objects(own.loadBalancerBackendAddresses);
  const members = nicMembers(env, `${resource.id}/backendAddressPools/${name}`);
  if (addresses.length === 0) return;
  const byAddress = addresses.filter(
    (item) =>
      asObject(item.properties).ipAddress !== undefined && asObject(item.properties).virtualNetwork !== undefined,
  );
  if (members.length > 0 && byAddress.length > 0)
    throw bad(
      'BackendAddressPoolCannotMixNicAndIp',
      `Backend address pool ${name} has network interfaces; IP addresses cannot be added.`,
    );
  if (members.length === 0) {
    const bare = addresses.find((item) => asObject(item.properties).ipAddress === undefined);
    if (bare)
      throw bad(
        'LoadBalancerBackendAddressIpAddressMissing',
        `Backend address ${asText(bare.name)} of pool ${name} has no ipAddress.`,
      );
    for (const item of addresses) defaults(asObject(item.properties), { adminState: 'None' });
    return;
  }
  const names = members.map(memberName);
  const strange = addresses.find(
    (item) => !names.some((known) => known.toLowerCase() === asText(item.name).toLowerCase()),
  );
  if (strange)
    throw bad(
      'LoadBalancerBackendAddressCannotBeAddedToNicBasedPool',
      `Backend address ${asText(strange.name)} is no member of pool ${name}: members are written on the network interface.`,
    );
}

/** The ipConfigurations that are members of a pool. */
const nicMembers = (env: ArmEnv, pool: string): string[] =>
  env.references
    .of(pool)
    .filter((use) => use.reference.back === 'backendIPConfigurations')
    .map((use) => use.holder);

/** A pool shows its members; their adminState is kept by name. */
export function showMembers(copy: ArmResource, stored: Stored, env: ArmEnv): void {
  for (const pool of objects(copy.properties.backendAddressPools)) {
    const own = asObject(pool.properties);
    const members = nicMembers(env, asText(pool.id));
    if (members.length === 0) continue;
    const kept = objects(own.loadBalancerBackendAddresses);
    own.loadBalancerBackendAddresses = members.map((member) => {
      const name = memberName(member);
      const old = kept.find((item) => asText(item.name).toLowerCase() === name.toLowerCase());
      const nic = objects(env.state.get(member.split('/').slice(0, -2).join('/'))?.properties.ipConfigurations).find(
        (c) => key(asText(c.id)) === key(member),
      );
      return {
        name,
        properties: {
          ipAddress: asObject(nic?.properties).privateIPAddress,
          networkInterfaceIPConfiguration: { id: member },
          adminState: asObject(old?.properties).adminState ?? 'None',
        },
      };
    });
  }
  copy.properties.provisioningState = stored.properties.provisioningState;
}

const memberships = ['loadBalancerBackendAddressPools', 'loadBalancerInboundNatRules'];

/** A deleted balancer, or a deleted part of one, is named by no NIC any more. */
export function dropPools(env: ArmEnv, nic: Stored, gone: string): void {
  const named = memberships.flatMap((list) => findAll(nic, `properties.ipConfigurations[].properties.${list}[]`));
  if (!named.some(({ value }) => within(idOf(value) ?? '', gone))) return;
  env.state.update(nic.id, (copy) => {
    for (const configuration of objects(copy.properties.ipConfigurations)) {
      const own = asObject(configuration.properties);
      for (const list of memberships) {
        const left = objects(own[list]).filter((item) => !within(idOf(item) ?? '', gone));
        if (left.length > 0) own[list] = left;
        else delete own[list];
      }
    }
  });
}
