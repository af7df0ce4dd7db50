/** IPv4 ranges as numbers. */

export interface Range {
  first: number;
  last: number;
  prefix: number;
}

export function parseAddress(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = match.slice(1).map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Undefined unless it is a CIDR whose address is the network's own (Azure refuses 10.0.0.1/24). */
export function parseCidr(text: string): Range | undefined {
  const [address, length] = text.split('/');
  const first = parseAddress(address ?? '');
  const prefix = Number(length);
  if (first === undefined || length === undefined || !/^\d{1,2}$/.test(length) || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  if (first % size !== 0) return undefined;
  return { first, last: first + size - 1, prefix };
}

export const format = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');

export const contains = (outer: Range, inner: Range): boolean => outer.first <= inner.first && inner.last <= outer.last;

export const overlaps = (a: Range, b: Range): boolean => a.first <= b.last && b.first <= a.last;

/** The addresses that Azure gives out in a subnet: it keeps the first four and the last. */
export const usable = (range: Range): Range => ({ ...range, first: range.first + 4, last: range.last - 1 });
