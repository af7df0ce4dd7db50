/** Names inside each virtual network: a hosts file from the private DNS zones linked to it. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ArmResource, Context } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import type { Network } from './network.ts';
import { key, lastName, object, objects, parentOf, reference, text } from './read.ts';

const types = {
  network: 'Microsoft.Network/virtualNetworks',
  zone: 'Microsoft.Network/privateDnsZones',
  link: 'Microsoft.Network/privateDnsZones/virtualNetworkLinks',
  record: 'Microsoft.Network/privateDnsZones/A',
  vm: 'Microsoft.Compute/virtualMachines',
};

/** Where the names of a virtual network are: `<dir>/hosts/<id as file name>.json`, `{name: loopback address}`. */
export const hostsFileOf = (dir: string, virtualNetworkId: string): string =>
  join(dir, 'hosts', `${key(virtualNetworkId).replace(/^\//, '').replaceAll('/', '_')}.json`);

export interface Dns {
  /** Rewrites the files that changed. */
  refresh(): void;
  /** The address of a name in a network, or undefined. */
  resolve(virtualNetworkId: string, name: string): string | undefined;
  close(): void;
}

export function openDns(context: Context, network: Network, addresses: Addresses): Dns {
  const { state } = context;
  const written = new Map<string, string>();
  let pending: NodeJS.Immediate | undefined;
  mkdirSync(join(context.dir, 'hosts'), { recursive: true });

  function namesOf(networkId: string): Record<string, string> {
    const names: Record<string, string> = {};
    for (const link of state.list(types.link)) {
      if (reference(link.properties.virtualNetwork) !== key(networkId)) continue;
      const zone = state.get(parentOf(link.id));
      if (zone) Object.assign(names, namesOfZone(zone, networkId));
    }
    return Object.fromEntries(Object.entries(names).sort());
  }

  function namesOfZone(zone: ArmResource, networkId: string): Record<string, string> {
    const names: Record<string, string> = {};
    for (const record of state.list(types.record, zone.id)) {
      const addressesOfRecord = objects(record.properties.aRecords ?? record.properties.ARecords);
      const address = text(addressesOfRecord[0]?.ipv4Address);
      if (!address) continue;
      const label = lastName(record.id);
      const loopback = network.nicOfAddress(networkId, address)?.wire ?? addresses.nowhere;
      for (const domain of [zone.name, publicDomain(zone.name)])
        names[label === '@' ? domain : `${label}.${domain}`] = loopback;
    }
    return names;
  }

  function refresh(): void {
    const present = new Set<string>();
    for (const { id } of state.list(types.network)) {
      const file = hostsFileOf(context.dir, id);
      present.add(file);
      const content = `${JSON.stringify(namesOf(id), undefined, 2)}\n`;
      if (written.get(file) === content) continue;
      writeFileSync(`${file}.new`, content);
      renameSync(`${file}.new`, file);
      written.set(file, content);
    }
    for (const file of written.keys()) {
      if (present.has(file)) continue;
      rmSync(file, { force: true });
      written.delete(file);
    }
  }

  const onChange = (): void => {
    pending ??= setImmediate(() => {
      pending = undefined;
      refresh();
    });
  };
  network.onChange(onChange);
  refresh();
  return {
    refresh,
    resolve: (networkId, name) => text(readHosts(hostsFileOf(context.dir, networkId))[name.toLowerCase()]),
    close: () => clearImmediate(pending),
  };
}

/** The public name is an alias of the private-link one: `x.mysql.database.azure.com` → `x.privatelink.mysql.database.azure.com`. */
const publicDomain = (zone: string): string => zone.replace(/^privatelink\./, '');

function readHosts(file: string): Record<string, unknown> {
  try {
    return object(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}
