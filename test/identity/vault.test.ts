import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SecretClient } from '@azure/keyvault-secrets';
import { expect, test, vi } from 'vitest';
import { createVaults } from '../../shared/secrets/vaults.ts';
import { collect, credential, makeVault, makeWorld } from './world.ts';

const officer = 'officer';

async function officersVault(name = 'vault') {
  const world = await makeWorld();
  const vault = await makeVault(world, name);
  world.grant(officer, '*', vault.id);
  return { world, vault, client: world.client(vault.uri, officer) };
}

test('a secret keeps its versions, content type, tags and attributes', async () => {
  const { client } = await officersVault();
  const first = await client.setSecret('certificate', 'one', {
    contentType: 'application/x-pem-file',
    tags: { a: 'b' },
  });
  const expiresOn = new Date('2030-01-01T00:00:00Z');
  const second = await client.setSecret('certificate', 'two', { expiresOn });
  expect(first.properties.version).toMatch(/^[0-9a-f]{32}$/);
  expect(await client.getSecret('certificate')).toMatchObject({ value: 'two', properties: { expiresOn } });
  const old = await client.getSecret('certificate', { version: first.properties.version });
  expect(old).toMatchObject({ value: 'one', properties: { contentType: 'application/x-pem-file', tags: { a: 'b' } } });
  const versions = await collect(client.listPropertiesOfSecretVersions('certificate'));
  expect(versions.map(({ version }) => version)).toEqual([first.properties.version, second.properties.version]);
});

test('a disabled version answers 403 SecretDisabled, the newer one goes on', async () => {
  const { client } = await officersVault();
  const { properties } = await client.setSecret('login', 'old');
  await client.setSecret('login', 'new');
  await client.updateSecretProperties('login', properties.version ?? '', { enabled: false });
  const refused = client.getSecret('login', { version: properties.version });
  await expect(refused).rejects.toMatchObject({
    statusCode: 403,
    details: { error: { innerError: { code: 'SecretDisabled' } } },
  });
  expect((await client.getSecret('login')).value).toBe('new');
});

test('a missing secret is 404 SecretNotFound', async () => {
  const { client } = await officersVault();
  await expect(client.getSecret('nothing')).rejects.toMatchObject({ statusCode: 404, code: 'SecretNotFound' });
});

test('a deleted secret blocks its name until it is recovered or purged', async () => {
  const { client } = await officersVault();
  await client.setSecret('login', 'kept');
  const deletion = await client.beginDeleteSecret('login', { intervalInMs: 20 });
  await deletion.pollUntilDone();
  await expect(client.getSecret('login')).rejects.toMatchObject({ statusCode: 404 });
  const conflict = { details: { error: { innerError: { code: 'ObjectIsDeletedButRecoverable' } } } };
  await expect(client.setSecret('login', 'other')).rejects.toMatchObject({ statusCode: 409, ...conflict });

  const recovery = await client.beginRecoverDeletedSecret('login', { intervalInMs: 20 });
  await recovery.pollUntilDone();
  expect((await client.getSecret('login')).value).toBe('kept');

  await vi.waitFor(() =>
    client.beginDeleteSecret('login', { intervalInMs: 20 }).then((again) => again.pollUntilDone()),
  );
  expect((await collect(client.listDeletedSecrets())).map(({ name }) => name)).toEqual(['login']);
  await client.purgeDeletedSecret('login');
  expect((await client.setSecret('login', 'fresh')).value).toBe('fresh');
  expect(await collect(client.listPropertiesOfSecretVersions('login'))).toHaveLength(1);
});

test('lists come in pages and never hold values', async () => {
  const { client } = await officersVault();
  const names = Array.from({ length: 30 }, (_, index) => `secret-${String(index).padStart(2, '0')}`);
  for (const name of names) await client.setSecret(name, 'hidden-value');
  const pages = await collect(client.listPropertiesOfSecrets().byPage());
  expect(pages.map((page) => page.length)).toEqual([25, 5]);
  expect(pages.flat().map(({ name }) => name)).toEqual(names);
  expect(JSON.stringify(pages)).not.toContain('hidden-value');
});

