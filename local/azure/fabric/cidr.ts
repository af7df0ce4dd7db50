/** IPv4 addresses and prefixes as numbers. */

/** Undefined for what is not an IPv4 address. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  if (parts.length !== 4 || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** `prefix` may be a single address. False when either side is not IPv4. */
export function contains(prefix: string, address: string): boolean {
  const [base = '', length = '32'] = prefix.split('/');
  const first = parseAddress(base);
  const wanted = parseAddress(address);
  if (first === undefined || wanted === undefined || !/^\d{1,2}$/.test(length)) return false;
  const size = 2 ** (32 - Number(length));
  return Math.floor(first / size) === Math.floor(wanted / size);
}
