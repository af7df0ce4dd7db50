/** Every network interface that ARM knows, findable by whatever others have of it; kept in step with each change. */
import type { ArmResource, Context } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import { inner, key, objects, parentOf, reference, text } from './read.ts';

/** Ids in lower case, but `id` and `ipConfigurationId`. */
export interface Nic {
  id: string;
  subnetId: string;
  networkId: string;
  /** The private address that ARM shows. */
  address: string;
  /** What others connect to here. */
  wire: string;
  /** The network security group on the interface itself. */
  groupId?: string;
  vmId?: string;
  publicIpId?: string;
  /** The balancers' pools that it is a member of. */
  pools: string[];
  ipConfigurationId: string;
}

/** What a burst of changes was about, ids in lower case. */
export interface Touched {
  ids: Set<string>;
  networks: Set<string>;
  pools: Set<string>;
}

export interface NicIndex {
  byId: Map<string, Nic>;
  byWire: Map<string, Nic>;
  /** `{network id} {address}` → interface. */
  byAddress: Map<string, Nic>;
  byVm: Map<string, Nic>;
  byPool: Map<string, Map<string, Nic>>;
  close(): void;
}

const nicType = 'microsoft.network/networkinterfaces';
const linkType = 'microsoft.network/privatednszones/virtualnetworklinks';
const networkType = 'microsoft.network/virtualnetworks';
/** A thousand jump servers in the making change something hundreds of times a second. */
const gatherMs = 20;

/** `onTouched` is called soon after a change below Microsoft.Network, once for many changes. */
export function openNicIndex(context: Context, addresses: Addresses, onTouched: (touched: Touched) => void): NicIndex {
  const index = {
    byId: new Map<string, Nic>(),
    byWire: new Map<string, Nic>(),
    byAddress: new Map<string, Nic>(),
    byVm: new Map<string, Nic>(),
    byPool: new Map<string, Map<string, Nic>>(),
  };
  let touched: Touched | undefined;
  let notice: NodeJS.Timeout | undefined;

  function read(resource: ArmResource): Nic | undefined {
    const configurations = objects(resource.properties.ipConfigurations);
    const configuration = configurations.find((c) => inner(c).primary === true) ?? configurations[0];
    const properties = inner(configuration ?? {});
    const subnetId = reference(properties.subnet);
    const address = text(properties.privateIPAddress);
    if (!configuration || !subnetId || !address) return undefined;
    return {
      id: resource.id,
      subnetId,
      networkId: parentOf(subnetId),
      address,
      wire: addresses.nic(resource.id).wire,
      groupId: reference(resource.properties.networkSecurityGroup),
      vmId: reference(resource.properties.virtualMachine),
      publicIpId: reference(properties.publicIPAddress),
      pools: objects(properties.loadBalancerBackendAddressPools).flatMap((pool) => reference(pool) ?? []),
      ipConfigurationId: text(configuration.id) ?? `${resource.id}/ipConfigurations/${text(configuration.name)}`,
    };
  }

  function add(nic: Nic): void {
    index.byId.set(key(nic.id), nic);
    index.byWire.set(nic.wire, nic);
    index.byAddress.set(`${nic.networkId} ${nic.address}`, nic);
    if (nic.vmId) index.byVm.set(nic.vmId, nic);
    for (const pool of nic.pools) index.byPool.set(pool, (index.byPool.get(pool) ?? new Map()).set(key(nic.id), nic));
  }

  function remove(nic: Nic): void {
    const gone = <K>(map: Map<K, Nic>, at: K): void => {
      if (map.get(at) === nic) map.delete(at);
    };
    gone(index.byId, key(nic.id));
    gone(index.byWire, nic.wire);
    gone(index.byAddress, `${nic.networkId} ${nic.address}`);
    if (nic.vmId) gone(index.byVm, nic.vmId);
    for (const pool of nic.pools) index.byPool.get(pool)?.delete(key(nic.id));
  }

  function follow(id: string, after: ArmResource | undefined): Nic[] {
    const before = index.byId.get(key(id));
    if (before) remove(before);
    const now = after && read(after);
    if (now) add(now);
    return [before, now].flatMap((nic) => nic ?? []);
  }

  const end = context.state.onChange(({ id, before, after }) => {
    const type = (after ?? before)?.type.toLowerCase() ?? '';
    if (!type.startsWith('microsoft.network/')) return;
    touched ??= { ids: new Set(), networks: new Set(), pools: new Set() };
    touched.ids.add(key(id));
    if (type === networkType) touched.networks.add(key(id));
    for (const link of type === linkType ? [before, after] : []) {
      touched.networks.add(reference(link?.properties.virtualNetwork) ?? '');
    }
    for (const nic of type === nicType ? follow(id, after) : []) {
      touched.networks.add(nic.networkId);
      for (const pool of nic.pools) touched.pools.add(pool);
    }
    notice ??= setTimeout(() => {
      const now = touched;
      notice = undefined;
      touched = undefined;
      if (now) onTouched(now);
    }, gatherMs);
  });
  for (const resource of context.state.list(nicType)) follow(resource.id, resource);

  return {
    ...index,
    close() {
      clearTimeout(notice);
      end();
    },
  };
}