test('a caller needs the data action of each call, on that vault', async () => {
  const { world, vault, client } = await officersVault('first');
  const other = await makeVault(world, 'second');
  await client.setSecret('login', 'value');
  world.grant('reader', 'getSecret/action', vault.id);
  const reader = world.client(vault.uri, 'reader');
  expect((await reader.getSecret('login')).value).toBe('value');
  const refused = { statusCode: 403, details: { error: { innerError: { code: 'ForbiddenByRbac' } } } };
  await expect(reader.setSecret('login', 'mine')).rejects.toMatchObject(refused);
  await expect(reader.beginDeleteSecret('login')).rejects.toMatchObject(refused);
  await expect(collect(reader.listPropertiesOfSecrets())).rejects.toMatchObject({ statusCode: 403 });
  await expect(world.client(other.uri, 'reader').getSecret('login')).rejects.toMatchObject(refused);
});

test.for([
  ['for another audience', { audience: 'https://management.azure.com' }],
  ['forged', { signWith: 'other-key' as const }],
  ['expired', { expiresInSeconds: -60 }],
] as const)('a token %s is 401', async ([, flaw]) => {
  const { world, vault } = await officersVault();
  const token = credential(world.identity, { audience: 'https://vault.azure.net', oid: officer, ...flaw });
  const client = new SecretClient(vault.uri, token, {
    disableChallengeResourceVerification: true,
    retryOptions: { maxRetries: 0 },
  });
  await expect(client.getSecret('login')).rejects.toMatchObject({ statusCode: 401 });
});

test('without a token the answer is the challenge that clients begin with', async () => {
  const { vault } = await officersVault();
  const answer = await fetch(`${vault.uri}secrets/login?api-version=2025-07-01`, { method: 'PUT' });
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toMatch(
    /^Bearer authorization="https:\/\/login\.microsoftonline\.com\/[0-9a-f-]+", resource="https:\/\/vault\.azure\.net"$/,
  );
});

test('a vault that does not use RBAC grants nothing by a role', async () => {
  const world = await makeWorld();
  const vault = await makeVault(world, 'policies', { enableRbacAuthorization: false });
  world.grant(officer, '*', vault.id);
  const refused = world.client(vault.uri, officer).setSecret('login', 'value');
  await expect(refused).rejects.toMatchObject({
    statusCode: 403,
    details: { error: { innerError: { code: 'ForbiddenByPolicy' } } },
  });
});

test('a value over 25 KiB and a body of another shape are 400', async () => {
  const { client } = await officersVault();
  await expect(client.setSecret('big', 'x'.repeat(25 * 1024 + 1))).rejects.toMatchObject({ statusCode: 400 });
  const shapeless = client.setSecret('login', 'value', { tags: { a: 1 as unknown as string } });
  await expect(shapeless).rejects.toMatchObject({ statusCode: 400 });
});

test('secrets outlive a restart and the soft deletion of their vault, and a purge destroys them', async () => {
  const { world, vault, client } = await officersVault();
  await client.setSecret('login', 'survivor-value');
  await world.close();

  const again = await makeWorld(world.dir);
  const reopened = await makeVault(again, 'vault');
  again.grant(officer, '*', reopened.id);
  expect((await again.client(reopened.uri, officer).getSecret('login')).value).toBe('survivor-value');

  await reopened.plane.remove(reopened.resource);
  await expect(fetch(reopened.uri)).rejects.toThrow();
  const recovered = await makeVault(again, 'vault');
  expect((await again.client(recovered.uri, officer).getSecret('login')).value).toBe('survivor-value');

  await recovered.plane.act?.(recovered.resource, 'purge', {});
  const fresh = await makeVault(again, 'vault');
  await expect(again.client(fresh.uri, officer).getSecret('login')).rejects.toMatchObject({ statusCode: 404 });
  await again.close();
  expect(readFileSync(join(world.dir, 'vaults', 'vaults.sqlite')).includes('survivor-value')).toBe(false);
  expect(vault.uri).toMatch(/^https:\/\/127\./);
});

test('the name of a vault, also of a soft-deleted one, is taken', async () => {
  const { world, vault } = await officersVault('taken');
  await vault.plane.remove(vault.resource);
  const rival = { ...vault.resource, id: vault.id.replace('resourceGroups/group', 'resourceGroups/other') };
  await expect(vault.plane.apply(rival, {})).rejects.toMatchObject({ code: 'VaultAlreadyExists' });
  await world.close();
});

test('the control plane deletes a secret however often it is asked to, as after a crash', async () => {
  const { world, vault, client } = await officersVault();
  const token = credential(world.identity, { audience: 'https://vault.azure.net', oid: officer });
  const { control } = createVaults(token, vault.uri);
  await client.setSecret('login', 'value');
  for (const _ of [1, 2, 3]) await control.remove('login');
  await vi.waitFor(() => client.getDeletedSecret('login'));
  await control.remove('login');
  await control.remove('never-there');
  expect(await control.find('login')).toBeUndefined();
});
