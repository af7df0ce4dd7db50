import { createPublicKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { readArmError } from '../../shared/azure/armError.ts';
import { throwAwaySshKey } from '../../shared/azure/resources/sshKey.ts';
import type { JumpServerSpec } from '../../shared/spec.ts';
import type { Json } from './azureAnswers.ts';
import { type AzureStub, azureStub } from './azureStub.ts';
import { ensureAll, resourceNamed, seedControlNetwork, specOf, specWith, subscriptionId } from './sample.ts';

test('subnets, peerings and address space that others added to the network survive a change of ours', async () => {
  const { stub, properties } = await provisioned('virtualNetwork');
  const foreign = { name: 'theirs', properties: { addressPrefix: '172.20.0.0/24' } };
  const peering = { name: 'hub', properties: { remoteVirtualNetwork: { id: '/subscriptions/s/hub' } } };
  (properties.addressSpace as Json).addressPrefixes = ['10.20.0.0/16', '172.20.0.0/16', '172.30.0.0/16'];
  properties.subnets = [...(properties.subnets as Json[]), foreign];
  properties.virtualNetworkPeerings = [peering];
  await ensureAll(stub, specWith({ network: { addressSpace: ['10.20.0.0/16', '10.40.0.0/16'] } }));
  const sent = lastWrite(stub);
  expect(sent.addressSpace).toEqual({ addressPrefixes: ['10.20.0.0/16', '10.40.0.0/16', '172.20.0.0/16'] });
  expect(names(sent.subnets)).toEqual(['web', 'data', 'theirs']);
  expect(names(sent.virtualNetworkPeerings)).toEqual(['hub']);
});

test('a DDoS plan that others attached stays, ours goes when the spec drops it', async () => {
  const { stub, properties } = await provisioned('virtualNetwork');
  Object.assign(properties, { enableDdosProtection: true, ddosProtectionPlan: { id: '/subscriptions/s/plan' } });
  expect(await ensureAll(stub, specOf())).toEqual([]);
  const own = await provisioned('virtualNetwork', specWith({ network: { ddosProtection: true } }));
  await ensureAll(own.stub, specOf());
  expect(lastWrite(own.stub)).toMatchObject({ enableDdosProtection: false });
  expect(lastWrite(own.stub)).not.toHaveProperty('ddosProtectionPlan');
});

test('both subnets are private, and the data subnet obeys its security group for private endpoints', async () => {
  const { properties } = await provisioned('virtualNetwork');
  const [web, data] = (properties.subnets as Json[]).map((subnet) => subnet.properties as Json);
  expect(web).toMatchObject({ defaultOutboundAccess: false });
  expect(data).toMatchObject({
    defaultOutboundAccess: false,
    privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled',
  });
});

test('what a peered network may reach on a node is nothing, and what users may reach is the ingress', async () => {
  const { properties } = await provisioned('webNetworkSecurityGroup');
  const rules = (properties.securityRules as Json[]).map(
    (rule): Json => ({ name: rule.name, ...(rule.properties as Json) }),
  );
  const rule = (name: string) => rules.find((one) => one.name === name);
  expect(rule('allow-users')).toMatchObject({ sourceAddressPrefix: '203.0.113.0/24', destinationPortRange: '8443' });
  expect(rule('allow-control-plane')).toMatchObject({ sourceAddressPrefix: '198.51.100.7/32' });
  expect(rule('deny-networks')).toMatchObject({
    access: 'Deny',
    sourceAddressPrefix: 'VirtualNetwork',
    destinationPortRanges: ['22', '3306', '4822', '8080'],
  });
  expect(rule('deny-everything-else')).toMatchObject({ access: 'Deny', protocol: '*', sourceAddressPrefix: '*' });
  const allowed = rules
    .filter(({ access }) => access === 'Allow')
    .map(({ destinationPortRange }) => destinationPortRange);
  expect(allowed.sort()).toEqual(['8081', '8443', '8443', '8444']);
  const priorities = rules.map(({ priority }) => priority);
  expect(new Set(priorities).size).toBe(rules.length);
});

test('a rule that somebody opened in a security group is closed again', async () => {
  const { stub, properties } = await provisioned('webNetworkSecurityGroup');
  const opened = {
    name: 'ssh',
    properties: { priority: 90, access: 'Allow', direction: 'Inbound', destinationPortRange: '22' },
  };
  properties.securityRules = [...(properties.securityRules as Json[]), opened];
  expect(await ensureAll(stub, specOf())).toEqual(['webNetworkSecurityGroup']);
  expect(names(lastWrite(stub).securityRules)).not.toContain('ssh');
});

test('one allowed network that covers another is sent alone', async () => {
  const allowedSources = ['192.0.2.0/24', '192.0.2.16/28', '198.51.100.0/24', '198.51.100.0/24'];
  const { properties } = await provisioned('webNetworkSecurityGroup', specWith({ network: { allowedSources } }));
  const users = (properties.securityRules as Json[]).find(({ name }) => name === 'allow-users')?.properties;
  expect(users).toMatchObject({ sourceAddressPrefixes: ['192.0.2.0/24', '198.51.100.0/24'] });
});

test('rules and probes that others added to the load balancer survive a change of ours', async () => {
  const { stub, properties } = await provisioned('loadBalancer');
  properties.probes = [...(properties.probes as Json[]), { name: 'theirs', properties: { protocol: 'Tcp', port: 22 } }];
  await ensureAll(stub, specWith({ ingress: { port: 8443 } }));
  expect(names(lastWrite(stub).probes)).toEqual(['health', 'theirs']);
  const [rule] = lastWrite(stub).loadBalancingRules as Json[];
  expect(rule?.properties).toMatchObject({ frontendPort: 8443, backendPort: 8443, disableOutboundSnat: true });
});

test('a node that fell out of the pool is put back and keeps its address', async () => {
  const { stub, properties } = await provisioned('node-1/networkInterface');
  const [configuration] = properties.ipConfigurations as Json[];
  const inner = configuration?.properties as Json;
  Object.assign(inner, { privateIPAddress: '10.20.0.77', loadBalancerBackendAddressPools: [] });
  expect(await ensureAll(stub, specOf())).toEqual(['node-1/networkInterface']);
  const [sent] = lastWrite(stub).ipConfigurations as Json[];
  expect(sent?.properties).toMatchObject({ privateIPAddress: '10.20.0.77' });
  expect(sent).toHaveProperty('properties.loadBalancerBackendAddressPools.length', 1);
});

test('a machine is created with trusted launch, both identities, no password and no secret in its custom data', async () => {
  const { stub } = await provisioned('node-1/virtualMachine');
  const body = stub.writes.find(({ id }) => id.endsWith('/virtualMachines/demo-1'))?.body as Json;
  expect(body.identity).toMatchObject({ type: 'SystemAssigned, UserAssigned' });
  expect(body.properties).toMatchObject({
    securityProfile: { securityType: 'TrustedLaunch', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } },
    osProfile: { linuxConfiguration: { disablePasswordAuthentication: true } },
    storageProfile: { osDisk: { deleteOption: 'Delete' } },
    networkProfile: { networkInterfaces: [{ properties: { deleteOption: 'Detach' } }] },
  });
  const { customData } = (body.properties as { osProfile: { customData: string } }).osProfile;
  expect(Buffer.from(customData, 'base64').toString()).toMatch(/^#cloud-config/);
});

test('a machine that exists is patched, never put: its creation-time members stay untouched', async () => {
  const { stub } = await provisioned('node-1/virtualMachine');
  await ensureAll(stub, specWith({ tags: { cost: 'it' } }));
  const last = stub.writes.filter(({ id }) => id.endsWith('/virtualMachines/demo-1')).at(-1);
  expect(last?.method).toBe('PATCH');
  expect(Object.keys(last?.body ?? {}).sort()).toEqual(['identity', 'tags']);
});

test.each(['Failed', 'Canceled'])(
  'a machine whose last write ended as %s gets its model reapplied, and a PATCH of what differs before, if anything does',
  async (provisioningState) => {
    const { stub, properties } = await provisioned('node-1/virtualMachine');
    for (const [spec, methods] of [
      [specOf(), ['POST']],
      [specWith({ tags: { cost: 'it' } }), ['PATCH', 'POST']],
    ] as const) {
      Object.assign(properties, { provisioningState });
      const before = stub.writes.length;
      await ensureAll(stub, spec);
      const sent = stub.writes.slice(before).filter(({ id }) => id.includes('/virtualMachines/demo-1'));
      expect(sent.map(({ method }) => method)).toEqual(methods);
      expect(sent.at(-1)?.id).toMatch(/\/reapply$/);
    }
  },
);

test('every machine gets a key of its own, which is a valid RSA public key', async () => {
  const [one, other] = await Promise.all([throwAwaySshKey(), throwAwaySshKey()]);
  expect(one).not.toBe(other);
  const blob = Buffer.from(one.split(' ')[1] ?? '', 'base64');
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; at += 4 + (fields.at(-1)?.length ?? 0)) {
    fields.push(blob.subarray(at + 4, at + 4 + blob.readUInt32BE(at)));
  }
  const [kind, e, n] = fields;
  expect(kind?.toString()).toBe('ssh-rsa');
  const jwk = { kty: 'RSA', e: e?.toString('base64url'), n: n?.subarray(1).toString('base64url') };
  expect(createPublicKey({ key: jwk, format: 'jwk' }).asymmetricKeyDetails?.modulusLength).toBe(2048);
});

