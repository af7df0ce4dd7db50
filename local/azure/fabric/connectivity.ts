/** "Would this flow pass?", answered from the same rules that the proxies enforce. */
import type { ArmResource, Context } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import type { LoadBalancers } from './loadBalancer.ts';
import type { Network } from './network.ts';
import type { Nics } from './nic.ts';
import type { Nic } from './nicIndex.ts';
import type { PrivateEndpoints } from './privateEndpoint.ts';
import { key, object } from './read.ts';

/** `denied` names the rule that drops the flow, `unreachable` that no route leads there, `closed` that nobody listens. */
export interface Connectivity {
  result: 'open' | 'denied' | 'unreachable' | 'closed';
  detail: string;
}

export interface ConnectivityParts {
  context: Context;
  addresses: Addresses;
  network: Network;
  nics: Nics;
  balancers: LoadBalancers;
  endpoints: PrivateEndpoints;
}

/** See `Fabric.connectivity`. */
export function connectivity(parts: ConnectivityParts, from: string, to: string, port: number): Connectivity {
  const source = sourceAddress(parts, from);
  const target = parts.context.state.get(to);
  if (!source || !target) {
    return {
      result: 'unreachable',
      detail: `${source ? to : from} is not a network interface, VM, endpoint or address`,
    };
  }
  const type = target.type.toLowerCase();
  if (type === 'microsoft.network/privateendpoints') return toEndpoint(parts, source, target, port);
  if (type === 'microsoft.network/publicipaddresses') return toPublicIp(parts, source, target, port);
  if (type === 'microsoft.dbformysql/flexibleservers') return toServer(source, target);
  const nic = nicOf(parts, to);
  return nic
    ? toNic(parts, source, nic, port)
    : { result: 'unreachable', detail: `${target.name} has no network interface` };
}

const nicOf = ({ network }: ConnectivityParts, id: string): Nic | undefined => network.nic(id) ?? network.nicOfVm(id);

const sourceAddress = (parts: ConnectivityParts, from: string): string | undefined =>
  from.startsWith('/') ? nicOf(parts, from)?.wire : from;

function toNic({ network, nics }: ConnectivityParts, source: string, nic: Nic, port: number): Connectivity {
  const admission = network.admit(source, nic, port);
  if (!admission.allowed) return { result: admission.reason, detail: admission.detail };
  return nics.listensOn(nic.id, port)
    ? { result: 'open', detail: `${nic.address}:${port}` }
    : { result: 'closed', detail: `nothing listens on ${nic.address}:${port}` };
}

function toEndpoint(
  { endpoints }: ConnectivityParts,
  source: string,
  endpoint: ArmResource,
  port: number,
): Connectivity {
  const admission = endpoints.admit(source, endpoint);
  if (!admission.allowed) return { result: admission.reason, detail: admission.detail };
  if (port !== endpoints.portOf(endpoint)) return { result: 'closed', detail: `the endpoint has no port ${port}` };
  return endpoints.targetOf(endpoint)
    ? { result: 'open', detail: endpoint.name }
    : { result: 'closed', detail: 'the server behind the endpoint is down' };
}

/** The server's public door: shut unless public access is on and a firewall rule lets the address in. Nothing opens it for real here. */
function toServer(source: string, server: ArmResource): Connectivity {
  const access = object(server.properties.network).publicNetworkAccess;
  if (access === 'Disabled') return { result: 'denied', detail: `publicNetworkAccess of ${server.name} is Disabled` };
  return {
    result: 'open',
    detail: `publicNetworkAccess of ${server.name} is ${access ?? 'not set'}; ${source} is one firewall rule away`,
  };
}

function toPublicIp(parts: ConnectivityParts, source: string, publicIp: ArmResource, port: number): Connectivity {
  const behind = parts.balancers.membersBehind(publicIp.id, port);
  if (behind) {
    const [first] = behind.nics;
    return first
      ? toNic(parts, source, first, behind.backendPort)
      : { result: 'closed', detail: 'no healthy member stands behind the balancer' };
  }
  const nic = parts.network.nics().find((one) => one.publicIpId === key(publicIp.id));
  return nic ? toNic(parts, source, nic, port) : { result: 'closed', detail: `${publicIp.name} leads nowhere` };
}
