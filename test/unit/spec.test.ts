import fc from 'fast-check';
import { expect, test } from 'vitest';
import { containsCidr, formatCidr, overlap, parseCidr, withoutCovered } from '../../shared/cidr.ts';
import { parseJumpServerName } from '../../shared/jumpServerName.ts';
import { specBody, specFor } from '../../shared/spec.ts';
import { changesNotAllowed } from '../../shared/specChanges.ts';
import { minimal, specOf, specWith } from './sample.ts';

const network = (members: object) => ({ ...minimal, network: { ...minimal.network, ...members } });
const peer =
  '/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v';

test('the least a user says is a region and who may come in; the rest has defaults', () => {
  expect(specFor('demo', specBody.parse(minimal))).toEqual({
    location: 'westeurope',
    resourceGroup: 'molcajete-demo',
    network: {
      addressSpace: ['10.20.0.0/16'],
      subnets: { web: '10.20.0.0/24', data: '10.20.1.0/24' },
      allowedSources: ['203.0.113.0/24'],
      peerings: [],
      ddosProtection: false,
    },
    web: { mode: 'availabilitySet', vmSize: 'Standard_D2s_v5', count: 2, guacamoleVersion: '1.6.0' },
    ingress: { kind: 'loadBalancer', port: 443 },
    database: {
      version: '8.4',
      sku: 'Standard_B2s',
      storageGb: 20,
      highAvailability: 'Disabled',
      backupRetentionDays: 7,
      geoRedundantBackup: false,
    },
    scaling: { min: 0, schedule: [], overrides: [], drainTimeout: 'PT30M', cooldown: 'PT10M' },
    healing: { enabled: true, gracePeriod: 'PT2M', maxRepairsPerHour: 6 },
    tags: {},
  });
});

const certificate = { keyVaultSecretId: 'https://contoso.vault.azure.net/secrets/jump' };
const bringing = (keyVaultSecretId: string) => ({
  ...minimal,
  ingress: { hostname: 'jump.contoso.com', certificate: { keyVaultSecretId } },
});

test('a certificate is brought by the id of its secret, with or without a version', () => {
  for (const id of [certificate.keyVaultSecretId, `${certificate.keyVaultSecretId}/${'0123456789abcdef'.repeat(2)}`])
    expect(specOf(bringing(id)).ingress.certificate?.keyVaultSecretId).toBe(id);
});

