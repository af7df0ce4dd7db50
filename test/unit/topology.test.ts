import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { apiVersions } from '../../shared/azure/resources/apiVersions.ts';
import type { JumpServerSpec } from '../../shared/spec.ts';
import { topology } from '../../shared/topology.ts';
import { azureStub } from './azureStub.ts';
import {
  ensureAll,
  environment,
  resourceNamed,
  seedControlNetwork,
  specOf,
  specWith,
  subscriptionId,
} from './sample.ts';

const everything = specWith({
  network: {
    ddosProtection: true,
    peerings: [
      {
        virtualNetworkId: `/subscriptions/${subscriptionId}/resourceGroups/servers/providers/Microsoft.Network/virtualNetworks/servers`,
      },
    ],
  },
  ingress: { dnsLabel: 'demo-door' },
  database: { sku: 'Standard_D2ads_v5', highAvailability: 'ZoneRedundant', geoRedundantBackup: true },
  tags: { cost: 'it' },
});

test('a jump server is provisioned with one write for each resource, and an equal spec writes nothing more', async () => {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  const all = topology('demo', everything, environment).map(({ key }) => key);
  expect(await ensureAll(stub, everything)).toEqual(all);
  expect(stub.writes).toHaveLength(all.length);
  expect(await ensureAll(stub, everything)).toEqual([]);
  expect(stub.writes).toHaveLength(all.length);
});

/** Each: what changes in the spec, and what is written for it. */
const changes: [string, JumpServerSpec, JumpServerSpec, string[]][] = [
  ['a third node', specOf(), specWith({ web: { count: 3 } }), ['node-3/networkInterface', 'node-3/virtualMachine']],
  [
    'a new allowed source',
    specOf(),
    specWith({ network: { allowedSources: ['203.0.113.0/24', '192.0.2.0/24'] } }),
    ['webNetworkSecurityGroup'],
  ],
  ['another port', specOf(), specWith({ ingress: { port: 8443 } }), ['loadBalancer']],
  ['a DNS label', specOf(), specWith({ ingress: { dnsLabel: 'door' } }), ['publicIpAddress']],
  ['no DNS label any more', specWith({ ingress: { dnsLabel: 'door' } }), specOf(), ['publicIpAddress']],
  ['more storage', specOf(), specWith({ database: { storageGb: 64 } }), ['mysqlServer']],
  ['longer backups', specOf(), specWith({ database: { backupRetentionDays: 30 } }), ['mysqlServer']],
  ['a DDoS plan', specOf(), specWith({ network: { ddosProtection: true } }), ['ddosProtectionPlan', 'virtualNetwork']],
  ['no DDoS plan any more', specWith({ network: { ddosProtection: true } }), specOf(), ['virtualNetwork']],
  [
    'more address space',
    specOf(),
    specWith({ network: { addressSpace: ['10.20.0.0/16', '10.40.0.0/16'] } }),
    ['virtualNetwork'],
  ],
];

for (const [what, before, after, expected] of changes) {
  test(`${what} writes only ${expected.join(' and ')}`, async () => {
    const stub = await provisioned(before);
    expect(await ensureAll(stub, after)).toEqual(expected);
    expect(await ensureAll(stub, after)).toEqual([]);
  });
}

test('a tag goes onto everything that takes tags, and comes off again, and the tags of others stay', async () => {
  const stub = await provisioned(specOf());
  const id = resourceNamed(specOf(), 'loadBalancer').id;
  stub.find(id).tags = { ...(stub.find(id).tags as object), 'added-by-policy': 'yes' };
  const written = await ensureAll(stub, specWith({ tags: { cost: 'it' } }));
  const untagged = ['vaultRole', 'dataEndpointDns', 'controlEndpointDns'];
  expect(written).toEqual(keysOf(specOf()).filter((key) => !untagged.includes(key)));
  expect(stub.find(id).tags).toMatchObject({ cost: 'it', 'added-by-policy': 'yes', 'molcajete-jump-server': 'demo' });
  await ensureAll(stub, specOf());
  expect(stub.find(id).tags).toEqual({ 'added-by-policy': 'yes', 'molcajete-jump-server': 'demo' });
  expect(await ensureAll(stub, specOf())).toEqual([]);
});

