import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, freshGroup, type Rule, settled, testRules } from './rules.ts';
import { location, startWorld, subscriptionId, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const vnet = (b: Parameters<Rule['when']>[0]) => b.net('virtualNetworks', 'vnet');

const rules: Rule[] = [
  {
    fact: 'every request needs an api-version',
    when: (b) => ['GET', `${b.base}?api-version=`],
    answers: [400, 'MissingApiVersionParameter'],
    says: 'The api-version query parameter',
  },
  {
    fact: 'a malformed api-version is refused',
    when: (b) => ['GET', `${b.base}?api-version=soon`],
    answers: [400, 'InvalidApiVersionParameter'],
  },
  {
    fact: 'an unknown api-version is refused with those that are known',
    when: (b) => ['GET', `${vnet(b)}?api-version=1999-01-01`],
    answers: [400, 'NoRegisteredProviderFound'],
    says: "The supported api-versions are '",
  },
  {
    fact: 'the query key may be encoded',
    when: (b) => ['GET', `${b.base}?api%2Dversion=2025-04-01&api-version=2025-04-01`],
    answers: [200],
  },
  {
    fact: 'an unknown namespace is refused',
    when: (b) => ['GET', `${b.id('Contoso.Web/sites', 'a')}?api-version=2025-04-01`],
    answers: [404, 'InvalidResourceNamespace'],
  },
  {
    fact: 'an unknown type is refused',
    when: (b) => ['GET', b.net('teleporters', 'a')],
    answers: [404, 'InvalidResourceType'],
  },
  {
    fact: 'a group that is not there is said to be missing',
    when: (b) => ['GET', vnet(b).replace(b.base, `${b.base}-missing`)],
    answers: [404, 'ResourceGroupNotFound'],
  },
  {
    fact: 'a resource that is not there is said to be missing',
    when: (b) => ['GET', vnet(b)],
    answers: [404, 'ResourceNotFound'],
    says: "The Resource 'Microsoft.Network/virtualNetworks/vnet' under resource group",
  },
  {
    fact: 'another subscription is unknown',
    when: () => ['GET', '/subscriptions/00000000-0000-0000-0000-000000000000/resources'],
    answers: [404, 'SubscriptionNotFound'],
  },
  { fact: 'deleting what is not there is a success', when: (b) => ['DELETE', vnet(b)], answers: [204] },
  {
    fact: 'the location is needed',
    when: (b) => ['PUT', vnet(b), { properties: {} }],
    answers: [400, 'LocationRequired'],
  },
  {
    fact: 'a resource stays in its region',
    given: (b) => [['PUT', vnet(b), b.vnet()]],
    when: (b) => ['PUT', vnet(b), { ...b.vnet(), location: 'northeurope' }],
    answers: [409, 'InvalidResourceLocation'],
    says: "already exists in location 'westeurope'",
  },
  {
    fact: 'a region that is not offered is refused',
    when: (b) => ['PUT', vnet(b), { ...b.vnet(), location: 'mars' }],
    answers: [400, 'LocationNotAvailableForResourceType'],
  },
  {
    fact: 'a region may be written in words',
    when: (b) => ['PUT', vnet(b), { ...b.vnet(), location: 'West Europe' }],
    answers: [201, { location }],
  },
  {
    fact: 'broken JSON is refused',
    when: (b) => ['PUT', vnet(b), '{"location":'],
    answers: [400, 'InvalidRequestContent'],
  },
  { fact: 'a list is no body', when: (b) => ['PUT', vnet(b), []], answers: [400, 'InvalidRequestContent'] },
  {
    fact: 'a member that does not exist is refused',
    when: (b) => ['PUT', vnet(b), b.vnet({ adressSpace: {} })],
    answers: [400, 'InvalidRequestFormat'],
    says: "Could not find member 'adressSpace'",
  },
  {
    fact: 'a member of another type is refused',
    when: (b) => ['PUT', vnet(b), b.vnet({ enableDdosProtection: 'yes' })],
    answers: [400, 'InvalidRequestFormat'],
  },
  {
    fact: 'a trademark is no name',
    when: (b) => ['PUT', b.net('virtualNetworks', 'microsoft'), b.vnet()],
    answers: [400, 'ReservedResourceName'],
  },
  {
    fact: 'a name begins with a letter or a digit',
    when: (b) => ['PUT', b.net('virtualNetworks', '-vnet'), b.vnet()],
    answers: [400, 'InvalidResourceName'],
  },
  {
    fact: 'two parts of one name are refused',
    when: (b) => [
      'PUT',
      vnet(b),
      b.vnet({}, [
        { name: 'a', ...b.subnet('10.0.1.0/24') },
        { name: 'A', ...b.subnet('10.0.2.0/24') },
      ]),
    ],
    answers: [400, 'DuplicateResourceName'],
  },
  { fact: 'fifty tags are allowed', when: (b) => ['PUT', vnet(b), { ...b.vnet(), tags: tags(50) }], answers: [201] },
  {
    fact: 'fifty-one are not',
    when: (b) => ['PUT', vnet(b), { ...b.vnet(), tags: tags(51) }],
    answers: [400, 'InvalidTagsOverLimit'],
  },
  {
    fact: 'a tag has 256 characters',
    when: (b) => ['PUT', vnet(b), { ...b.vnet(), tags: { a: 'x'.repeat(257) } }],
    answers: [400, 'InvalidTagValueLength'],
  },
  {
    fact: 'tag names differ by more than letter case',
    when: (b) => ['PUT', vnet(b), { ...b.vnet(), tags: { a: '1', A: '2' } }],
    answers: [400, 'DuplicateTagName'],
  },
  ...[
    ['the key of a tag has at most 512 characters', { ['k'.repeat(512)]: 'x' }, 201],
    ['and not one more', { ['k'.repeat(513)]: 'x' }, 400, 'InvalidTagName'],
    ['the value of a tag has at most 256 characters', { a: 'v'.repeat(256) }, 201],
    ['and not one more, too', { a: 'v'.repeat(257) }, 400, 'InvalidTagValueLength'],
  ].map(
    ([fact, tags, status, code]): Rule => ({
      fact: String(fact),
      when: (b) => ['PUT', vnet(b), { ...b.vnet(), tags }],
      answers: [Number(status), code === undefined ? undefined : String(code)],
    }),
  ),
  {
    fact: 'a stale etag is refused',
    given: (b) => [['PUT', vnet(b), b.vnet()]],
    when: (b) => ['PUT', vnet(b), b.vnet(), { 'if-match': 'W/"00000000-0000-0000-0000-000000000000"' }],
    answers: [412, 'PreconditionFailedEtagMismatch'],
    says: 'in NRP data store',
  },
  {
    fact: 'a group name has at most 90 characters',
    when: (b) => ['PUT', `${b.base}${'x'.repeat(90)}`, { location }],
    answers: [400, 'InvalidResourceGroup'],
  },
  {
    fact: 'a group stays in its region',
    when: (b) => ['PUT', b.base, { location: 'northeurope' }],
    answers: [409, 'InvalidResourceGroupLocation'],
  },
  { fact: 'an existing group is 204 to a HEAD', when: (b) => ['HEAD', b.base], answers: [204] },
  { fact: 'a missing group is 404 to a HEAD', when: (b) => ['HEAD', `${b.base}-missing`], answers: [404] },
];

const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, 'x']));

