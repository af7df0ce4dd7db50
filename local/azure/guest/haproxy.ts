/** HAProxy's configuration as it is on a node, led to this guest's addresses and files. Pure. */
import { mapPaths } from './paths.ts';

export interface ProxyPlaces {
  root: string;
  /** The private address that ARM shows, and the three that stand for the interface. */
  address: string;
  inner: string;
  lo: string;
  wire: string;
  /** The loopback address for another private address; the one where nobody listens when there is none. */
  resolve(address: string): string;
  /** `127.7.64.0/19`: holds every wire, for rules that name a network. */
  allWires: string;
  /** Without root HAProxy cannot change its user and group. */
  keepUser: boolean;
}

const privateAddress = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/;

export function translateProxyConfiguration(configuration: string, places: ProxyPlaces): string {
  const lines = configuration.split('\n').flatMap((line) => translateLine(line, places));
  return lines.join('\n');
}

function translateLine(line: string, places: ProxyPlaces): string[] {
  const words = line.trim().split(/\s+/);
  if (line.trim().startsWith('#')) return [line];
  if (!places.keepUser && words.length === 2 && (words[0] === 'user' || words[0] === 'group')) return [];
  const led = mapPaths(translateAddresses(line, words[0] === 'bind', places), places.root);
  // One thread is enough here, and idles cheaper.
  if (words[0] === 'global') return [led, '  nbthread 1'];
  // Other nodes must see where a connection comes from, as they would by the packet's source.
  if (words[0] === 'defaults') return [led, `  source ${places.wire}`];
  return [led];
}

function translateAddresses(line: string, isBind: boolean, places: ProxyPlaces): string {
  const open = isBind ? line.replace(/^(\s*bind\s+)(?:\*|0\.0\.0\.0|\[?::\]?)?:(\d)/, `$1${places.inner}:$2`) : line;
  return open.replace(
    /(?<![\w.-])(\d{1,3}(?:\.\d{1,3}){3})(\/\d{1,2})?(?![\w-]|\.\d)/g,
    (whole, address: string, prefix?: string) => {
      if (address === places.inner) return whole;
      if (prefix && prefix !== '/32') return privateAddress.test(address) ? places.allWires : whole;
      if (address === '127.0.0.1') return places.lo;
      if (address === places.address) return places.inner;
      return privateAddress.test(address) ? places.resolve(address) : whole;
    },
  );
}
