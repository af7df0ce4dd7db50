/** What a stored load balancer says, in the form its proxy needs. Pure. */
import type { ArmResource } from '../contract.ts';
import type { Probe } from './probe.ts';
import { inner, type Json, lastName, object, objects, reference, text } from './read.ts';

export interface BalancerRule {
  name: string;
  publicIpId: string;
  frontendPort: number;
  backendPort: number;
  poolIds: string[];
  /** An inbound NAT rule's single target instead of pools. */
  ipConfigurationId?: string;
  probe?: Probe & { id: string };
  /** `SourceIP` keeps a client on one member; the default spreads its connections. */
  bySourceOnly: boolean;
  allDownMeansUp: boolean;
  idleTimeoutMs: number;
}

/** Least time between two probes of one member, whatever the factor. */
const leastIntervalMs = 1000;
const probeTimeoutMs = 2000;

/** Rules for TCP with a public frontend; others carry nothing locally. */
export function rulesOfBalancer(balancer: ArmResource, factor: number): BalancerRule[] {
  const properties = balancer.properties;
  const frontends = byId(objects(properties.frontendIPConfigurations));
  const probes = byId(objects(properties.probes));
  const publicIpOf = (rule: Json) =>
    reference(inner(frontends.get(reference(rule.frontendIPConfiguration) ?? '') ?? {}).publicIPAddress);

  const balanced = objects(properties.loadBalancingRules).flatMap((element) => {
    const rule = inner(element);
    const publicIpId = publicIpOf(rule);
    if (!publicIpId || rule.protocol === 'Udp') return [];
    const pools = [
      rule.backendAddressPool,
      ...(Array.isArray(rule.backendAddressPools) ? rule.backendAddressPools : []),
    ];
    return [
      {
        ...common(element, rule, publicIpId),
        poolIds: [...new Set(pools.flatMap((pool) => reference(pool) ?? []))],
        probe: readProbe(probes.get(reference(rule.probe) ?? ''), factor),
        allDownMeansUp:
          inner(probes.get(reference(rule.probe) ?? '') ?? {}).noHealthyBackendsBehavior === 'AllProbedUp',
      },
    ];
  });
  const translated = objects(properties.inboundNatRules).flatMap((element) => {
    const rule = inner(element);
    const publicIpId = publicIpOf(rule);
    const target = reference(rule.backendIPConfiguration);
    return publicIpId && target
      ? [{ ...common(element, rule, publicIpId), poolIds: [], ipConfigurationId: target }]
      : [];
  });
  return [...balanced, ...translated];
}

function common(element: Json, rule: Json, publicIpId: string) {
  return {
    name: text(element.name) ?? '',
    publicIpId,
    frontendPort: Number(rule.frontendPort),
    backendPort: Number(rule.backendPort ?? rule.frontendPort),
    bySourceOnly: rule.loadDistribution === 'SourceIP' || rule.loadDistribution === 'SourceIPProtocol',
    allDownMeansUp: false,
    idleTimeoutMs: Number(rule.idleTimeoutInMinutes ?? 4) * 60_000,
  };
}

function readProbe(element: Json | undefined, factor: number): BalancerRule['probe'] {
  if (!element) return undefined;
  const probe = inner(element);
  const protocol = probe.protocol === 'Http' || probe.protocol === 'Https' ? probe.protocol : 'Tcp';
  return {
    id: reference(element) ?? '',
    protocol,
    port: Number(probe.port),
    path: text(probe.requestPath) ?? '/',
    intervalMs: Math.max(leastIntervalMs, Number(probe.intervalInSeconds ?? 15) * 1000 * factor),
    timeoutMs: probeTimeoutMs,
    // `numberOfProbes` is not honoured by the service, only the threshold is.
    threshold: Number(probe.probeThreshold ?? 1),
  };
}

const byId = (elements: Json[]): Map<string, Json> =>
  new Map(elements.flatMap((element) => (reference(element) ? [[reference(element) ?? '', element] as const] : [])));

export type AdminState = 'Up' | 'Down' | 'None';

/** `None`, the default, leaves it to the probe. Members of an interface's pool are named `{group}_{nic}{ipConfiguration}`. */
export function adminState(pool: ArmResource | undefined, nicId: string, ipConfigurationId: string): AdminState {
  const group = /\/resourceGroups\/([^/]+)/i.exec(nicId)?.[1] ?? '';
  const name = `${group}_${lastName(nicId)}${lastName(ipConfigurationId)}`.toLowerCase();
  const member = objects(pool?.properties.loadBalancerBackendAddresses).find(
    (address) => text(address.name)?.toLowerCase() === name,
  );
  const state = object(member?.properties).adminState;
  return state === 'Up' || state === 'Down' ? state : 'None';
}