describe('answers', () => testRules(() => world, rules));

test('paths are found in any letter case and with double slashes; ids come back as they were created', async () => {
  const b = await freshGroup(world);
  await ask(world, ['PUT', b.net('virtualNetworks', 'MyNet'), b.vnet()]);
  await settled(world);
  const reply = await ask(world, [
    'GET',
    `/${b.net('virtualNetworks', 'mynet').toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions')}?api-version=2026-01-01`,
  ]);
  expect([reply.status, reply.body.id]).toEqual([200, b.net('virtualNetworks', 'MyNet')]);
});

test('the etag changes with the resource, a part and a back reference, and holds otherwise', async () => {
  const b = await freshGroup(world);
  const etag = async () => (await ask(world, ['GET', vnet(b)])).body.etag;
  await ask(world, ['PUT', vnet(b), b.vnet()]);
  await settled(world);
  const first = await etag();
  expect(await etag()).toBe(first);
  await ask(world, ['PUT', b.net('networkInterfaces', 'nic'), b.nic()]);
  const second = await etag();
  expect(second).not.toBe(first);
  const guarded = await ask(world, [
    'PUT',
    `${vnet(b)}/subnets/data`,
    b.subnet('10.0.2.0/24'),
    { 'if-match': 'W/"old"' },
  ]);
  expect(guarded.status).toBe(412);
  await ask(world, ['PUT', `${vnet(b)}/subnets/data`, b.subnet('10.0.2.0/24')]);
  await settled(world);
  expect(await etag()).not.toBe(second);
});

