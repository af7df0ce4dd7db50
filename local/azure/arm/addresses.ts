import { format, parseAddress, parseCidr, type Range, usable } from './cidr.ts';
import type { ArmEnv } from './env.ts';
import { ArmError } from './failure.ts';
import { key, lastName } from './ids.ts';
import { asObject, asText, idOf, type Json, objects } from './values.ts';

/** Which private addresses are taken in a subnet: by NICs and by internal frontends. */
function taken(env: ArmEnv, subnet: string, except: string): Set<number> {
  const addresses = new Set<number>();
  for (const use of env.references.of(subnet)) {
    if (key(use.source) === key(except)) continue;
    const source = env.state.get(use.source);
    const lists = [source?.properties.ipConfigurations, source?.properties.frontendIPConfigurations];
    for (const item of lists.flatMap((list) => objects(list))) {
      const properties = asObject(item.properties);
      const address = parseAddress(asText(properties.privateIPAddress));
      if (address !== undefined && key(idOf(properties.subnet) ?? '') === key(subnet)) addresses.add(address);
    }
  }
  return addresses;
}

/**
 * Gives each part (ipConfiguration, frontend) with a subnet its private address: a static one is checked, a dynamic one is the
 * first that is free and stays until the part goes. Throws ArmError.
 */
export function giveAddresses(env: ArmEnv, owner: string, parts: Json[], before: Json[]): void {
  const given = new Map<string, Set<number>>();
  for (const part of parts) {
    const properties = asObject(part.properties);
    const subnet = idOf(properties.subnet);
    if (subnet === undefined) continue;
    const range = subnetRange(env, subnet);
    if (range === undefined) continue;
    const used = given.get(key(subnet)) ?? taken(env, subnet, owner);
    given.set(key(subnet), used);
    const old = asObject(before.find((other) => asText(other.name) === asText(part.name))?.properties);
    const address =
      properties.privateIPAllocationMethod === 'Static'
        ? fixed(properties, range, used, subnet)
        : free(properties, old, range, used, subnet);
    used.add(address);
    properties.privateIPAddress = format(address);
  }
}

function subnetRange(env: ArmEnv, subnet: string): Range | undefined {
  return parseCidr(asText(env.state.get(subnet)?.properties.addressPrefix));
}

function fixed(properties: Json, range: Range, used: Set<number>, subnet: string): number {
  const text = asText(properties.privateIPAddress);
  const address = parseAddress(text);
  if (address === undefined || address < range.first || address > range.last)
    throw new ArmError(
      400,
      'PrivateIPAddressNotInSubnet',
      `Private static IP address ${text} does not belong to the range of subnet prefix of ${subnet}.`,
    );
  const { first, last } = usable(range);
  if (address < first || address > last)
    throw new ArmError(
      400,
      'PrivateIPAddressInReservedRange',
      `Private static IP address ${text} falls within reserved IP range of subnet prefix of ${subnet}.`,
    );
  if (used.has(address))
    throw new ArmError(
      400,
      'PrivateIPAddressInUse',
      `Private static IP address ${text} of subnet ${lastName(subnet)} is in use.`,
    );
  return address;
}

function free(properties: Json, old: Json, range: Range, used: Set<number>, subnet: string): number {
  const kept = parseAddress(asText(old.privateIPAddress));
  if (kept !== undefined && key(idOf(old.subnet) ?? '') === key(idOf(properties.subnet) ?? '')) return kept;
  const { first, last } = usable(range);
  for (let address = first; address <= last; address++) if (!used.has(address)) return address;
  throw new ArmError(
    400,
    'SubnetIsFull',
    `Subnet ${lastName(subnet)} with address prefix does not have enough capacity for 1 IP addresses.`,
  );
}