test.each(['Failed', 'Canceled'])(
  'a resource in state %s is written again though every field looks right, with what others added',
  async (provisioningState) => {
    const { stub, properties } = await provisioned('loadBalancer');
    properties.probes = [
      ...(properties.probes as Json[]),
      { name: 'theirs', properties: { protocol: 'Tcp', port: 22 } },
    ];
    properties.provisioningState = provisioningState;
    expect(await ensureAll(stub, specOf())).toEqual(['loadBalancer']);
    expect(names(lastWrite(stub).probes)).toEqual(['health', 'theirs']);
  },
);

test('a resource group that was there before is used and not claimed', async () => {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  const { id } = resourceNamed(specOf(), 'resourceGroup');
  stub.stored.set(id.toLowerCase(), {
    id,
    location: 'westeurope',
    tags: { team: 'core' },
    properties: { provisioningState: 'Succeeded' },
  });
  expect(await ensureAll(stub, specOf())).not.toContain('resourceGroup');
  const look = await resourceNamed(specOf(), 'resourceGroup').look(stub.azure, {});
  expect(look.output).toEqual({ owned: 'false' });
});

test('the resource group of another jump server is refused', async () => {
  const stub = azureStub(subscriptionId);
  const group = resourceNamed(specOf(), 'resourceGroup');
  stub.stored.set(group.id.toLowerCase(), {
    id: group.id,
    location: 'westeurope',
    tags: { 'molcajete-jump-server': 'other' },
  });
  await expect(group.look(stub.azure, {})).rejects.toMatchObject({ status: 409, target: 'resourceGroup' });
});

