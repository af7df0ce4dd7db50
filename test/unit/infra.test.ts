import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { roles } from '../../shared/auth.ts';
import { settings } from '../../shared/config.ts';

const root = new URL('../../', import.meta.url).pathname;
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const compiler = join(root, '../shared/tools/bicep');

test("the deployment sets every setting that the code reads, but those with a default, and no other of the control plane's", () => {
  const texts = ['infra/main.bicep', 'infra/functionApp.bicep'].map(read).join('\n');
  const set = [...texts.matchAll(/^\s+((?:MOLCAJETE|AZURE)_[A-Z_]+):/gm)].map(([, name]) => name);
  const needed = Object.entries(settings.shape).filter(([, schema]) => !schema.safeParse(undefined).success);
  expect(set.sort()).toEqual(needed.map(([name]) => name).sort());
});

test('the parameters file names parameters of the template', () => {
  const { parameters } = JSON.parse(read('infra/main.parameters.json')) as { parameters: object };
  const declared = [...read('infra/main.bicep').matchAll(/^param (\w+)/gm)].map(([, name]) => name);
  expect(Object.keys(parameters).sort()).toEqual(declared.sort());
});

test('azd deploys to the app of its tag', () => {
  const [service] = Object.keys((parse(read('azure.yaml')) as { services: object }).services);
  expect(read('infra/functionApp.bicep')).toContain(`'azd-service-name': '${service}'`);
});

test('siteConfig holds only what Flex Consumption takes: it refuses most members, and the deployment with them', () => {
  const [, members = ''] = /^ {4}siteConfig: \{\n([\s\S]*?)^ {4}\}/m.exec(read('infra/functionApp.bicep')) ?? [];
  const names = [...members.matchAll(/^ {6}(\w+):/gm)].map(([, name]) => name);
  expect(names).not.toEqual([]);
  const taken = ['minTlsVersion', 'cors', 'http20Enabled', 'ipSecurityRestrictions', 'scmIpSecurityRestrictions'];
  expect(names.filter((name) => !taken.includes(name ?? ''))).toEqual([]);
});

test('the app registration has the roles that the code knows', () => {
  const given = (JSON.parse(read('infra/appRoles.json')) as { value: string }[]).map(({ value }) => value);
  expect(given).toEqual([...roles]);
});

test.skipIf(!existsSync(compiler))('the template compiles without a warning, and no key opens the storage', () => {
  const { stdout, stderr } = spawnSync(compiler, ['build', join(root, 'infra/main.bicep'), '--stdout'], {
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
    env: { ...process.env, HOME: tmpdir() },
  });
  expect(stderr).toBe('');
  expect(stdout).toContain('"allowSharedKeyAccess": false');
  expect(stdout).not.toContain('listKeys');
});
