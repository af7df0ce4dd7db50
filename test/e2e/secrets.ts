import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { controlIdentity, principalOf, vault, vaults } from './azure.ts';
import type { World } from './world.ts';

/** What may hold secrets: the vaults themselves, MySQL's data, the local authority's keys. */
const allowed = /^azure\/(vaults|mysql|ca|tls|certificates|keys|identity|cache)/;

/** The words that must not be found: passwords and private keys, whole. */
export async function secretValues(world: World): Promise<string[]> {
  const oid = await principalOf(world, controlIdentity);
  const values: string[] = [];
  for (const { uri } of await vaults(world)) {
    const { body } = await vault(world, oid, `${uri.replace(/\/$/, '')}/secrets`);
    for (const { id } of body.value ?? []) values.push((await vault(world, oid, id)).body.value);
  }
  return values.flatMap((value) =>
    textsOf(value).flatMap(({ name, text }) => (name === 'password' ? [text] : keyLines(text))),
  );
}

/** A secret's texts: the members of its JSON, or itself. In JSON the lines of a key are not the lines of the text. */
function textsOf(value: string): { name: string; text: string }[] {
  try {
    const members = Object.entries(JSON.parse(value) as Record<string, unknown>);
    return members.flatMap(([name, text]) => (typeof text === 'string' ? [{ name, text }] : []));
  } catch {
    return [{ name: '', text: value }];
  }
}

/** The whole lines of the private keys in a PEM text: they are found however the lines are put together. */
function keyLines(text: string): string[] {
  const [, key = ''] = /-----BEGIN [A-Z ]*PRIVATE KEY-----([\s\S]*?)-----END/.exec(text) ?? [];
  return key.split('\n').filter((line) => line.length >= 60);
}

/** `file: first letters` of each secret that stands anywhere in the state directory where it must not. */
export function findIn(dir: string, secrets: readonly string[]): string[] {
  const hits: string[] = [];
  const visit = (path: string): void => {
    const name = relative(dir, path);
    if (allowed.test(name)) return;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) for (const entry of readdirSync(path)) visit(join(path, entry));
    if (stat?.isFile() !== true) return;
    const content = readFileSync(path);
    for (const secret of secrets) if (content.includes(secret)) hits.push(`${name}: ${secret.slice(0, 4)}…`);
  };
  visit(dir);
  return hits;
}
