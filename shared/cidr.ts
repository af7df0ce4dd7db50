/** An IPv4 network as numbers: its first address and how many it has. */
export interface Cidr {
  first: number;
  size: number;
  prefix: number;
}

/** Reads `10.20.0.0/16`. Throws an Error that says what is wrong and how to write it. */
export function parseCidr(text: string): Cidr {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  const [octets, prefix] = [(match ?? []).slice(1, 5).map(Number), Number(match?.[5])];
  if (match === null || octets.some((octet) => octet > 255) || prefix > 32) {
    throw new Error(`'${text}' is not an IPv4 network. Write it as address/prefix, for example 10.20.0.0/16.`);
  }
  const address = octets.reduce((number, octet) => number * 256 + octet, 0);
  const size = 2 ** (32 - prefix);
  if (address % size !== 0) {
    const network = formatAddress(address - (address % size));
    throw new Error(`'${text}' has bits set beyond its prefix. The network is ${network}/${prefix}.`);
  }
  return { first: address, size, prefix };
}

export const formatCidr = ({ first, prefix }: Pick<Cidr, 'first' | 'prefix'>): string =>
  `${formatAddress(first)}/${prefix}`;

/** Is every address of `inner` one of `outer`? */
export const containsCidr = (outer: Cidr, inner: Cidr): boolean =>
  outer.first <= inner.first && inner.first + inner.size <= outer.first + outer.size;

export const overlap = (a: Cidr, b: Cidr): boolean => a.first < b.first + b.size && b.first < a.first + a.size;

/** Leaves out networks that lie inside another of the list, and doubles: Azure refuses overlapping prefixes in one rule. */
export function withoutCovered(texts: readonly string[]): string[] {
  const unique = [...new Set(texts)].map((text) => ({ text, cidr: parseCidr(text) }));
  return unique
    .filter((one) => !unique.some((other) => other !== one && containsCidr(other.cidr, one.cidr)))
    .map(({ text }) => text);
}

const formatAddress = (address: number): string =>
  [2 ** 24, 2 ** 16, 2 ** 8, 1].map((unit) => Math.floor(address / unit) % 256).join('.');
