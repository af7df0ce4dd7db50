/** What makes the resources that ARM stores work: addresses, networks, balancers, databases and guests. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Context, DataPlane, DataPlanes } from '../contract.ts';
import { openGuests } from '../guest/guests.ts';
import type { Addresses } from './addresses.ts';
import { type Connectivity, connectivity } from './connectivity.ts';
import { hostsFileOf, openDns } from './dns.ts';
import { openLoadBalancers } from './loadBalancer.ts';
import { openMysql } from './mysql.ts';
import { openNetwork } from './network.ts';
import { openNics } from './nic.ts';
import { openPrivateEndpoints } from './privateEndpoint.ts';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface FabricOptions {
  /** From `openAddresses(context.dir, context.range)`; the vaults take theirs from the same one. */
  addresses: Addresses;
  /** The instance metadata service as one VM sees it: `/metadata/identity/oauth2/token`, `/metadata/instance`. */
  imds(vmId: string): RequestHandler;
  /** Multiplies the intervals of health probes; no probe runs more often than once a second. Default 0.02. */
  factor?: number;
  /** Where the prepared MySQL data directory is kept between runs. Default `<dir>/cache`. */
  cacheDir?: string;
}

export interface Fabric {
  /**
   * Actions of the data planes beside ARM's own names (start, powerOff, restart, deallocate, redeploy, reapply, reimage, runCommand;
   * MySQL: start, stop, restart; load balancer: `loadBalancingRules/{rule}/health`):
   * VM `instanceView` answers `{vmAgent: {vmAgentVersion, statuses}}`, `fault:crash`, `fault:freeze`, `fault:isolate` (cured by redeploy
   * only), `fault:lose` (cured by nothing but a new VM); MySQL `fault:stop`, `fault:lose`.
   */
  dataPlanes: DataPlanes;
  /** Would a TCP flow pass? `from`: a NIC's or VM's id, or a client's address (`127.0.0.9`); `to`: a NIC's, VM's, private endpoint's or public IP's id. */
  connectivity(from: string, to: string, port: number): Connectivity;
  /** The file for `LOCAL_DNS_HOSTS` of a process inside this virtual network (see names.ts). */
  hostsFile(virtualNetworkId: string): string;
  /** Stops every process and listener that the fabric started; what is on disk stays. */
  close(): Promise<void>;
}

export async function createFabric(context: Context, options: FabricOptions): Promise<Fabric> {
  const { addresses } = options;
  const network = openNetwork(context, addresses);
  const nics = openNics(context, network, addresses);
  const balancers = openLoadBalancers(context, { network, nics, addresses, factor: options.factor ?? 0.02 });
  const mysql = openMysql(context, {
    addresses,
    cacheDir: options.cacheDir ?? join(context.dir, 'cache'),
    wiresTo: (serverId) => endpoints.wiresTo(serverId),
  });
  const endpoints = openPrivateEndpoints(context, {
    network,
    addresses,
    targets: mysql.target,
    onEndpoint: mysql.refreshCertificate,
  });
  const dns = openDns(context, network, addresses);
  const guests = openGuests({ context, network, nics, addresses, dns, imds: options.imds });

  // The network's indexes follow the state by themselves: these types need no more than their addresses.
  const nic: DataPlane = {
    apply: async (resource) => void addresses.nic(resource.id),
    remove: async (resource) => addresses.release('nic', resource.id),
  };
  const publicIp: DataPlane = {
    apply: async (resource) => ({ ipAddress: addresses.allocate('publicIp', resource.id) }),
    remove: async (resource) => addresses.release('publicIp', resource.id),
  };

  return {
    dataPlanes: {
      'microsoft.network/networkinterfaces': nic,
      'microsoft.network/publicipaddresses': publicIp,
      'microsoft.network/loadbalancers': balancers.dataPlane,
      'microsoft.network/privateendpoints': endpoints.dataPlane,
      'microsoft.network/privatednszones/a': dns.dataPlane,
      'microsoft.network/privatednszones/virtualnetworklinks': dns.dataPlane,
      'microsoft.dbformysql/flexibleservers': mysql.servers,
      'microsoft.dbformysql/flexibleservers/databases': mysql.databases,
      'microsoft.compute/virtualmachines': guests.dataPlane,
    },
    connectivity: (from, to, port) =>
      connectivity({ context, addresses, network, nics, balancers, endpoints }, from, to, port),
    hostsFile: (virtualNetworkId) => hostsFileOf(context.dir, virtualNetworkId),
    async close() {
      network.close();
      dns.close();
      // Guests write to their databases to the last.
      await guests.close();
      await Promise.all([mysql.close(), balancers.close(), endpoints.close(), nics.close()]);
    },
  };
}