test('a changed database is patched with what differs and nothing else', async () => {
  const stub = await provisioned(specOf());
  await ensureAll(
    stub,
    specWith({ database: { storageGb: 64, sku: 'Standard_D2ads_v5', highAvailability: 'SameZone' } }),
  );
  expect(stub.writes.at(-1)).toMatchObject({ method: 'PATCH' });
  expect(stub.writes.at(-1)?.body).toEqual({
    sku: { name: 'Standard_D2ads_v5', tier: 'GeneralPurpose' },
    properties: { storage: { storageSizeGB: 64 }, highAvailability: { mode: 'SameZone' } },
  });
});

test('the database never has a public moment', async () => {
  const stub = await provisioned(specOf());
  const { id } = resourceNamed(specOf(), 'mysqlServer');
  const first = stub.writes.find((sent) => sent.id === id);
  expect(first?.url).toContain('api-version=2024-12-30');
  expect(first?.body).toMatchObject({ properties: { network: { publicNetworkAccess: 'Disabled' } } });
});

test('the graph is ordered, has no key or id twice, and lets the database start right after its group', () => {
  const graph = topology('demo', everything, environment);
  const before = new Set<string>();
  for (const { key, dependsOn } of graph) {
    for (const dependency of dependsOn.filter((one) => !one.endsWith('/farSide')))
      expect([...before]).toContain(dependency);
    before.add(key);
  }
  expect(before.size).toBe(graph.length);
  expect(new Set(graph.map(({ id }) => id.toLowerCase())).size).toBe(graph.length);
  expect(graph.find(({ key }) => key === 'mysqlServer')?.dependsOn).toEqual(['resourceGroup']);
});

test('every type of the graph has an API version for its deletion, the one its client speaks', async () => {
  const stub = await provisioned(everything);
  for (const { id, type } of topology('demo', everything, environment)) {
    const sent = stub.writes.find((one) => one.id.toLowerCase() === id.toLowerCase());
    expect(sent?.url, type).toContain(`api-version=${apiVersions[type]}`);
  }
});

test('no secret is in what the clients sent, but the administrator password of the database in its first PUT', async () => {
  const stub = await provisioned(everything);
  const bodies = stub.writes.map(({ body }) => JSON.stringify(body));
  expect(bodies.filter((body) => body.includes('a-Secret-of-2026'))).toHaveLength(1);
  expect(bodies.some((body) => body.includes('PRIVATE KEY'))).toBe(false);
});

test('the picture of the graph in the documentation has every resource and every arrow', () => {
  const document = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8');
  const picture = /flowchart LR\n([\s\S]*?)```/.exec(document)?.[1] ?? '';
  const arrows = new Set<string>();
  for (const line of picture.split('\n').map((text) => text.replace(/\["[^"]*"\]/g, ''))) {
    const stages = line.split('-->').map((stage) => stage.split('&').map((key) => key.trim()));
    stages.slice(1).forEach((to, at) => {
      for (const one of stages[at] ?? []) for (const other of to) arrows.add(`${one} → ${other}`);
    });
  }
  const short = (key: string) => key.replace(/^node-\d+\//, '').replace(/^peering-.*/, 'peering');
  const expected = topology('demo', everything, environment).flatMap(({ key, dependsOn }) =>
    dependsOn.map((dependency) => `${short(dependency)} → ${short(key)}`),
  );
  expect([...arrows].sort()).toEqual([...new Set(expected)].filter((arrow) => arrow !== 'peering → peering').sort());
});

async function provisioned(spec: JumpServerSpec) {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  await ensureAll(stub, spec);
  return stub;
}

const keysOf = (spec: JumpServerSpec): string[] => topology('demo', spec, environment).map(({ key }) => key);
