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

test('the scope that the guide opens to the Azure CLI is the one that it makes, for tokens of version 2', () => {
  const { api } = JSON.parse(read('infra/apiScope.json')) as {
    api: { requestedAccessTokenVersion: number; oauth2PermissionScopes: { id: string; isEnabled: boolean }[] };
  };
  const opened = /"delegatedPermissionIds":\["([^"]+)"\]/.exec(read('docs/deploy.md'))?.[1];
  expect(api).toMatchObject({
    requestedAccessTokenVersion: 2,
    oauth2PermissionScopes: [{ id: opened, isEnabled: true }],
  });
});

/** What would let the control plane become more than it is, or carry something out. */
const never = [
  'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write',
  'Microsoft.Authorization/roleDefinitions/write',
  'Microsoft.Compute/disks/beginGetAccess/action',
  'Microsoft.Compute/virtualMachines/extensions/write',
  'Microsoft.KeyVault/vaults/accessPolicies/write',
  'Microsoft.KeyVault/locations/deletedVaults/purge/action',
  'Microsoft.KeyVault/vaults/secrets/purge/action',
  'Microsoft.KeyVault/vaults/secrets/backup/action',
];

test("the control plane's role holds nothing that would make it more than it is", () => {
  const { actions, dataActions } = JSON.parse(read('infra/rights.json')) as Record<string, string[]>;
  const patterns = [...(actions ?? []), ...(dataActions ?? [])].map(
    (action) => new RegExp(`^${action.split('*').map(RegExp.escape).join('.*')}$`, 'i'),
  );
  expect(patterns.length).toBeGreaterThan(30);
  expect(never.filter((action) => patterns.some((pattern) => pattern.test(action)))).toEqual([]);
  expect(read('infra/rights.bicep')).toContain("permissions: [loadJsonContent('rights.json')]");
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
