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
  return values.flatMap((value) => {
    const keys = value.match(/[A-Za-z0-9+/=]{60,}/g) ?? [];
    try {
      return [...keys, JSON.parse(value).password].filter((one) => typeof one === 'string');
    } catch {
      return keys.slice(0, 1);
    }
  });
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
