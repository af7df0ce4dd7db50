/** The part of cloud-config that a guest understands; anything else is an error, so that nothing is silently left out. */
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { object, objects } from '../fabric/read.ts';

export interface GuestFile {
  path: string;
  content: Buffer;
  mode: number;
  append: boolean;
}

export interface CloudConfig {
  packages: string[];
  needsPackages: boolean;
  files: GuestFile[];
  /** argv, or a line for the shell. */
  commands: (string[] | string)[];
}

const known = new Set(['package_update', 'package_upgrade', 'packages', 'write_files', 'runcmd']);

/** `customData`: base64, as in `osProfile.customData`. Throws on what is no cloud-config or uses another module. */
export function parseCloudConfig(customData: string): CloudConfig {
  const source = Buffer.from(customData, 'base64').toString('utf8');
  if (!source.startsWith('#cloud-config')) throw new Error('Custom data must begin with the line #cloud-config.');
  const document = object(parse(source));
  const unknown = Object.keys(document).filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new Error(`Guests understand ${[...known].join(', ')}; this cloud-config also has ${unknown.join(', ')}.`);
  }
  const packages = Array.isArray(document.packages) ? document.packages.map(String) : [];
  return {
    packages,
    needsPackages: packages.length > 0 || document.package_update === true || document.package_upgrade === true,
    files: objects(document.write_files).map(readFile),
    commands: Array.isArray(document.runcmd)
      ? document.runcmd.map((c) => (Array.isArray(c) ? c.map(String) : String(c)))
      : [],
  };
}

function readFile(entry: Record<string, unknown>): GuestFile {
  const path = String(entry.path);
  if (!path.startsWith('/')) throw new Error(`write_files: '${path}' is not an absolute path.`);
  return {
    path,
    content: decode(String(entry.content ?? ''), String(entry.encoding ?? 'text/plain')),
    mode: Number.parseInt(String(entry.permissions ?? '0644'), 8),
    append: entry.append === true,
  };
}

function decode(content: string, encoding: string): Buffer {
  if (encoding === 'text/plain') return Buffer.from(content);
  if (encoding === 'b64' || encoding === 'base64') return Buffer.from(content, 'base64');
  if (/^(gz|gzip)\+(b64|base64)$/.test(encoding)) return gunzipSync(Buffer.from(content, 'base64'));
  throw new Error(`write_files: the encoding '${encoding}' is not known.`);
}