/** Each: what is wrong, the body, the field that the error must name, and words of its message. */
const refused: [string, unknown, string, RegExp][] = [
  ['no body', undefined, '', /object/],
  ['a list', [], '', /object/],
  ['no location', { network: minimal.network }, 'location', /westeurope/],
  ['a location that is none', { ...minimal, location: 'atlantis' }, 'location', /'atlantis' is none/],
  ['a display name as location', { ...minimal, location: 'West Europe' }, 'location', /name of an Azure region/],
  ['no network', { location: 'westeurope' }, 'network', /object/],
  ['no allowed sources', { location: 'westeurope', network: {} }, 'network.allowedSources', /at least one network/],
  [
    'an empty list of allowed sources',
    network({ allowedSources: [] }),
    'network.allowedSources',
    /at least one network/,
  ],
  ['an unknown field', { ...minimal, scalling: {} }, '', /scalling/],
  ['an unknown field inside', network({ dns: 'x' }), 'network', /dns/],
  ['a number as CIDR', network({ addressSpace: [7] }), 'network.addressSpace.0', /IPv4 network/],
  [
    'an address without prefix',
    network({ allowedSources: ['203.0.113.7'] }),
    'network.allowedSources.0',
    /address\/prefix/,
  ],
  ['an octet above 255', network({ addressSpace: ['10.256.0.0/16'] }), 'network.addressSpace.0', /IPv4 network/],
  ['a prefix above 32', network({ addressSpace: ['10.0.0.0/33'] }), 'network.addressSpace.0', /IPv4 network/],
  ['IPv6', network({ addressSpace: ['fd00::/48'] }), 'network.addressSpace.0', /IPv4 network/],
  ['host bits', network({ addressSpace: ['10.20.0.1/16'] }), 'network.addressSpace.0', /10\.20\.0\.0\/16/],
  ['too large a network', network({ addressSpace: ['8.0.0.0/7'] }), 'network.addressSpace.0', /between \/8 and \/29/],
  ['too small a network', network({ addressSpace: ['10.0.0.0/30'] }), 'network.addressSpace.0', /between \/8 and \/29/],
  ['no room for two subnets', network({ addressSpace: ['10.0.0.0/29'] }), 'network.addressSpace.0', /\/28 or larger/],
  ['multicast', network({ addressSpace: ['224.0.0.0/8'] }), 'network.addressSpace.0', /multicast/],
  ['loopback', network({ addressSpace: ['127.0.0.0/16'] }), 'network.addressSpace.0', /loopback/],
  ['link-local', network({ addressSpace: ['169.254.0.0/16'] }), 'network.addressSpace.0', /link-local/],
  ["Azure's own address", network({ addressSpace: ['168.63.129.0/24'] }), 'network.addressSpace.0', /probes/],
  [
    'overlapping address spaces',
    network({ addressSpace: ['10.20.0.0/16', '10.20.8.0/24'] }),
    'network.addressSpace.1',
    /overlaps 10\.20\.0\.0\/16/,
  ],
  [
    'a subnet outside',
    network({ subnets: { web: '10.30.0.0/24', data: '10.20.1.0/24' } }),
    'network.subnets.web',
    /not inside network.addressSpace/,
  ],
  [
    'overlapping subnets',
    network({ subnets: { web: '10.20.0.0/24', data: '10.20.0.128/25' } }),
    'network.subnets.data',
    /overlaps the web subnet/,
  ],
  [
    'too small a subnet',
    network({ subnets: { web: '10.20.0.0/24', data: '10.20.1.0/30' } }),
    'network.subnets.data',
    /\/29 or larger/,
  ],
  ['one subnet only', network({ subnets: { web: '10.20.0.0/24' } }), 'network.subnets.data', /IPv4 network/],
  [
    'more nodes than addresses',
    { ...network({ subnets: { web: '10.20.0.0/29', data: '10.20.1.0/29' } }), web: { count: 4 } },
    'network.subnets.web',
    /room for 3 nodes/,
  ],
  [
    'a peering that is no network',
    network({ peerings: [{ virtualNetworkId: 'hub' }] }),
    'network.peerings.0.virtualNetworkId',
    /full id/,
  ],
  [
    'a peering twice',
    network({
      peerings: [
        { virtualNetworkId: peer },
        { virtualNetworkId: peer.toUpperCase().replace('MICROSOFT.NETWORK', 'Microsoft.Network') },
      ],
    }),
    'network.peerings.1.virtualNetworkId',
    /twice/,
  ],
  [
    'two remote gateways',
    network({
      peerings: [
        { virtualNetworkId: peer, useRemoteGateways: true },
        { virtualNetworkId: `${peer}2`, useRemoteGateways: true },
      ],
    }),
    'network.peerings.1.useRemoteGateways',
    /one peering only/,
  ],
  ['no node', { ...minimal, web: { count: 0 } }, 'web.count', /at least 1/],
  ['101 nodes', { ...minimal, web: { count: 101 } }, 'web.count', /at most 100/],
  ['half a node', { ...minimal, web: { count: 1.5 } }, 'web.count', /whole number/],
  ['a scale set', { ...minimal, web: { mode: 'scaleSet' } }, 'web.mode', /availabilitySet/],
  ['a size that is none', { ...minimal, web: { vmSize: 'large' } }, 'web.vmSize', /Standard_D2s_v5/],
  ['another Guacamole', { ...minimal, web: { guacamoleVersion: '1.5.5' } }, 'web.guacamoleVersion', /1\.6\.0/],
  ['an application gateway', { ...minimal, ingress: { kind: 'applicationGateway' } }, 'ingress.kind', /loadBalancer/],
  ['port 0', { ...minimal, ingress: { port: 0 } }, 'ingress.port', /1 to 65535/],
  ['port 65536', { ...minimal, ingress: { port: 65536 } }, 'ingress.port', /1 to 65535/],
  ['an upper-case DNS label', { ...minimal, ingress: { dnsLabel: 'Door' } }, 'ingress.dnsLabel', /lower-case/],
  [
    'an upper-case host name',
    { ...minimal, ingress: { hostname: 'Jump.contoso.com' } },
    'ingress.hostname',
    /lower case/,
  ],
  ['an address as host name', { ...minimal, ingress: { hostname: '20.1.2.3' } }, 'ingress.hostname', /DNS name/],
  ['a wildcard as host name', { ...minimal, ingress: { hostname: '*.contoso.com' } }, 'ingress.hostname', /DNS name/],
  ['a host name of one label', { ...minimal, ingress: { hostname: 'jump' } }, 'ingress.hostname', /DNS name/],
  ['a certificate for no name', { ...minimal, ingress: { certificate } }, 'ingress.hostname', /must go with/],
  [
    'a certificate of Key Vault instead of its secret',
    bringing(certificate.keyVaultSecretId.replace('secrets', 'certificates')),
    'ingress.certificate.keyVaultSecretId',
    /id of a secret/,
  ],
  [
    'a secret without TLS',
    bringing('http://v.vault.azure.net/secrets/jump'),
    'ingress.certificate.keyVaultSecretId',
    /https/,
  ],
  ['a secret at no host', bringing('https://1.2.3.999/secrets/jump'), 'ingress.certificate.keyVaultSecretId', /vault/],
  ['an old MySQL', { ...minimal, database: { version: '5.7' } }, 'database.version', /8\.4/],
  [
    'a Terraform name for a size',
    { ...minimal, database: { sku: 'GP_Standard_D2ds_v4' } },
    'database.sku',
    /Standard_B2s/,
  ],
  ['19 GB', { ...minimal, database: { storageGb: 19 } }, 'database.storageGb', /at least 20/],
  ['16385 GB', { ...minimal, database: { storageGb: 16385 } }, 'database.storageGb', /at most 16384/],
  ['no backups', { ...minimal, database: { backupRetentionDays: 0 } }, 'database.backupRetentionDays', /at least 1/],
  [
    '36 days of backups',
    { ...minimal, database: { backupRetentionDays: 36 } },
    'database.backupRetentionDays',
    /at most 35/,
  ],
  [
    'high availability on a Burstable server',
    { ...minimal, database: { highAvailability: 'SameZone' } },
    'database.highAvailability',
    /Burstable Standard_B2s/,
  ],
  ['a group name ending in a dot', { ...minimal, resourceGroup: 'group.' }, 'resourceGroup', /not ending/],
  [
    '46 tags',
    { ...minimal, tags: Object.fromEntries(Array.from({ length: 46 }, (_, at) => [`t${at}`, ''])) },
    'tags',
    /at most 45/,
  ],
  ['a tag with a slash', { ...minimal, tags: { 'a/b': 'x' } }, 'tags.a/b', /without/],
  ['a tag twice in another case', { ...minimal, tags: { cost: 'x', Cost: 'y' } }, 'tags.Cost', /twice/],
  [
    'a tag of ours',
    { ...minimal, tags: { 'molcajete-jump-server': 'x' } },
    'tags.molcajete-jump-server',
    /keeps for itself/,
  ],
  ['too long a tag', { ...minimal, tags: { cost: 'x'.repeat(257) } }, 'tags.cost', /at most 256/],
];

