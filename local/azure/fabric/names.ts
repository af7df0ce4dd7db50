/**
 * Loaded with `--import` into a Node process "inside a virtual network": names in the file `LOCAL_DNS_HOSTS` resolve to its
 * addresses. The file is read again when it has changed.
 */
import dns, { type LookupAddress, type LookupOptions } from 'node:dns';
import { readFileSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

type Callback = (error: NodeJS.ErrnoException | null, address?: string | LookupAddress[], family?: number) => void;

const file = process.env.LOCAL_DNS_HOSTS;
let hosts: Record<string, string> = {};
let readAt = -1;

function addressOf(name: string): string | undefined {
  if (!file) return undefined;
  try {
    const { mtimeMs } = statSync(file);
    if (mtimeMs !== readAt) {
      hosts = JSON.parse(readFileSync(file, 'utf8'));
      readAt = mtimeMs;
    }
  } catch {
    hosts = {};
  }
  return hosts[name.toLowerCase()];
}

/** Names that only Azure's own DNS knows fail at once, not after the machine's resolver gave up. */
const onlyInAzure = /\.(mysql\.database\.azure\.com|vaultcore\.azure\.net|internal\.cloudapp\.net)$/i;

function notFound(name: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`getaddrinfo ENOTFOUND ${name}`);
  return Object.assign(error, { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: name });
}

const original = { lookup: dns.lookup, promise: dns.promises.lookup };

function lookup(name: string, options: unknown, callback?: unknown): void {
  const done = (typeof options === 'function' ? options : callback) as Callback;
  const all = typeof options === 'object' && options !== null && (options as LookupOptions).all === true;
  const address = addressOf(name);
  if (address) {
    process.nextTick(() => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)));
  } else if (onlyInAzure.test(name)) process.nextTick(() => done(notFound(name)));
  else Reflect.apply(original.lookup, dns, callback === undefined ? [name, options] : [name, options, callback]);
}

async function lookupPromise(name: string, options?: number | LookupOptions): Promise<LookupAddress | LookupAddress[]> {
  const address = addressOf(name);
  if (!address) {
    if (onlyInAzure.test(name)) throw notFound(name);
    return Reflect.apply(original.promise, dns.promises, [name, options]);
  }
  const found = { address, family: 4 };
  return typeof options === 'object' && options.all ? [found] : found;
}

Object.assign(dns, { lookup });
Object.assign(dns.promises, { lookup: lookupPromise });
syncBuiltinESMExports();
