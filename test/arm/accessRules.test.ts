import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bodies } from './bodies.ts';
import { stillClock } from './clock.ts';
import { ask, freshGroup, type Rule, settled, testRules } from './rules.ts';
import { location, startWorld, subscriptionId, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

type Step = [string, string, unknown?];
const roles = {
  reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
  contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
  networkContributor: '4d97b98b-1d4f-4787-a291-c67834d212e7',
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6',
};
const definition = (role: string) =>
  `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
const assignment = (scope: string, n = 1) =>
  `${scope}/providers/Microsoft.Authorization/roleAssignments/0000000${n}-0000-4000-8000-000000000000`;
const grant = (role: string, principalId: string) => ({
  properties: { roleDefinitionId: definition(role), principalId, principalType: 'ServicePrincipal' },
});
const someone = '55555555-5555-4555-8555-555555555555';
const lock = (scope: string) => `${scope}/providers/Microsoft.Authorization/locks/keep`;
const nsg = (b: Bodies) => b.net('networkSecurityGroups', 'nsg');
// Vault names are unique in the world.
const vault = (b: Bodies) => b.id('Microsoft.KeyVault/vaults', `vault-${b.base.split('-').at(-1)}`);
const place = (b: Bodies) => `${b.base.split('/resourceGroups')[0]}/providers/Microsoft.KeyVault`;
const deleted = (b: Bodies) => `${place(b)}/locations/${location}/deletedVaults/${vault(b).split('/').at(-1)}`;
const gone = (b: Bodies): Step[] => [
  ['PUT', vault(b), b.vault()],
  ['DELETE', vault(b)],
];

const rules: Rule[] = [
  {
    fact: 'a role assignment is made once',
    when: (b) => ['PUT', assignment(b.base), grant(roles.reader, someone)],
    answers: [201, { properties: { scope: expect.stringMatching(/group-\d+$/) } }],
  },
  {
    fact: 'the same again is 200',
    given: (b) => [['PUT', assignment(b.base), grant(roles.reader, someone)]],
    when: (b) => ['PUT', assignment(b.base), grant(roles.reader, someone)],
    answers: [200],
  },
  {
    fact: 'under another GUID it exists already',
    given: (b) => [['PUT', assignment(b.base), grant(roles.reader, someone)]],
    when: (b) => ['PUT', assignment(b.base, 2), grant(roles.reader, someone)],
    answers: [409, 'RoleAssignmentExists'],
  },
  {
    fact: 'an assignment cannot be given to another principal',
    given: (b) => [['PUT', assignment(b.base), grant(roles.reader, someone)]],
    when: (b) => ['PUT', assignment(b.base), grant(roles.reader, '66666666-6666-4666-8666-666666666666')],
    answers: [409, 'RoleAssignmentUpdateNotPermitted'],
  },
  {
    fact: 'an unknown principal needs its type said',
    when: (b) => [
      'PUT',
      assignment(b.base),
      { properties: { roleDefinitionId: definition(roles.reader), principalId: someone } },
    ],
    answers: [400, 'PrincipalNotFound'],
  },
  {
    fact: 'an unknown role is refused',
    when: (b) => ['PUT', assignment(b.base), grant('00000000-0000-0000-0000-000000000000', someone)],
    answers: [404, 'RoleDefinitionDoesNotExist'],
  },
  {
    fact: 'the name of an assignment is a GUID',
    when: (b) => [
      'PUT',
      `${b.base}/providers/Microsoft.Authorization/roleAssignments/mine`,
      grant(roles.reader, someone),
    ],
    answers: [400, 'InvalidRoleAssignmentId'],
  },
  {
    fact: 'roles are found by their names',
    when: () => [
      'GET',
      `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName eq 'Key Vault Secrets User'`,
    ],
    answers: [200, { value: [{ name: roles.secretsUser }] }],
  },
  {
    fact: 'assignments are listed by principal',
    given: (b) => [['PUT', assignment(b.base), grant(roles.reader, '77777777-7777-4777-8777-777777777777')]],
    when: (b) => [
      'GET',
      `${b.base}/providers/Microsoft.Authorization/roleAssignments?$filter=principalId eq '77777777-7777-4777-8777-777777777777'`,
    ],
    answers: [200, { value: [{ properties: { principalId: '77777777-7777-4777-8777-777777777777' } }] }],
  },

  {
    fact: 'CanNotDelete keeps from deleting',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      ['PUT', lock(nsg(b)), { properties: { level: 'CanNotDelete' } }],
    ],
    when: (b) => ['DELETE', nsg(b)],
    answers: [409, 'ScopeLocked'],
    says: 'Please remove the lock and try again',
  },
  {
    fact: 'but not from writing',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      ['PUT', lock(nsg(b)), { properties: { level: 'CanNotDelete' } }],
    ],
    when: (b) => ['PUT', nsg(b), { location, tags: { a: 'b' } }],
    answers: [200],
  },
  {
    fact: 'ReadOnly keeps from writing',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      ['PUT', lock(b.base), { properties: { level: 'ReadOnly' } }],
    ],
    when: (b) => ['PUT', nsg(b), { location }],
    answers: [409, 'ScopeLocked'],
  },
  ...(
    [
      ['changing tags', 'PATCH', '', { tags: { a: 'b' } }],
      ['deallocating', 'POST', '/deallocate', undefined],
      ['deleting', 'DELETE', '', undefined],
    ] as const
  ).map(
    ([what, method, action, body]): Rule => ({
      fact: `ReadOnly keeps from ${what}`,
      given: (b) => [
        ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()],
        ['PUT', b.net('networkInterfaces', 'nic'), b.nic()],
        ['PUT', b.com('virtualMachines', 'vm'), b.vm()],
        ['PUT', lock(b.base), { properties: { level: 'ReadOnly' } }],
      ],
      when: (b) => [method, `${b.com('virtualMachines', 'vm')}${action}`, body],
      answers: [409, 'ScopeLocked'],
    }),
  ),
  {
    fact: 'but not from reading',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      ['PUT', lock(b.base), { properties: { level: 'ReadOnly' } }],
    ],
    when: (b) => ['GET', nsg(b)],
    answers: [200],
  },
  {
    fact: 'a lock inside keeps the group',
    given: (b) => [
      ['PUT', nsg(b), { location }],
      ['PUT', lock(nsg(b)), { properties: { level: 'CanNotDelete' } }],
    ],
    when: (b) => ['DELETE', b.base],
    answers: [409, 'ScopeLocked'],
  },
  {
    fact: 'a lock can be taken off',
    given: (b) => [
      ['PUT', lock(b.base), { properties: { level: 'ReadOnly' } }],
      ['DELETE', lock(b.base)],
    ],
    when: (b) => ['PUT', nsg(b), { location }],
    answers: [201],
  },

  {
    fact: 'a new vault uses RBAC at API 2026-02-01',
    when: (b) => ['PUT', vault(b), b.vault()],
    answers: [
      200,
      {
        properties: {
          enableRbacAuthorization: true,
          enableSoftDelete: true,
          softDeleteRetentionInDays: 90,
          provisioningState: 'RegisteringDns',
        },
      },
    ],
  },
  {
    fact: 'and access policies before',
    when: (b) => ['PUT', `${vault(b)}?api-version=2023-07-01`, b.vault()],
    answers: [200, { properties: { enableRbacAuthorization: false } }],
  },
  {
    fact: 'a vault needs its sku',
    when: (b) => ['PUT', vault(b), b.vault({ sku: undefined })],
    answers: [400, 'BadRequest'],
  },
  {
    fact: 'a vault of another tenant is refused',
    when: (b) => ['PUT', vault(b), b.vault({ tenantId: someone })],
    answers: [400, 'BadRequest'],
  },
  {
    fact: 'a deleted vault keeps its name',
    given: gone,
    when: (b) => ['PUT', vault(b), b.vault()],
    answers: [409, 'ConflictError'],
    says: 'deleted state',
  },
  {
    fact: 'a deleted vault is listed',
    given: gone,
    when: (b) => ['GET', deleted(b)],
    answers: [
      200,
      { properties: { vaultId: expect.stringMatching(/vaults\/vault-\d+$/), scheduledPurgeDate: expect.any(String) } },
    ],
  },
  {
    fact: 'a deleted vault is recovered by createMode',
    given: gone,
    when: (b) => ['PUT', vault(b), b.vault({ createMode: 'recover' })],
    answers: [200, { properties: { vaultUri: expect.any(String) } }],
  },
  {
    fact: 'a recovered vault is no longer deleted',
    given: (b) => [...gone(b), ['PUT', vault(b), b.vault({ createMode: 'recover' })]],
    when: (b) => ['GET', deleted(b)],
    answers: [404, 'DeletedVaultNotFound'],
  },
  {
    fact: 'a purged name is free',
    given: (b) => [...gone(b), ['POST', `${deleted(b)}/purge`]],
    when: (b) => ['PUT', vault(b), b.vault()],
    answers: [200],
  },
  {
    fact: 'the name of a vault is taken in the whole world',
    given: (b) => [
      ['PUT', vault(b), b.vault()],
      ['PUT', `${b.base}-second`, { location }],
    ],
    when: (b) => ['PUT', vault(b).replace(b.base, `${b.base}-second`), b.vault()],
    answers: [409, 'VaultAlreadyExists'],
  },
  ...[
    [6, 400],
    [7, 200],
    [90, 200],
    [91, 400],
  ].map(
    ([softDeleteRetentionInDays, status = 0]): Rule => ({
      fact: `a deleted vault kept for ${softDeleteRetentionInDays} days: ${status}`,
      when: (b) => ['PUT', vault(b), b.vault({ softDeleteRetentionInDays })],
      answers: [status],
    }),
  ),
  {
    fact: 'purge protection is irreversible',
    given: (b) => [['PUT', vault(b), b.vault({ enablePurgeProtection: true })]],
    when: (b) => ['PUT', vault(b), b.vault({ enablePurgeProtection: false })],
    answers: [400, 'BadRequest'],
  },
  {
    fact: 'and keeps from purging',
    given: (b) => [
      ['PUT', vault(b), b.vault({ enablePurgeProtection: true })],
      ['DELETE', vault(b)],
    ],
    when: (b) => ['POST', `${deleted(b)}/purge`],
    answers: [400, 'MethodNotAllowed'],
  },
];

describe('roles, locks, vaults', () => testRules(() => world, rules));

describe('callers', () => {
  let n = 0;
  const caller = () => `99999999-9999-4999-8999-${String(++n).padStart(12, '0')}`;
  const as = (token: string) => ({ authorization: `Bearer ${token}` });

  test('a reader reads and may not write', async () => {
    const b = await freshGroup(world);
    const reader = caller();
    await ask(world, ['PUT', assignment(b.base), grant(roles.reader, reader)]);
    expect((await ask(world, ['GET', b.base, undefined, as(reader)])).status).toBe(200);
    const refused = await ask(world, ['PUT', nsg(b), { location }, as(reader)]);
    expect([refused.status, refused.body.error.code]).toEqual([403, 'AuthorizationFailed']);
    expect(refused.body.error.message).toContain(
      "does not have authorization to perform action 'Microsoft.Network/networkSecurityGroups/write'",
    );
  });

  test('a contributor may not give roles away', async () => {
    const b = await freshGroup(world);
    const contributor = caller();
    await ask(world, ['PUT', assignment(b.base), grant(roles.contributor, contributor)]);
    expect((await ask(world, ['PUT', nsg(b), { location }, as(contributor)])).status).toBe(201);
    const refused = await ask(world, ['PUT', assignment(b.base, 2), grant(roles.reader, someone), as(contributor)]);
    expect([refused.status, refused.body.error.code]).toEqual([403, 'AuthorizationFailed']);
  });

  test('a custom role gives what it says and no more; in use it stays', async () => {
    const b = await freshGroup(world);
    const operator = caller();
    const role = 'aaaaaaaa-1111-4111-8111-111111111111';
    const permissions = [{ actions: ['Microsoft.Network/networkSecurityGroups/*'], notActions: ['*/delete'] }];
    expect(
      (await ask(world, ['PUT', definition(role), { properties: { roleName: 'Guard', permissions } }])).status,
    ).toBe(201);
    await ask(world, ['PUT', assignment(b.base), grant(role, operator)]);
    expect((await ask(world, ['PUT', nsg(b), { location }, as(operator)])).status).toBe(201);
    expect((await ask(world, ['DELETE', nsg(b), undefined, as(operator)])).status).toBe(403);
    expect((await ask(world, ['GET', b.base, undefined, as(operator)])).status).toBe(403);
    expect((await ask(world, ['DELETE', definition(role)])).body.error.code).toBe('RoleDefinitionHasAssignments');
  });

  test('naming a subnet of another needs the right to join it', async () => {
    const [theirs, mine] = [await freshGroup(world), await freshGroup(world)];
    const contributor = caller();
    await ask(world, ['PUT', assignment(mine.base), grant(roles.contributor, contributor)]);
    await ask(world, ['PUT', theirs.net('virtualNetworks', 'vnet'), theirs.vnet()]);
    await settled(world);
    const nic = mine.net('networkInterfaces', 'nic');
    const refused = await ask(world, ['PUT', nic, theirs.nic(), as(contributor)]);
    expect([refused.status, refused.body.error.code]).toEqual([403, 'LinkedAuthorizationFailed']);
    expect(refused.body.error.message).toContain('Microsoft.Network/virtualNetworks/subnets/join/action');
    await ask(world, ['PUT', assignment(theirs.base), grant(roles.networkContributor, contributor)]);
    expect((await ask(world, ['PUT', nic, theirs.nic(), as(contributor)])).status).toBe(201);
  });

  test('an endpoint waits for approval when its maker may not approve it', async () => {
    const b = await freshGroup(world);
    const contributor = caller();
    await ask(world, ['PUT', assignment(b.base), grant(roles.networkContributor, contributor)]);
    await ask(world, ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()]);
    await ask(world, ['PUT', b.server('to-approve'), b.mysql()]);
    await settled(world);
    const endpoint = b.net('privateEndpoints', 'endpoint');
    expect((await ask(world, ['PUT', endpoint, b.endpoint(b.server('to-approve')), as(contributor)])).status).toBe(201);
    await settled(world);
    const pending = { properties: { privateLinkServiceConnectionState: { status: 'Pending' } } };
    expect((await ask(world, ['GET', endpoint])).body.properties).toMatchObject({
      privateLinkServiceConnections: [pending],
    });
    expect((await ask(world, ['GET', b.server('to-approve')])).body.properties).toMatchObject({
      privateEndpointConnections: [pending],
    });
  });

  test.each([
    ['no token', {}, 'AuthenticationFailed'],
    ['an expired token', as('expired'), 'ExpiredAuthenticationToken'],
    ['a token of somebody else', as('nonsense'), 'InvalidAuthenticationToken'],
  ])('%s is refused with a challenge', async (_title, headers, code) => {
    const b = await freshGroup(world);
    const reply = await ask(world, ['GET', b.base, undefined, { authorization: '', ...headers }]);
    expect([reply.status, reply.body.error.code]).toEqual([401, code]);
    expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer authorization_uri=/);
  });
});

test('a new role assignment acts only after a while', async () => {
  const clock = stillClock();
  const slow = await startWorld({ rolePropagationSeconds: 600, factor: 1, clock });
  try {
    const b = await freshGroup(slow);
    await ask(slow, ['PUT', assignment(b.base), grant(roles.reader, someone)]);
    const read = () => ask(slow, ['GET', b.base, undefined, { authorization: `Bearer ${someone}` }]);
    clock.pass(599);
    expect((await read()).status).toBe(403);
    clock.pass(2);
    expect((await read()).status).toBe(200);
  } finally {
    await slow.close();
  }
});
