/** How a program of Ubuntu's on a node is really run here. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NicAddresses } from '../fabric/addresses.ts';
import type { Dns } from '../fabric/dns.ts';
import type { Network } from '../fabric/network.ts';
import type { Nic } from '../fabric/nicIndex.ts';
import { type Container, parseDockerRun } from './docker.ts';
import { translateProxyConfiguration } from './haproxy.ts';
import { mapPaths } from './paths.ts';
import { parseEnvironmentFile } from './unitFile.ts';
import type { Program } from './units.ts';

export interface Machine {
  /** The guest's root, by a short path. */
  root: string;
  /** For what the guest itself must not see: translated configurations. */
  dir: string;
  nic: Nic;
  addresses: NicAddresses;
  allWires: string;
  nowhere: string;
  network: Network;
  dns: Dns;
  hostsFile: string;
  caFile: string;
}

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const haproxy = '/usr/sbin/haproxy';
const mariadb = '/usr/bin/mariadb';

/** Undefined: the command has nothing to do here, and that counts as success. */
export async function translateCommand(machine: Machine, argv: string[]): Promise<Program | undefined> {
  const [program = '', ...args] = argv;
  const name = basename(program);
  if (name === 'docker') return args[0] === 'run' ? container(machine, parseDockerRun(args.slice(1))) : undefined;
  if (name === 'haproxy') return { argv: [haproxy, ...proxyArguments(machine, args)] };
  if (name === 'mariadb' || name === 'mysql') return { argv: databaseClient(machine, args) };
  return { argv: [program, ...args.map((arg) => mapPaths(arg, machine.root))] };
}

function container(machine: Machine, one: Container): Program {
  const [image = ''] = one.image.split(':');
  const port = image.endsWith('guacd') ? '4822' : '8080';
  const place = one.published[port] ?? { address: '0.0.0.0', port: Number(port) };
  const address = place.address === '127.0.0.1' ? machine.addresses.lo : machine.addresses.inner;
  if (image.endsWith('guacamole/guacd'))
    return { argv: ['/usr/bin/python3', '-S', '-E', file('guacd.py'), address, String(place.port)] };
  if (!image.endsWith('guacamole/guacamole')) throw new Error(`The image ${one.image} has no stand-in here.`);
  return {
    argv: [
      process.execPath,
      '--max-semi-space-size=1',
      '--import',
      file('../fabric/names.ts'),
      file('guacamole.ts'),
      `${address}:${place.port}`,
    ],
    env: {
      ...(one.envFile ? parseEnvironmentFile(readFileSync(mapPaths(one.envFile, machine.root), 'utf8')) : {}),
      ...one.env,
      LOCAL_VOLUMES: JSON.stringify(
        Object.fromEntries(Object.entries(one.volumes).map(([inside, host]) => [inside, mapPaths(host, machine.root)])),
      ),
      LOCAL_SOURCE: machine.addresses.wire,
      LOCAL_DNS_HOSTS: machine.hostsFile,
      NODE_EXTRA_CA_CERTS: machine.caFile,
    },
  };
}

/** Writes the translated copy of each configuration and names it instead. */
function proxyArguments(machine: Machine, args: string[]): string[] {
  return args.map((arg, at) => {
    if (args[at - 1] !== '-f') return mapPaths(arg, machine.root);
    const source = mapPaths(arg, machine.root);
    if (!existsSync(source)) return source;
    const copy = join(machine.dir, 'haproxy', args.includes('-c') ? 'check.cfg' : basename(source));
    mkdirSync(join(machine.dir, 'haproxy'), { recursive: true });
    const text = translateProxyConfiguration(readFileSync(source, 'utf8'), {
      root: machine.root,
      address: machine.nic.address,
      ...machine.addresses,
      resolve: (address) => machine.network.nicOfAddress(machine.nic.networkId, address)?.wire ?? machine.nowhere,
      allWires: machine.allWires,
      keepUser: process.getuid?.() === 0,
    });
    writeFileSync(copy, text, { mode: 0o600 });
    return copy;
  });
}

/** The client resolves by the machine's own DNS, so it is given the address; the server's certificate names that, too. */
function databaseClient(machine: Machine, args: string[]): string[] {
  const mapped = args.map((arg) => mapPaths(arg, machine.root));
  const host = hostOf(mapped);
  const address = host && (machine.dns.resolve(machine.nic.networkId, host) ?? host);
  if (host && address === host && !/^[\d.]+$/.test(host)) throw new UnknownHost(host);
  return [mariadb, ...mapped, ...(address ? [`--host=${address}`] : [])];
}

/** In the client's own words. */
export class UnknownHost extends Error {
  constructor(host: string) {
    super(`ERROR 2005 (HY000): Unknown server host '${host}' (-2)`);
  }
}

function hostOf(args: string[]): string | undefined {
  for (const [at, arg] of args.entries()) {
    if (arg === '-h' || arg === '--host') return args[at + 1];
    const joined = /^--host=(.+)$/.exec(arg)?.[1];
    if (joined) return joined;
  }
  const options = args.map((arg) => /^--defaults(?:-extra)?-file=(.+)$/.exec(arg)?.[1]).find(Boolean);
  return options && existsSync(options)
    ? /^\s*host\s*=\s*"?([^\s"]+)/m.exec(readFileSync(options, 'utf8'))?.[1]
    : undefined;
}

/** `127.7.64.0/19`. */
export const allWiresOf = (range: string): string => `${range}.64.0/19`;
