import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sent } from './azureStub.ts';

/** The newest version of each provider's types that the compiler knows. */
const knownVersions: Record<string, string> = {
  'Microsoft.Network': '2024-05-01',
  'Microsoft.Network/privateDnsZones': '2020-06-01',
  'Microsoft.Compute': '2024-11-01',
  'Microsoft.DBforMySQL': '2024-12-30',
  'Microsoft.Resources': '2024-03-01',
  'Microsoft.Authorization': '2022-04-01',
  'Microsoft.ManagedIdentity': '2023-01-31',
  'Microsoft.KeyVault': '2023-07-01',
};

/** Rules of the linter about how a template is written, not about what Azure takes. */
const aboutStyle =
  /prefer-unquoted|no-hardcoded|use-parent-property|adminusername|protect-|use-secure|secure-|no-unnecessary|use-resource-id|BCP334|BCP335/;

/** Compiles the bodies against Azure's published types, all in two files. Returns the diagnostics that are about the bodies. */
export function diagnose(compiler: string, sent: Sent[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'molcajete-bicep-'));
  try {
    return rounds(sent).flatMap((round) => diagnoseRound(compiler, directory, round));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A file cannot hold one resource twice: the first body of each, then the second … */
function rounds(sent: Sent[]): Sent[][] {
  const made: Sent[][] = [];
  for (const one of sent) {
    const free = made.find((round) => !round.some(({ id }) => shortName(id) === shortName(one.id)));
    if (free === undefined) made.push([one]);
    else free.push(one);
  }
  return made;
}

/** What is the same for equal names in two resource groups. */
const shortName = (id: string): string => id.split('/providers/').at(-1) ?? id;

function diagnoseRound(compiler: string, directory: string, round: Sent[]): string[] {
  const groups = round.filter(({ id }) => !id.includes('/providers/'));
  const rest = round.filter(({ id }) => id.includes('/providers/'));
  const [forGroups, forRest] = [join(directory, 'groups.bicep'), join(directory, 'resources.bicep')];
  return [
    ...compile(compiler, forGroups, `targetScope = 'subscription'\n${groups.map(declaration).join('')}`),
    ...compile(compiler, forRest, rest.map(declaration).join('')),
  ];
}
/** Compiles one file; every warning and error that is not about style. */
export function compile(compiler: string, file: string, text: string): string[] {
  writeFileSync(file, text);
  const { stderr } = spawnSync(compiler, ['build', file, '--stdout'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return stderr.split('\n').filter((line) => /(Warning|Error) /.test(line) && !aboutStyle.test(line));
}

function declaration({ id, body = {} }: Sent, index: number): string {
  const path = id.split('/providers/').at(-1)?.split('/') ?? [];
  const isGroup = !id.includes('/providers/');
  const type = isGroup
    ? 'Microsoft.Resources/resourceGroups'
    : [path[0], ...path.filter((_, at) => at % 2 === 1)].join('/');
  const name = isGroup ? id.split('/').at(-1) : path.filter((_, at) => at > 0 && at % 2 === 0).join('/');
  const known = Object.entries(knownVersions).filter(([prefix]) => type.startsWith(prefix));
  const version = known.sort(([a], [b]) => b.length - a.length)[0]?.[1];
  const { id: _id, name: _name, type: _type, etag: _etag, ...members } = body;
  return `resource r${index} '${type}@${version}' = ${literal({ name, ...members })}\n`;
}

function literal(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string')
    return `'${value.replace(/[\\']/g, '\\$&').replace(/\$\{/g, '\\${').replace(/\n/g, '\\n')}'`;
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[\n${value.map(literal).join('\n')}\n]`;
  const members = Object.entries(value as object).filter(([, member]) => member !== undefined);
  return `{\n${members.map(([key, member]) => `'${key}': ${literal(member)}\n`).join('')}}`;
}
