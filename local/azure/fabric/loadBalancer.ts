/** Load balancers: a TCP proxy for each rule on its public address, behind real probes. */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { type ArmResource, AzureFailure, type Context, type DataPlane } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import { type AdminState, adminState, type BalancerRule, rulesOfBalancer } from './balancerModel.ts';
import { type ProbeRun, runProbe } from './health.ts';
import type { Network } from './network.ts';
import { FlowError, type Nics } from './nic.ts';
import type { Nic } from './nicIndex.ts';
import { key, parentOf } from './read.ts';
import { drop, join, type Listener, listen, realPort } from './sockets.ts';

interface Balancer {
  rules: BalancerRule[];
  /** By rule name; absent while nothing healthy stands behind it, so that clients are refused. */
  listeners: Map<string, { place: string; listener: Listener }>;
  /** By probe id. */
  probes: Map<string, { spec: string; run: ProbeRun }>;
  turn: Promise<void>;
  waiting: boolean;
  gone: boolean;
}

interface MemberState {
  nic: Nic;
  up: boolean;
  reason: string;
}

export interface LoadBalancers {
  dataPlane: DataPlane;
  /** The members that would take a new flow to this public address and port, or undefined when no rule is there. */
  membersBehind(publicIpId: string, frontendPort: number): { nics: Nic[]; backendPort: number } | undefined;
  close(): Promise<void>;
}

const newBalancer = (): Balancer => ({
  rules: [],
  listeners: new Map(),
  probes: new Map(),
  turn: Promise.resolve(),
  waiting: false,
  gone: false,
});

const byAdmin: Record<Exclude<AdminState, 'None'>, { up: boolean; reason: string }> = {
  Up: { up: true, reason: 'Up_Admin' },
  Down: { up: false, reason: 'Down_Admin' },
};

