import { createServer } from 'node:http';
import { ManagedIdentityCredential } from '@azure/identity';
import { decodeJwt } from 'jose';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { group, makeWorld, type World } from './world.ts';

const vmId = `${group}/providers/Microsoft.Compute/virtualMachines/node-1`;
const userId = (name: string) => `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;

afterEach(() => vi.unstubAllEnvs());

/** A VM with these identities, its metadata service listening; returns the service's address. */
async function makeVm(world: World, type: string, users: string[]): Promise<string> {
  for (const user of users) world.identity.principals.of(userId(user));
  if (type.includes('SystemAssigned')) world.identity.principals.of(vmId);
  const userAssignedIdentities = Object.fromEntries(users.map((user) => [userId(user), {}]));
  world.put({ id: vmId, type: 'Microsoft.Compute/virtualMachines', identity: { type, userAssignedIdentities } });
  const server = createServer(world.identity.imds(vmId));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

const ask = (host: string, query = '', headers: Record<string, string> = { metadata: 'true' }) =>
  fetch(`${host}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://molcajete${query}`, { headers });

test('the managed-identity client on a VM gets the identity that it names by client id', async () => {
  const world = await makeWorld();
  const host = await makeVm(world, 'SystemAssigned, UserAssigned', ['a', 'b']);
  vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', host);
  const chosen = world.identity.principals.of(userId('b'));
  const credential = new ManagedIdentityCredential({ clientId: chosen.clientId });
  const { token } = await credential.getToken('https://vault.azure.net/.default');
  expect(decodeJwt(token)).toMatchObject({ oid: chosen.objectId, xms_mirid: userId('b') });
});

test('without a choice the system-assigned identity answers, with a v2 token for our API', async () => {
  const world = await makeWorld();
  const host = await makeVm(world, 'SystemAssigned, UserAssigned', ['a']);
  const answer = await ask(host);
  const body = (await answer.json()) as Record<string, string>;
  expect(decodeJwt(body.access_token ?? '')).toMatchObject({
    iss: world.identity.issuer,
    aud: 'api://molcajete',
    oid: world.identity.principals.of(vmId).objectId,
  });
  expect(Object.values(body).every((value) => typeof value === 'string')).toBe(true);
});

test.for([
  ['several identities and no choice', 'UserAssigned', ['a', 'b'], '', /Multiple user assigned identities/],
  ['a client id of nobody', 'SystemAssigned', [], '&client_id=none', /Identity not found/],
  ['a VM without identity', 'None', [], '', /Identity not found/],
] as const)('%s: 400', async ([, type, users, query, message]) => {
  const world = await makeWorld();
  const answer = await ask(await makeVm(world, type, [...users]), query);
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as { error_description: string }).error_description).toMatch(message);
});

test("an identity of another VM's is not given out", async () => {
  const world = await makeWorld();
  const foreign = world.identity.principals.of(userId('foreign'));
  const host = await makeVm(world, 'UserAssigned', ['a']);
  for (const query of [
    `&client_id=${foreign.clientId}`,
    `&object_id=${foreign.objectId}`,
    `&msi_res_id=${userId('foreign')}`,
  ]) {
    expect((await ask(host, query)).status).toBe(400);
  }
  expect((await ask(host, `&msi_res_id=${userId('a').toUpperCase()}`)).status).toBe(200);
});

test('a request without the Metadata header, or forwarded by a proxy, gets no token', async () => {
  const world = await makeWorld();
  const host = await makeVm(world, 'SystemAssigned', []);
  for (const headers of [{}, { metadata: 'true', 'x-forwarded-for': '10.0.0.1' }] as Record<string, string>[]) {
    const answer = await ask(host, '', headers);
    expect(answer.status).toBe(400);
    expect(await answer.text()).not.toContain('access_token');
  }
});

test('a rebuilt VM has another principal', async () => {
  const world = await makeWorld();
  await makeVm(world, 'SystemAssigned', []);
  const before = world.identity.principals.of(vmId);
  world.delete(vmId);
  await makeVm(world, 'SystemAssigned', []);
  expect(world.identity.principals.of(vmId).objectId).not.toBe(before.objectId);
});

test('the instance document names the VM', async () => {
  const world = await makeWorld();
  const host = await makeVm(world, 'SystemAssigned', []);
  const answer = await fetch(`${host}/metadata/instance?api-version=2021-02-01`, { headers: { metadata: 'true' } });
  expect(await answer.json()).toMatchObject({
    compute: { name: 'node-1', resourceId: vmId, resourceGroupName: 'group' },
  });
});