test('a DNS zone that was in the group before is not taken over', async () => {
  const stub = azureStub(subscriptionId);
  const zone = resourceNamed(specOf(), 'dnsZone');
  stub.stored.set(zone.id.toLowerCase(), { id: zone.id, location: 'global', tags: {}, properties: {} });
  const refusal = await zone.look(stub.azure, {}).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ status: 409, code: 'ResourceNotOurs', target: 'resourceGroup' });
  expect(readArmError(refusal).kind).toBe('hopeless');
});

test('a soft-deleted vault of the same name is recovered', async () => {
  const { stub } = await provisioned('vault');
  const { id } = resourceNamed(specOf(), 'vault');
  stub.stored.delete(id.toLowerCase());
  const message = 'A vault with the same name already exists in deleted state. You need to either recover or purge it.';
  stub.refuseOnce(id, 409, { error: { code: 'ConflictError', message } });
  expect(await ensureAll(stub, specOf())).toEqual(['vault']);
  expect(lastWrite(stub)).toMatchObject({ createMode: 'recover', enableRbacAuthorization: true });
});

test('a vault name that somebody else has is an error', async () => {
  const { stub } = await provisioned('vault');
  const { id } = resourceNamed(specOf(), 'vault');
  stub.stored.delete(id.toLowerCase());
  stub.refuseOnce(id, 409, { error: { code: 'VaultAlreadyExists', message: 'The vault name is already in use.' } });
  await expect(ensureAll(stub, specOf())).rejects.toMatchObject({ code: 'VaultAlreadyExists' });
});

