/** Private endpoints: an address inside a network that leads to a database server. */
import type { Socket } from 'node:net';
import { createConnection } from 'node:net';
import type { ArmResource, Context, DataPlane } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import type { Admission, Network } from './network.ts';
import type { Nic } from './nicIndex.ts';
import { key, object, objects, reference, text } from './read.ts';
import { drop, join, type Listener, listen, realPort } from './sockets.ts';

/** The real address behind the endpoint, or undefined while it is down. */
export type Targets = (serverId: string) => { host: string; port: number } | undefined;

export interface PrivateEndpoints {
  dataPlane: DataPlane;
  /** May this loopback address open a flow to the endpoint? */
  admit(source: string, endpoint: ArmResource): Admission;
  nicOf(endpoint: ArmResource): Nic | undefined;
  portOf(endpoint: ArmResource): number;
  targetOf(endpoint: ArmResource): { host: string; port: number } | undefined;
  /** Wire addresses of the endpoints that lead to this server. */
  wiresTo(serverId: string): string[];
  close(): Promise<void>;
}

const ports: Record<string, number> = { mysqlserver: 3306, vault: 443 };
const type = 'Microsoft.Network/privateEndpoints';

export function openPrivateEndpoints(
  context: Context,
  parts: { network: Network; addresses: Addresses; targets: Targets; onEndpoint(serverId: string): Promise<void> },
): PrivateEndpoints {
  const { network, addresses } = parts;
  const applied = new Set<string>();
  const listeners = new Map<string, { place: string; listener: Listener }>();
  let turn: Promise<void> = Promise.resolve();

  const connectionsOf = (endpoint: ArmResource) =>
    [
      ...objects(endpoint.properties.privateLinkServiceConnections),
      ...objects(endpoint.properties.manualPrivateLinkServiceConnections),
    ].map((connection) => object(connection.properties));
  const serverOf = (endpoint: ArmResource): string => text(connectionsOf(endpoint)[0]?.privateLinkServiceId) ?? '';

  function nicOf(endpoint: ArmResource): Nic | undefined {
    const id = reference(objects(endpoint.properties.networkInterfaces)[0]);
    return id ? network.nic(id) : undefined;
  }

  function portOf(endpoint: ArmResource): number {
    const groups = connectionsOf(endpoint)[0]?.groupIds;
    return realPort(ports[String(Array.isArray(groups) ? groups[0] : '').toLowerCase()] ?? 3306);
  }

  function targetOf(endpoint: ArmResource): { host: string; port: number } | undefined {
    const state = object(connectionsOf(endpoint)[0]?.privateLinkServiceConnectionState).status ?? 'Approved';
    return state === 'Approved' ? parts.targets(serverOf(endpoint)) : undefined;
  }

  function admit(source: string, endpoint: ArmResource): Admission {
    const nic = nicOf(endpoint);
    if (!nic) return { allowed: false, reason: 'unreachable', detail: 'the endpoint has no network interface' };
    const sender = network.nicOfWire(source);
    // A process that did not bind its own wire comes from 127.0.0.1: it counts as a member of the endpoint's network.
    if (!sender && source !== '127.0.0.1') {
      return { allowed: false, reason: 'unreachable', detail: 'a private endpoint is not reachable from the internet' };
    }
    if (sender && sender.networkId !== nic.networkId && !network.peers(nic.networkId).includes(sender.networkId)) {
      return { allowed: false, reason: 'unreachable', detail: 'the networks are not peered' };
    }
    const policies = context.state.get(nic.subnetId)?.properties.privateEndpointNetworkPolicies;
    const ruled = policies === 'Enabled' || policies === 'NetworkSecurityGroupEnabled';
    return ruled && sender ? network.admit(source, nic, portOf(endpoint)) : { allowed: true };
  }

  function accept(id: string, socket: Socket): void {
    const endpoint = context.state.get(id);
    const target = endpoint && targetOf(endpoint);
    if (!endpoint || !admit(socket.remoteAddress ?? '', endpoint).allowed) {
      drop(socket);
      return;
    }
    if (!target) {
      socket.resetAndDestroy();
      return;
    }
    const server = createConnection({ ...target, allowHalfOpen: true, noDelay: true });
    server.on('error', () => socket.resetAndDestroy());
    server.once('connect', () => join(socket, server));
    socket.once('close', () => server.destroy());
  }

  async function shut(id: string): Promise<void> {
    const open = listeners.get(id);
    listeners.delete(id);
    await open?.listener.close(true);
  }

  async function reconcile(id: string): Promise<void> {
    const endpoint = context.state.get(id);
    const nic = endpoint && nicOf(endpoint);
    if (!endpoint || !nic) return;
    const port = portOf(endpoint);
    const place = `${nic.wire}:${port}`;
    if (listeners.get(id)?.place === place) return;
    await shut(id);
    listeners.set(id, { place, listener: await listen(nic.wire, port, (socket) => accept(id, socket)) });
    await parts.onEndpoint(serverOf(endpoint));
  }

  /** One at a time: two would bind the same address twice. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const mine = turn.then(work);
    turn = mine.catch((error: Error) => context.log(`Private endpoints: ${error.message}`));
    return mine;
  }

  // ARM makes the endpoint's network interface after it has applied the endpoint.
  network.onChange(() => {
    for (const id of applied) if (!listeners.has(id)) void inTurn(() => reconcile(id)).catch(() => {});
  });

  return {
    dataPlane: {
      async apply(resource) {
        applied.add(key(resource.id));
        await inTurn(() => reconcile(key(resource.id)));
        return undefined;
      },
      remove(resource) {
        applied.delete(key(resource.id));
        return inTurn(() => shut(key(resource.id)));
      },
    },
    admit,
    nicOf,
    portOf,
    targetOf,
    wiresTo: (serverId) =>
      context.state.list(type).flatMap((endpoint) => {
        const nic = key(serverOf(endpoint)) === key(serverId) ? nicOf(endpoint) : undefined;
        return nic ? [addresses.nic(nic.id).wire] : [];
      }),
    async close() {
      applied.clear();
      await turn;
      for (const id of [...listeners.keys()]) await shut(id);
    },
  };
}