export function openLoadBalancers(
  context: Context,
  parts: { network: Network; nics: Nics; addresses: Addresses; factor: number },
): LoadBalancers {
  const { network, nics, addresses } = parts;
  const balancers = new Map<string, Balancer>();

  const members = (rule: BalancerRule): Nic[] => {
    if (rule.ipConfigurationId)
      return network.nics().filter((nic) => key(nic.ipConfigurationId) === rule.ipConfigurationId);
    return rule.poolIds.flatMap((poolId) => network.poolMembers(poolId));
  };

  function memberStates(balancer: Balancer, rule: BalancerRule): MemberState[] {
    const run = rule.probe ? balancer.probes.get(rule.probe.id)?.run : undefined;
    const states = members(rule).map((nic) => {
      if (!rule.probe) return { nic, up: true, reason: 'NA' };
      const pool = rule.poolIds.find((poolId) => nic.pools.includes(poolId));
      const admin = adminState(pool ? context.state.get(pool) : undefined, nic.id, nic.ipConfigurationId);
      const health = run?.healthOf(nic.id) ?? { up: false, reason: 'Down_Probe_ApproachingHealthyThreshold' };
      return admin === 'None' ? { nic, ...health } : { nic, ...byAdmin[admin] };
    });
    if (rule.allDownMeansUp && !states.some((state) => state.up)) {
      return states.map(({ nic }) => ({ nic, up: true, reason: 'Up_Probe_AllDownIsUp' }));
    }
    return states;
  }

  const healthy = (balancer: Balancer, rule: BalancerRule): Nic[] =>
    memberStates(balancer, rule).flatMap(({ nic, up }) => (up ? [nic] : []));

  function accept(balancer: Balancer, rule: BalancerRule, socket: Socket): void {
    const source = socket.remoteAddress ?? '';
    const nic = choose(healthy(balancer, rule), rule, socket);
    if (!nic) {
      socket.resetAndDestroy();
      return;
    }
    nics.connect(source, nic, rule.backendPort).then(
      (member) => join(socket, member, rule.idleTimeoutMs),
      (error: unknown) => {
        if (error instanceof FlowError && error.kind === 'dropped') drop(socket);
        else socket.resetAndDestroy();
      },
    );
  }

  async function reconcile(balancer: Balancer): Promise<void> {
    reconcileProbes(balancer);
    const wanted = new Map<string, { place: string; rule: BalancerRule }>();
    for (const rule of balancer.rules) {
      if (!context.state.get(rule.publicIpId) || healthy(balancer, rule).length === 0) continue;
      const place = `${addresses.allocate('publicIp', rule.publicIpId)}:${realPort(rule.frontendPort)}`;
      wanted.set(rule.name, { place, rule });
    }
    for (const [name, { place, listener }] of balancer.listeners) {
      if (wanted.get(name)?.place === place) continue;
      balancer.listeners.delete(name);
      // Established flows outlive their rule's last healthy member.
      await listener.close();
    }
    for (const [name, { place, rule }] of wanted) {
      if (balancer.listeners.has(name)) continue;
      const [host = '', port = ''] = place.split(':');
      const onSocket = (socket: Socket): void =>
        accept(balancer, balancer.rules.find((r) => r.name === name) ?? rule, socket);
      balancer.listeners.set(name, { place, listener: await listen(host, Number(port), onSocket) });
    }
  }

  function reconcileProbes(balancer: Balancer): void {
    const wanted = new Map(balancer.rules.flatMap(({ probe }) => (probe ? [[probe.id, probe] as const] : [])));
    for (const [id, { spec, run }] of balancer.probes) {
      const probe = wanted.get(id);
      if (probe && JSON.stringify(probe) === spec) continue;
      run.close();
      balancer.probes.delete(id);
    }
    for (const [id, probe] of wanted) {
      if (balancer.probes.has(id)) continue;
      const watched = (): Nic[] => [
        ...new Map(
          balancer.rules
            .filter((rule) => rule.probe?.id === id)
            .flatMap((rule) => members(rule).map((nic) => [nic.id, nic])),
        ).values(),
      ];
      const run = runProbe(probe, {
        network,
        nics,
        platform: addresses.platform,
        members: watched,
        onChange: () => void inTurn(balancer),
      });
      balancer.probes.set(id, { spec: JSON.stringify(probe), run });
    }
  }

  /** One thing at a time for each balancer: two would bind the same address twice. A turn that waits serves everyone who asks meanwhile. */
  function inTurn(balancer: Balancer): Promise<void> {
    if (balancer.waiting) return balancer.turn;
    balancer.waiting = true;
    balancer.turn = balancer.turn
      .then(() => {
        balancer.waiting = false;
        return balancer.gone ? undefined : reconcile(balancer);
      })
      .catch((error: Error) => context.log(`Load balancer: ${error.message}`));
    return balancer.turn;
  }

  async function shut(balancer: Balancer): Promise<void> {
    balancer.gone = true;
    await balancer.turn;
    for (const { run } of balancer.probes.values()) run.close();
    for (const { listener } of balancer.listeners.values()) await listener.close(true);
  }

  network.onChange(({ ids, pools }) => {
    const isTouched = ({ poolIds, publicIpId, ipConfigurationId }: BalancerRule): boolean =>
      ids.has(publicIpId) ||
      poolIds.some((pool) => pools.has(pool)) ||
      (ipConfigurationId !== undefined && ids.has(parentOf(ipConfigurationId)));
    for (const balancer of balancers.values()) if (balancer.rules.some(isTouched)) void inTurn(balancer);
  });

  return {
    dataPlane: {
      async apply(resource) {
        const known = balancers.get(key(resource.id)) ?? newBalancer();
        balancers.set(key(resource.id), known);
        known.rules = rulesOfBalancer(resource, parts.factor);
        await inTurn(known);
        return undefined;
      },
      async remove(resource) {
        const balancer = balancers.get(key(resource.id));
        balancers.delete(key(resource.id));
        if (balancer) await shut(balancer);
      },
      async act(resource, action) {
        const name = /^loadBalancingRules\/([^/]+)\/health$/i.exec(action)?.[1];
        if (!name) throw new AzureFailure('NotFound', `A load balancer has no action '${action}'.`, 404);
        return ruleHealth(resource, name);
      },
    },
    membersBehind(publicIpId, frontendPort) {
      for (const balancer of balancers.values()) {
        const rule = balancer.rules.find((r) => r.publicIpId === key(publicIpId) && r.frontendPort === frontendPort);
        if (rule) return { nics: healthy(balancer, rule), backendPort: rule.backendPort };
      }
      return undefined;
    },
    async close() {
      const all = [...balancers.values()];
      balancers.clear();
      for (const balancer of all) await shut(balancer);
    },
  };

  /** The answer of fact 2.6. */
  function ruleHealth(resource: ArmResource, name: string): Record<string, unknown> {
    const balancer = balancers.get(key(resource.id));
    const rule = balancer?.rules.find((r) => r.name.toLowerCase() === name.toLowerCase());
    if (!balancer || !rule)
      throw new AzureFailure('NotFound', `Load balancing rule '${name}' of ${resource.name} was not found.`, 404);
    if (!rule.probe) {
      throw new AzureFailure(
        'LoadBalancingRuleHasNoProbe',
        `Load balancing rule '${name}' has no probe, so it has no health.`,
        400,
      );
    }
    const states = memberStates(balancer, rule);
    const up = states.filter((state) => state.up).length;
    return {
      up,
      down: states.length - up,
      loadBalancerBackendAddresses: states.map((state) => ({
        ipAddress: state.nic.address,
        networkInterfaceIPConfigurationId: state.nic.ipConfigurationId,
        state: state.up ? 'Up' : 'Down',
        reason: state.reason,
      })),
    };
  }
}

/** Azure's default hashes the five-tuple, so that one client's connections spread; the other keeps a client on one member. */
function choose(candidates: Nic[], rule: BalancerRule, socket: Socket): Nic | undefined {
  if (candidates.length === 0) return undefined;
  const tuple = rule.bySourceOnly
    ? [socket.remoteAddress, socket.localAddress]
    : [socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort, 'tcp'];
  const hash = createHash('sha256').update(tuple.join(' ')).digest().readUInt32BE(0);
  return candidates[hash % candidates.length];
}