test('what a GET gives can be put back', async () => {
  const b = await freshGroup(world);
  const paths: [string, unknown][] = [
    [b.net('networkSecurityGroups', 'nsg'), { location, properties: { securityRules: [{ name: 'a', ...b.rule() }] } }],
    [vnet(b), b.vnet()],
    [b.net('publicIPAddresses', 'ip'), b.publicIp()],
    [b.net('loadBalancers', 'lb'), b.balancer()],
    [
      b.net('networkInterfaces', 'nic'),
      b.nic({ loadBalancerBackendAddressPools: [{ id: `${b.net('loadBalancers', 'lb')}/backendAddressPools/pool` }] }),
    ],
    [b.com('virtualMachines', 'vm'), b.vm({}, { identity: { type: 'SystemAssigned' } })],
    [b.com('disks', 'data'), { location, properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 8 } }],
    [b.server('round-trip'), b.mysql()],
    [b.net('privateEndpoints', 'endpoint'), b.endpoint(b.server('round-trip'))],
    [b.net('privateDnsZones', 'example.com'), { location: 'global' }],
    [b.id('Microsoft.KeyVault/vaults', 'round-trip'), b.vault()],
    [b.id('Microsoft.ManagedIdentity/userAssignedIdentities', 'round-trip'), { location }],
  ];
  for (const [path, body] of paths) {
    await ask(world, ['PUT', path, body]);
    await settled(world);
    const before = await ask(world, ['GET', path]);
    const again = await ask(world, ['PUT', path, before.body]);
    expect(again.status, JSON.stringify(again.body)).toBeLessThan(300);
    await settled(world);
    const after = await ask(world, ['GET', path]);
    expect(after.body, path).toEqual(before.body);
  }
});

test('a list has pages whose next link is absolute and opaque', async () => {
  const b = await freshGroup(world);
  for (const name of ['a', 'c', 'd']) await ask(world, ['PUT', b.net('networkSecurityGroups', name), { location }]);
  const first = await ask(world, ['GET', `${b.base}/resources?$top=2`]);
  expect(first.body.value).toHaveLength(2);
  expect(first.body.nextLink).toMatch(/^https:.*api-version=.*skiptoken=/);
  const second = await ask(world, ['GET', first.body.nextLink]);
  expect(second.body.value).toHaveLength(1);
  expect(second.body.nextLink).toBeUndefined();
});

test('resources are filtered by type, tag and group', async () => {
  const b = await freshGroup(world);
  await ask(world, ['PUT', b.net('networkSecurityGroups', 'nsg'), { location, tags: { molcajete: b.base } }]);
  await ask(world, ['PUT', vnet(b), { ...b.vnet(), tags: { molcajete: 'other' } }]);
  const names = async (filter: string) =>
    (
      await ask(world, ['GET', `/subscriptions/${subscriptionId}/resources?$filter=${encodeURIComponent(filter)}`])
    ).body.value.map((one: { name: string }) => one.name);
  expect(await names(`tagName eq 'molcajete' and tagValue eq '${b.base}'`)).toEqual(['nsg']);
  expect(
    await names(
      `resourceType eq 'Microsoft.Network/virtualNetworks' and resourceGroup eq '${b.base.split('/').at(-1)}'`,
    ),
  ).toEqual(['vnet']);
});

test('every answer can be found again by its ids', async () => {
  const b = await freshGroup(world);
  const { headers } = await ask(world, ['GET', b.base]);
  expect(headers.get('x-ms-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(headers.get('x-ms-correlation-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(headers.get('x-ms-routing-request-id')).toMatch(/^WESTEUROPE:\d{8}T\d{6}Z:[0-9a-f-]{36}$/);
});

test('the network provider adds an id of its own, private DNS does not', async () => {
  const b = await freshGroup(world);
  const own = async (path: string) => (await ask(world, ['GET', path])).headers.get('x-ms-arm-service-request-id');
  expect(await own(vnet(b))).toMatch(/^[0-9a-f-]{36}$/);
  expect(await own(b.com('virtualMachines', 'vm'))).toBeNull();
  expect(await own(b.net('privateDnsZones', 'example.com'))).toBeNull();
});

test('the trace has every request with its outcome, and no secret', async () => {
  const b = await freshGroup(world);
  await ask(world, ['PUT', b.server('traced'), b.mysql({ administratorLoginPassword: 'Tr4ced-Secret-Value' })]);
  await ask(world, ['GET', vnet(b)]);
  const last = async () =>
    (await readFile(world.traceFile, 'utf8'))
      .trim()
      .split('\n')
      .slice(-2)
      .map((line) => JSON.parse(line));
  await expect.poll(async () => (await last())[1]?.url).toContain('virtualNetworks/vnet');
  const [put, get] = await last();
  expect(put).toMatchObject({
    method: 'PUT',
    status: 202,
    body: { properties: { administratorLogin: 'dbadmin', administratorLoginPassword: 'placeholder' } },
  });
  expect(get).toMatchObject({ method: 'GET', status: 404, code: 'ResourceNotFound' });
  expect(await readFile(world.traceFile, 'utf8')).not.toContain('Tr4ced-Secret-Value');
});