test('a role assignment for an identity that is gone is replaced', async () => {
  const { stub, properties } = await provisioned('vaultRole');
  properties.principalId = 'gone';
  expect(await ensureAll(stub, specOf())).toEqual(['vaultRole']);
  expect(stub.writes.slice(-2).map(({ method }) => method)).toEqual(['DELETE', 'PUT']);
});

test.each(['Failed', 'Canceled'])('a private endpoint in state %s is written again', async (provisioningState) => {
  const { stub, properties } = await provisioned('dataEndpoint');
  properties.provisioningState = provisioningState;
  expect(await ensureAll(stub, specOf())).toEqual(['dataEndpoint']);
});

test('a disconnected private endpoint is deleted and made anew', async () => {
  const { stub, properties } = await provisioned('dataEndpoint');
  const [connection] = properties.privateLinkServiceConnections as Json[];
  Object.assign(connection?.properties as Json, { privateLinkServiceConnectionState: { status: 'Disconnected' } });
  const look = await resourceNamed(specOf(), 'dataEndpoint').look(stub.azure, {});
  expect(look.observed).toBe('failed');
  expect(await ensureAll(stub, specOf())).toEqual(['dataEndpoint']);
  expect(stub.writes.slice(-2).map(({ method }) => method)).toEqual(['DELETE', 'PUT']);
});

test("the control plane's endpoint is in the region of its own network", async () => {
  const { stub } = await provisioned('controlEndpoint');
  expect(stub.find(resourceNamed(specOf(), 'controlEndpoint').id)).toMatchObject({ location: 'northeurope' });
  expect(stub.find(resourceNamed(specOf(), 'dataEndpoint').id)).toMatchObject({ location: 'westeurope' });
});

test('a database opened to the public behind our back is closed again', async () => {
  const { stub, properties } = await provisioned('mysqlServer');
  properties.network = { publicNetworkAccess: 'Enabled' };
  expect(await ensureAll(stub, specOf())).toEqual(['mysqlServer']);
  expect(stub.writes.at(-1)?.body).toEqual({ properties: { network: { publicNetworkAccess: 'Disabled' } } });
});

test('storage that grew by itself is left alone', async () => {
  const { stub, properties } = await provisioned('mysqlServer');
  (properties.storage as Json).storageSizeGB = 100;
  expect(await ensureAll(stub, specOf())).toEqual([]);
});

for (const [state, observed] of [
  ['Ready', 'ready'],
  ['Stopped', 'ready'],
  ['Updating', 'pending'],
  ['Starting', 'pending'],
  ['Dropping', 'pending'],
  ['Disabled', 'failed'],
]) {
  test(`a database in state ${state} is ${observed}`, async () => {
    const { stub, properties } = await provisioned('mysqlServer');
    properties.state = state;
    expect((await resourceNamed(specOf(), 'mysqlServer').look(stub.azure, {})).observed).toBe(observed);
  });
}

const lastWrite = (stub: AzureStub): Json => (stub.writes.at(-1)?.body?.properties ?? {}) as Json;

const names = (list: unknown): unknown[] => ((list ?? []) as Json[]).map(({ name }) => name);

/** A provisioned jump server, and the stored properties of one of its resources, to be changed behind our back. */
async function provisioned(key: string, spec: JumpServerSpec = specOf()) {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  await ensureAll(stub, spec);
  return { stub, properties: stub.find(resourceNamed(spec, key).id).properties as Json };
}
