/** Names inside each virtual network: a hosts file from the private DNS zones linked to it. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ArmResource, Context, DataPlane } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import type { Network } from './network.ts';
import type { Touched } from './nicIndex.ts';
import { key, lastName, object, objects, parentOf, reference, text } from './read.ts';

const types = {
  network: 'Microsoft.Network/virtualNetworks',
  link: 'Microsoft.Network/privateDnsZones/virtualNetworkLinks',
  record: 'Microsoft.Network/privateDnsZones/A',
};

/** Changes come in bursts. */
const gatherMs = 10;

/** Where the names of a virtual network are: `<dir>/hosts/<id as file name>.json`, `{name: loopback address}`. */
export const hostsFileOf = (dir: string, virtualNetworkId: string): string =>
  join(dir, 'hosts', `${key(virtualNetworkId).replace(/^\//, '').replaceAll('/', '_')}.json`);

export interface Dns {
  /** Records and links: their operations end when the names are there. */
  dataPlane: DataPlane;
  /** The address of a name in a network, or undefined. */
  resolve(virtualNetworkId: string, name: string): string | undefined;
  close(): void;
}

export function openDns(context: Context, network: Network, addresses: Addresses): Dns {
  const { state } = context;
  const written = new Map<string, string>();
  const waiting = new Set<string>();
  let pending: Promise<void> | undefined;
  let open = true;
  mkdirSync(join(context.dir, 'hosts'), { recursive: true });

  function namesOf(
    networkId: string,
    zones: ArmResource[],
    records: Map<string, ArmResource[]>,
  ): Record<string, string> {
    const names: Record<string, string> = {};
    for (const zone of zones) {
      for (const record of records.get(key(zone.id)) ?? []) {
        const address = text(objects(record.properties.aRecords)[0]?.ipv4Address);
        if (!address) continue;
        const loopback = network.nicOfAddress(networkId, address)?.wire ?? addresses.nowhere;
        for (const name of namesOfRecord(zone.name, lastName(record.id))) names[name] = loopback;
      }
    }
    return Object.fromEntries(Object.entries(names).sort());
  }

  /** The files of these networks, of which only the changed ones are written. */
  function rewrite(networks: Set<string>): void {
    const links = groupBy(state.list(types.link), (link) => reference(link.properties.virtualNetwork) ?? '');
    const records = groupBy(state.list(types.record), (record) => parentOf(record.id));
    for (const id of networks) {
      const file = hostsFileOf(context.dir, id);
      if (!state.get(id)) {
        rmSync(file, { force: true });
        written.delete(file);
        continue;
      }
      const zones = (links.get(id) ?? []).flatMap((link) => state.get(parentOf(link.id)) ?? []);
      const content = `${JSON.stringify(namesOf(id, zones, records), undefined, 2)}\n`;
      if (written.get(file) === content) continue;
      writeFileSync(`${file}.new`, content);
      renameSync(`${file}.new`, file);
      written.set(file, content);
    }
  }

  /** Networks whose names may have changed: touched ones with their peers, and those linked to a touched zone. */
  function affected({ ids, networks }: Touched): Set<string> {
    const all = new Set([...networks].flatMap((id) => [id, ...network.peers(id)]));
    const zones = new Set(
      [...ids].flatMap((id) => (id.includes('/privatednszones/') ? [id.split('/').slice(0, 9).join('/')] : [])),
    );
    if (zones.size === 0) return all;
    for (const link of state.list(types.link)) {
      if (zones.has(parentOf(link.id))) all.add(reference(link.properties.virtualNetwork) ?? '');
    }
    return all;
  }

  /** One rewrite serves everyone who asks while it is waiting. */
  function refresh(networks: Iterable<string>): Promise<void> {
    for (const id of networks) waiting.add(id);
    pending ??= delay(gatherMs).then(() => {
      pending = undefined;
      const now = new Set(waiting);
      waiting.clear();
      if (open) rewrite(now);
    });
    return pending;
  }

  network.onChange(
    (touched) => void refresh(affected(touched)).catch((error: Error) => context.log(`DNS: ${error.message}`)),
  );
  rewrite(new Set(state.list(types.network).map(({ id }) => key(id))));
  return {
    dataPlane: {
      async apply(resource) {
        await refresh(affected({ ids: new Set([key(resource.id)]), networks: new Set(), pools: new Set() }));
        return undefined;
      },
      // The names go with the resource: its deletion is a change of the network.
      remove: async () => undefined,
    },
    resolve: (networkId, name) => text(readHosts(hostsFileOf(context.dir, networkId))[name.toLowerCase()]),
    close() {
      open = false;
    },
  };
}

function groupBy(resources: ArmResource[], keyOf: (resource: ArmResource) => string): Map<string, ArmResource[]> {
  const groups = new Map<string, ArmResource[]>();
  for (const resource of resources) {
    const group = groups.get(keyOf(resource));
    if (group) group.push(resource);
    else groups.set(keyOf(resource), [resource]);
  }
  return groups;
}

const namesOfRecord = (zone: string, label: string): string[] =>
  [...new Set([zone, publicDomain(zone)])].map((domain) => (label === '@' ? domain : `${label}.${domain}`));

/** The public name is an alias of the private-link one: `x.mysql.database.azure.com` → `x.privatelink.mysql.database.azure.com`. */
const publicDomain = (zone: string): string => zone.replace(/^privatelink\./, '');

function readHosts(file: string): Record<string, unknown> {
  try {
    return object(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}