for (const [what, body, target, message] of refused) {
  test(`${what} is refused at ${target || 'the root'}`, () => {
    const issues = specBody.safeParse(body).error?.issues.map(({ path, message: text }) => [path.join('.'), text]);
    expect(issues).toContainEqual([target, expect.stringMatching(message)]);
  });
}

/** Each: a change, and the fields it is refused for. */
const forbiddenChanges: [string, ReturnType<typeof specOf>, ReturnType<typeof specOf>, string[]][] = [
  ['no change', specOf(), specOf(), []],
  ['another region', specOf(), specOf({ ...minimal, location: 'eastus' }), ['location']],
  ['another group', specOf(), specOf({ ...minimal, resourceGroup: 'other' }), ['resourceGroup']],
  ['the group in another case', specOf(), specOf({ ...minimal, resourceGroup: 'MOLCAJETE-demo' }), []],
  [
    'an address space without the subnets',
    specOf(),
    specWith({ network: { addressSpace: ['10.50.0.0/16'] } }),
    ['network.subnets.web', 'network.subnets.data'],
  ],
  ['more address space', specOf(), specWith({ network: { addressSpace: ['10.20.0.0/16', '10.50.0.0/16'] } }), []],
  [
    'another data subnet',
    specOf(),
    specWith({ network: { subnets: { web: '10.20.0.0/24', data: '10.20.2.0/24' } } }),
    ['network.subnets.data'],
  ],
  ['another size', specOf(), specWith({ web: { vmSize: 'Standard_D4s_v5' } }), ['web.vmSize']],
  ['more nodes', specOf(), specWith({ web: { count: 5 } }), []],
  ['fewer nodes', specOf(), specWith({ web: { count: 1 } }), []],
  ['an older MySQL', specOf(), specWith({ database: { version: '8.0.21' } }), ['database.version']],
  ['a newer MySQL', specWith({ database: { version: '8.0.21' } }), specOf(), []],
  ['less storage', specWith({ database: { storageGb: 64 } }), specOf(), ['database.storageGb']],
  [
    'geo backups later',
    specOf(),
    specWith({ database: { geoRedundantBackup: true } }),
    ['database.geoRedundantBackup'],
  ],
  [
    'zone redundancy later',
    specWith({ database: { sku: 'Standard_D2ads_v5' } }),
    specWith({ database: { sku: 'Standard_D2ads_v5', highAvailability: 'ZoneRedundant' } }),
    ['database.highAvailability'],
  ],
  [
    'a standby in the same zone later',
    specWith({ database: { sku: 'Standard_D2ads_v5' } }),
    specWith({ database: { sku: 'Standard_D2ads_v5', highAvailability: 'SameZone' } }),
    [],
  ],
  [
    'from zone redundancy to the same zone',
    specWith({ database: { sku: 'Standard_D2ads_v5', highAvailability: 'ZoneRedundant' } }),
    specWith({ database: { sku: 'Standard_D2ads_v5', highAvailability: 'SameZone' } }),
    ['database.highAvailability'],
  ],
  [
    'sources, port, label, name, certificate and tags',
    specOf(),
    specWith({ ingress: { port: 8443, dnsLabel: 'door', hostname: 'a.b', certificate }, tags: { a: 'b' } }),
    [],
  ],
];

