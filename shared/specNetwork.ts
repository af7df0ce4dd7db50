import { z } from 'zod';
import { type Cidr, containsCidr, formatCidr, overlap, parseCidr } from './cidr.ts';

/** Says what is wrong with one field; `path` leads to it from the spec's root. */
export type Complain = (path: (string | number)[], message: string) => void;

/** Azure keeps the first four addresses of a subnet and the last (virtual-networks-faq). */
export const reservedAddresses = 5;

/** https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq#what-address-ranges-can-i-use-in-my-vnets */
const forbidden: readonly (readonly [string, string])[] = [
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['168.63.129.16/32', "Azure's own DNS and health probes"],
];

export const cidr = z.string('must be an IPv4 network such as 10.20.0.0/16').superRefine((text, context) => {
  try {
    parseCidr(text);
  } catch (error) {
    // Not to be continued: the checks across fields calculate with addresses.
    context.addIssue({
      code: 'custom',
      continue: false,
      message: error instanceof Error ? error.message : String(error),
    });
  }
});

/**
 * The first two blocks of the address space, /24 each where it is large enough. Undefined when the address space is too small to
 * be halved (smaller than /28).
 */
export function carveSubnets(addressSpace: readonly string[]): { web: string; data: string } | undefined {
  const space = parseCidr(addressSpace[0] ?? '');
  const prefix = Math.max(space.prefix + 1, 24);
  if (prefix > 29) return undefined;
  const block = (index: number) => formatCidr({ first: space.first + index * 2 ** (32 - prefix), prefix });
  return { web: block(0), data: block(1) };
}

/** `carveSubnets` for an address space that has been checked. */
export function defaultSubnets(addressSpace: readonly string[]): { web: string; data: string } {
  const carved = carveSubnets(addressSpace);
  if (carved === undefined) throw new Error(`${addressSpace.join(', ')} has no room for two subnets.`);
  return carved;
}

interface NetworkSpec {
  addressSpace: string[];
  subnets?: { web: string; data: string } | undefined;
  peerings: { virtualNetworkId: string; useRemoteGateways: boolean }[];
}

/** What Azure's virtual networks demand of addresses, told before Azure is asked. */
export function checkNetwork(network: NetworkSpec, nodes: number, complain: Complain): void {
  const space = network.addressSpace.map(parseCidr);
  checkAddressSpace(network.addressSpace, space, complain);
  checkPeerings(network.peerings, complain);
  const given = network.subnets !== undefined;
  const subnets = network.subnets ?? carveSubnets(network.addressSpace);
  if (subnets === undefined) {
    complain(['network', 'addressSpace', 0], 'is too small for a web and a data subnet; use /28 or larger.');
    return;
  }
  const where = (subnet: string) => (given ? ['network', 'subnets', subnet] : ['network', 'addressSpace', 0]);
  for (const [name, text] of Object.entries(subnets))
    checkSubnet(text, space, (message) => complain(where(name), message));
  const [web, data] = [parseCidr(subnets.web), parseCidr(subnets.data)];
  if (overlap(web, data)) complain(where('data'), `${subnets.data} overlaps the web subnet ${subnets.web}.`);
  if (web.size - reservedAddresses < nodes) {
    const room = Math.max(0, web.size - reservedAddresses);
    complain(
      where('web'),
      `${subnets.web} has room for ${room} nodes (Azure keeps 5 addresses), not for the ${nodes} that web.count and scaling ask for.`,
    );
  }
}

function checkAddressSpace(texts: string[], space: Cidr[], complain: Complain): void {
  space.forEach((one, index) => {
    const say = (message: string) => complain(['network', 'addressSpace', index], message);
    if (one.prefix < 8 || one.prefix > 29) say(`${texts[index]} must be between /8 and /29.`);
    for (const [range, what] of forbidden) {
      if (overlap(one, parseCidr(range))) say(`${texts[index]} overlaps ${range}, which Azure keeps (${what}).`);
    }
    const other = space.findIndex((earlier, at) => at < index && overlap(earlier, one));
    if (other >= 0) say(`${texts[index]} overlaps ${texts[other]}.`);
  });
}

function checkSubnet(text: string, space: Cidr[], say: (message: string) => void): void {
  const subnet = parseCidr(text);
  if (subnet.prefix > 29) say(`${text} is too small; a subnet is /29 or larger.`);
  if (!space.some((one) => containsCidr(one, subnet))) say(`${text} is not inside network.addressSpace.`);
}

function checkPeerings(peerings: NetworkSpec['peerings'], complain: Complain): void {
  const ids = peerings.map(({ virtualNetworkId }) => virtualNetworkId.toLowerCase());
  ids.forEach((id, index) => {
    if (ids.indexOf(id) < index) complain(['network', 'peerings', index, 'virtualNetworkId'], 'is there twice.');
  });
  // https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-peering-gateway-transit: one remote gateway for a network.
  const second = peerings
    .map((peering, index) => ({ ...peering, index }))
    .filter((peering) => peering.useRemoteGateways)[1];
  if (second !== undefined) {
    complain(['network', 'peerings', second.index, 'useRemoteGateways'], 'can be true for one peering only.');
  }
}
