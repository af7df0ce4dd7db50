import { ManagedIdentityCredential } from '@azure/identity';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterEach, expect, test, vi } from 'vitest';
import { group, makeWorld, tenantId, type World } from './world.ts';

const identityId = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/control`;

afterEach(() => vi.unstubAllEnvs());

async function makeUserAssigned(world: World, id = identityId) {
  const resource = world.put({ id, type: 'Microsoft.ManagedIdentity/userAssignedIdentities' });
  const plane = world.identity.dataPlanes['microsoft.managedidentity/userassignedidentities'];
  const answer = await plane?.apply(resource, {});
  return { principalId: String(answer?.principalId), clientId: String(answer?.clientId) };
}

test('a token for our API verifies against the published discovery document and keys', async () => {
  const { identity } = await makeWorld();
  const token = await identity.mint({ audience: 'api://molcajete', roles: ['Reader'], name: 'Ada' });
  const discovery = await fetch(`${identity.issuer}/.well-known/openid-configuration`);
  const { issuer, jwks_uri } = (await discovery.json()) as Record<string, string>;
  const keys = createRemoteJWKSet(new URL(jwks_uri ?? ''));
  const { payload } = await jwtVerify(token, keys, { issuer, audience: 'api://molcajete' });
  expect(payload).toMatchObject({ iss: identity.issuer, ver: '2.0', tid: tenantId, roles: ['Reader'], name: 'Ada' });
});

test('tokens for first-party resources are v1 tokens, as Azurite wants them', async () => {
  const { identity } = await makeWorld();
  for (const audience of ['https://management.azure.com/', 'https://vault.azure.net', 'https://storage.azure.com']) {
    const claims = decodeJwt(await identity.mint({ audience, oid: 'caller' }));
    expect(claims).toMatchObject({
      aud: audience,
      iss: `https://sts.windows.net/${tenantId}/`,
      ver: '1.0',
      oid: 'caller',
    });
  }
});

test.for([
  ['expired', { expiresInSeconds: -60 }],
  ['from another issuer', { issuer: 'https://sts.windows.net/elsewhere/' }],
  ['signed with a key that is not published', { signWith: 'other-key' as const }],
  ['for another audience', { audience: 'https://vault.azure.net' }],
] as const)('a token %s is refused', async ([, flaw]) => {
  const { identity } = await makeWorld();
  const audience = 'https://management.azure.com';
  const good = await identity.mint({ audience, oid: 'caller' });
  await expect(identity.verify(good, [audience])).resolves.toMatchObject({ oid: 'caller' });
  await expect(identity.verify(await identity.mint({ audience, ...flaw }), [audience])).rejects.toThrow();
});

test('a token outlives a restart of the state directory', async () => {
  const first = await makeWorld();
  const token = await first.identity.mint({ audience: 'https://management.azure.com', oid: 'caller' });
  await first.close();
  const second = await makeWorld(first.dir);
  await expect(second.identity.verify(token, ['https://management.azure.com'])).resolves.toMatchObject({
    oid: 'caller',
  });
});

test('the managed-identity client gets a token of the assigned identity from the App Service endpoint', async () => {
  const world = await makeWorld();
  const { clientId, principalId } = await makeUserAssigned(world);
  vi.stubEnv('IDENTITY_ENDPOINT', world.identity.identityEndpoint);
  vi.stubEnv('IDENTITY_HEADER', world.identity.identityHeader);
  const assigned = new ManagedIdentityCredential({ clientId, retryOptions: { maxRetries: 0 } });
  await expect(assigned.getToken('https://vault.azure.net/.default')).rejects.toThrow();

  await assignToApp(world, [identityId]);
  const { token } = await new ManagedIdentityCredential({ clientId }).getToken('https://vault.azure.net/.default');
  expect(decodeJwt(token)).toMatchObject({ oid: principalId, appid: clientId, xms_mirid: identityId });
});

async function assignToApp(world: World, resourceIds: string[]): Promise<void> {
  const { createServer } = await import('node:http');
  const server = createServer((request, response) => void world.identity.control(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const answer = await fetch(`http://127.0.0.1:${port}/app-identities`, {
    method: 'PUT',
    body: JSON.stringify({ resourceIds }),
  });
  expect(answer.status).toBe(200);
  server.close();
}

test.for([
  ['without its header', {}, 401],
  ['with a wrong header', { 'x-identity-header': 'guess' }, 401],
] as const)('the App Service endpoint refuses a request %s', async ([, headers, status]) => {
  const { identity } = await makeWorld();
  const url = `${identity.identityEndpoint}?api-version=2019-08-01&resource=https://vault.azure.net`;
  const answer = await fetch(url, { headers });
  expect(answer.status).toBe(status);
  expect(await answer.text()).not.toContain('access_token');
});

test('an identity that is deleted and made again has another principal', async () => {
  const world = await makeWorld();
  const first = await makeUserAssigned(world);
  expect(await makeUserAssigned(world)).toEqual(first);
  world.delete(identityId);
  const second = await makeUserAssigned(world);
  expect(second.principalId).not.toBe(first.principalId);
  expect(second.clientId).not.toBe(first.clientId);
});