for (const [what, before, after, targets] of forbiddenChanges) {
  test(`${what} is ${targets.length === 0 ? 'allowed' : `refused for ${targets.join(' and ')}, saying what to do`}`, () => {
    const refusals = changesNotAllowed(before, after);
    expect(refusals.map(({ target }) => target)).toEqual(targets);
    for (const { message } of refusals) expect(message).toMatch(/cannot change from .* to .*\. [A-Z].*\.$/);
  });
}

for (const name of ['abc', 'jump-1', 'a23456789012345678901234']) {
  test(`'${name}' is a name for a jump server`, () => expect(parseJumpServerName(name)).toBe(name));
}

for (const name of [
  '',
  'ab',
  'a2345678901234567890123456',
  'Jump',
  'jump_1',
  '1jump',
  'jump-',
  '-jump',
  'a--b',
  'login-x',
  'my-windows',
  '../x',
]) {
  test(`'${name}' is no name for a jump server`, () => {
    expect(() => parseJumpServerName(name)).toThrow(expect.objectContaining({ status: 400, code: 'InvalidName' }));
  });
}

const anyCidr = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 32 }))
  .map(([address, prefix]) => formatCidr({ first: address - (address % 2 ** (32 - prefix)), prefix }));

test('a network reads back as it was written', () => {
  fc.assert(
    fc.property(anyCidr, (text) => {
      expect(formatCidr(parseCidr(text))).toBe(text);
    }),
  );
});

test('two networks overlap exactly when one contains the other', () => {
  fc.assert(
    fc.property(anyCidr, anyCidr, (one, other) => {
      const [a, b] = [parseCidr(one), parseCidr(other)];
      expect(overlap(a, b)).toBe(containsCidr(a, b) || containsCidr(b, a));
    }),
  );
});

test('networks without the covered ones reach the same addresses and do not overlap', () => {
  fc.assert(
    fc.property(fc.array(anyCidr, { minLength: 1, maxLength: 8 }), (texts) => {
      const kept = withoutCovered(texts).map(parseCidr);
      for (const text of texts) expect(kept.some((one) => containsCidr(one, parseCidr(text)))).toBe(true);
      kept.forEach((one, at) => {
        expect(kept.some((other, index) => index !== at && overlap(one, other))).toBe(false);
      });
    }),
  );
});

test('whatever address space is accepted, its default subnets lie in it, apart from each other', () => {
  const usable = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 8, max: 28 })).map(([second, prefix]) => {
    const address = 10 * 2 ** 24 + second * 2 ** 16;
    return formatCidr({ first: address - (address % 2 ** (32 - prefix)), prefix });
  });
  fc.assert(
    fc.property(usable, (text) => {
      const { subnets } = specOf(network({ addressSpace: [text] })).network;
      const [space, web, data] = [parseCidr(text), parseCidr(subnets.web), parseCidr(subnets.data)];
      expect(containsCidr(space, web) && containsCidr(space, data) && !overlap(web, data)).toBe(true);
    }),
  );
});
