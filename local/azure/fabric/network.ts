/** The virtual networks as ARM describes them: who has which address, and which flows may pass. */
import type { Context } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import { type Nic, openNicIndex, type Touched } from './nicIndex.ts';
import { type Direction, type End, evaluate, rulesOf } from './nsg.ts';
import { inner, type Json, key, object, objects, parentOf, reference } from './read.ts';

/** Whether a flow passes, and which rule or missing route says so. */
export type Admission = { allowed: true } | { allowed: false; reason: 'denied' | 'unreachable'; detail: string };

export interface Network {
  nic(id: string): Nic | undefined;
  nicOfWire(address: string): Nic | undefined;
  /** The interface with this private address, as seen from a network: its own first, then peered ones. */
  nicOfAddress(networkId: string, address: string): Nic | undefined;
  nicOfVm(vmId: string): Nic | undefined;
  nics(): Nic[];
  poolMembers(poolId: string): Nic[];
  /** Networks that are connected with this one by a peering, ids in lower case. */
  peers(networkId: string): string[];
  /** May a flow from this loopback address reach the interface's port? */
  admit(source: string, destination: Nic, port: number): Admission;
  /** Why the interface reaches the internet, or undefined when it does not. */
  egress(nic: Nic): string | undefined;
  /** Called soon after a change of anything that matters to networks, once for many changes. */
  onChange(listener: (touched: Touched) => void): void;
  close(): void;
}

const allowed: Admission = { allowed: true };
const types = {
  network: 'Microsoft.Network/virtualNetworks',
  peering: 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings',
  balancer: 'Microsoft.Network/loadBalancers',
};

export function openNetwork(context: Context, addresses: Addresses): Network {
  const { state } = context;
  const listeners = new Set<(touched: Touched) => void>();
  let peering: Map<string, string[]> | undefined;
  const endPeers = state.onChange(({ before, after }) => {
    if ((after ?? before)?.type.toLowerCase() === types.network.toLowerCase()) peering = undefined;
  });
  const index = openNicIndex(context, addresses, (touched) => {
    for (const listener of listeners) listener(touched);
  });
  const peersOf = (networkId: string): string[] => {
    peering ??= readPeers();
    return peering.get(key(networkId)) ?? [];
  };

  /** A peering works when both sides have one and neither forbids it. */
  function readPeers(): Map<string, string[]> {
    const sides = new Set<string>();
    for (const peering of state.list(types.peering)) {
      const remote = reference(peering.properties.remoteVirtualNetwork);
      if (remote && peering.properties.allowVirtualNetworkAccess !== false)
        sides.add(`${parentOf(peering.id)} ${remote}`);
    }
    const peers = new Map<string, string[]>();
    for (const side of sides) {
      const [from = '', to = ''] = side.split(' ');
      if (sides.has(`${to} ${from}`)) peers.set(from, [...(peers.get(from) ?? []), to]);
    }
    return peers;
  }

  const connected = (a: string, b: string): boolean => a === b || peersOf(a).includes(b);
  const subnetGroup = (nic: Nic): string | undefined =>
    reference(state.get(nic.subnetId)?.properties.networkSecurityGroup);

  function judge(
    groups: (string | undefined)[],
    direction: Direction,
    source: End,
    destination: End,
    port: number,
  ): Admission {
    for (const id of groups) {
      const group = id ? state.get(id) : undefined;
      if (!group) continue;
      const flow = { direction, protocol: 'Tcp', source, destination, destinationPort: port } as const;
      const verdict = evaluate(rulesOf(group), flow);
      if (verdict.access === 'Deny') {
        return {
          allowed: false,
          reason: 'denied',
          detail: `rule ${verdict.rule} of ${group.name} (${direction.toLowerCase()})`,
        };
      }
    }
    return allowed;
  }

  function admit(source: string, destination: Nic, port: number): Admission {
    const target: End = { address: destination.address, place: 'network' };
    const groups = [subnetGroup(destination), destination.groupId];
    if (source === addresses.platform) {
      return judge(groups, 'Inbound', { address: '168.63.129.16', place: 'platform' }, target, port);
    }
    const sender = index.byWire.get(source);
    // Nothing lets an address of the internet in by default, but a Standard interface without any group is closed, too.
    if (!sender)
      return groups.some(Boolean)
        ? judge(groups, 'Inbound', { address: source, place: 'internet' }, target, port)
        : closed;
    if (!connected(destination.networkId, sender.networkId)) {
      return { allowed: false, reason: 'unreachable', detail: 'the networks are not peered' };
    }
    const from: End = { address: sender.address, place: 'network' };
    const out = judge([sender.groupId, subnetGroup(sender)], 'Outbound', from, target, port);
    return out.allowed ? judge(groups, 'Inbound', from, target, port) : out;
  }

  /** Which of the ways out of facts 2.2, 2.5 and 2.6 this interface has. */
  function egress(nic: Nic): string | undefined {
    const subnet = state.get(nic.subnetId)?.properties ?? {};
    if (reference(subnet.natGateway)) return 'NAT gateway';
    if (nic.publicIpId) return 'public IP address';
    const pools = new Set(nic.pools);
    const usesPool = (rule: Json): boolean =>
      [inner(rule).backendAddressPool, ...objects(inner(rule).backendAddressPools)].some((pool) =>
        pools.has(reference(pool) ?? ''),
      );
    for (const balancer of pools.size > 0 ? state.list(types.balancer) : []) {
      if (objects(balancer.properties.outboundRules).some(usesPool)) return 'outbound rule';
      const inbound = objects(balancer.properties.loadBalancingRules);
      if (inbound.some((rule) => inner(rule).disableOutboundSnat !== true && usesPool(rule)))
        return 'load balancing rule';
    }
    return subnet.defaultOutboundAccess === true ? 'default outbound access' : undefined;
  }

  return {
    nic: (id) => index.byId.get(key(id)),
    nicOfWire: (address) => index.byWire.get(address),
    nicOfVm: (vmId) => index.byVm.get(key(vmId)) ?? nicNamedByVm(vmId),
    nicOfAddress(networkId, address) {
      for (const network of [key(networkId), ...peersOf(networkId)]) {
        const nic = index.byAddress.get(`${network} ${address}`);
        if (nic) return nic;
      }
      return undefined;
    },
    nics: () => [...index.byId.values()],
    poolMembers: (poolId) => [...(index.byPool.get(key(poolId))?.values() ?? [])],
    peers: peersOf,
    admit,
    egress,
    onChange: (listener) => void listeners.add(listener),
    close() {
      listeners.clear();
      endPeers();
      index.close();
    },
  };

  /** ARM writes the interface's back reference when the VM's creation ends; the guest boots before. */
  function nicNamedByVm(vmId: string): Nic | undefined {
    const profile = object(state.get(vmId)?.properties.networkProfile);
    const interfaces = objects(profile.networkInterfaces);
    const primary = interfaces.find((i) => object(i.properties).primary === true) ?? interfaces[0];
    const id = reference(primary);
    return id ? index.byId.get(id) : undefined;
  }
}

const closed: Admission = {
  allowed: false,
  reason: 'denied',
  detail: 'no network security group: a Standard interface is closed to the internet until one allows traffic',
};
