/** What makes the resources that ARM stores work: addresses, networks, balancers, databases and guests. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, DataPlanes } from '../contract.ts';
import type { Addresses } from './addresses.ts';

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

/** `denied` names the rule that drops the flow, `unreachable` that no route leads there, `closed` that nobody listens. */
export interface Connectivity {
  result: 'open' | 'denied' | 'unreachable' | 'closed';
  detail: string;
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

export declare function createFabric(context: Context, options: FabricOptions): Promise<Fabric>;
