import { createHash } from 'node:crypto';
import { lastName } from '../ids.ts';
import type { Draft, Kind } from '../kind.ts';
import { asObject, asText, defaults } from '../values.ts';
import { bad, networkStates } from './networkErrors.ts';
import { publicIp } from './networkShapes.ts';

function preparePublicIp({ resource, existing, env }: Draft): void {
  const { properties } = resource;
  resource.sku = { name: 'Basic', tier: 'Regional', ...resource.sku };
  if (resource.sku.name === 'Basic')
    throw bad(
      'IPv4BasicSkuPublicIpCountLimitReached',
      'Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.',
    );
  defaults(properties, {
    publicIPAllocationMethod: 'Dynamic',
    publicIPAddressVersion: 'IPv4',
    idleTimeoutInMinutes: 4,
    ipTags: [],
    ddosSettings: { protectionMode: 'VirtualNetworkInherited' },
  });
  if (properties.publicIPAllocationMethod !== 'Static')
    throw bad('StandardSkuPublicIPAddressesMustBeStatic', `Standard sku publicIp ${resource.id} must be Static.`);
  if (existing && existing.sku?.name !== resource.sku.name)
    throw bad('PublicIPSkuCannotBeChanged', `Sku of public IP ${resource.id} cannot be changed.`);
  if (existing && existing.properties.publicIPAddressVersion !== properties.publicIPAddressVersion)
    throw bad('PublicIPAddressVersionCannotBeChanged', `The IP version of ${resource.id} cannot be changed.`);
  properties.resourceGuid = existing?.properties.resourceGuid ?? crypto.randomUUID();
  if (existing?.properties.ipAddress) properties.ipAddress = existing.properties.ipAddress;
  nameInDns(resource, env.state.list('Microsoft.Network/publicIPAddresses'), env.context);
}

function nameInDns(
  resource: Draft['resource'],
  all: Draft['resource'][],
  { location, subscriptionId, tenantId }: { location: string; subscriptionId: string; tenantId: string },
): void {
  const settings = asObject(resource.properties.dnsSettings);
  const label = asText(settings.domainNameLabel);
  if (label === '') return;
  if (!/^[a-z][a-z0-9-]{1,61}[a-z0-9]$/.test(label))
    throw bad(
      'DomainNameLabelRegexMismatch',
      `The domain name label ${label} is invalid. It must conform to the following regular expression: ^[a-z][a-z0-9-]{1,61}[a-z0-9]$.`,
    );
  const group = resource.id.split('/').slice(0, 5).join('/');
  const salts: Record<string, string> = {
    TenantReuse: tenantId,
    SubscriptionReuse: subscriptionId,
    ResourceGroupReuse: group,
    NoReuse: resource.id,
  };
  const salt = salts[asText(settings.domainNameLabelScope)];
  const hash =
    salt === undefined ? '' : createHash('sha256').update(`${salt}${label}`.toLowerCase()).digest('hex').slice(0, 16);
  const fqdn =
    salt === undefined
      ? `${label}.${location}.cloudapp.azure.com`
      : `${label}.${hash}.${location}.sysgen.cloudapp.azure.com`;
  const other = all.find((ip) => ip.id !== resource.id && asObject(ip.properties.dnsSettings).fqdn === fqdn);
  if (other) throw bad('DnsRecordInUse', `DNS record ${fqdn} is already used by another public IP.`);
  resource.properties.dnsSettings = { ...settings, fqdn };
}

function prepareNat({ resource, existing }: Draft): void {
  resource.sku = { name: 'Standard', ...resource.sku };
  if (existing && existing.sku?.name !== resource.sku.name)
    throw bad('NatGatewaySkuCannotBeChanged', `Sku of NAT gateway ${resource.id} cannot be changed.`);
  defaults(resource.properties, { idleTimeoutInMinutes: 4 });
  const minutes = Number(resource.properties.idleTimeoutInMinutes);
  if (minutes < 4 || minutes > 120)
    throw bad(
      'NatGatewayIdleTimeoutInMinutesInvalid',
      `idleTimeoutInMinutes of ${resource.id} must be from 4 to 120; it is ${minutes}.`,
    );
  resource.properties.resourceGuid = existing?.properties.resourceGuid ?? crypto.randomUUID();
}

const sku = { sku: { name: 'string', tier: 'string' }, zones: ['string'], extendedLocation: 'any' } as const;
const common = { style: 'network', location: 'required', patch: 'tags', state: networkStates } as const;

export const networkBasics: Kind[] = [
  {
    ...common,
    type: 'Microsoft.Network/publicIPAddresses',
    properties: publicIp,
    extra: sku,
    references: [
      {
        path: 'properties.ddosSettings.ddosProtectionPlan',
        to: 'Microsoft.Network/ddosProtectionPlans',
        linked: 'Microsoft.Network/ddosProtectionPlans/join/action',
        back: 'publicIPAddresses',
        anyRegion: true,
      },
    ],
    prepare: preparePublicIp,
    inUse: (id, users) =>
      bad(
        'PublicIPAddressCannotBeDeleted',
        `Public IP address ${id} can not be deleted since it is still allocated to resource ${users[0]}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see aka.ms/deletepublicip.`,
      ),
  },
  {
    ...common,
    type: 'Microsoft.Network/natGateways',
    properties: {
      idleTimeoutInMinutes: 'integer',
      publicIpAddresses: [{ id: 'string' }],
      publicIpPrefixes: [{ id: 'string' }],
      subnets: 'ro',
      sourceVirtualNetwork: { id: 'string' },
    },
    extra: sku,
    references: [
      {
        path: 'properties.publicIpAddresses[]',
        to: 'Microsoft.Network/publicIPAddresses',
        linked: 'Microsoft.Network/publicIPAddresses/join/action',
        back: 'natGateway',
        single: true,
        whole: true,
      },
    ],
    prepare: prepareNat,
    inUse: (id, users) =>
      bad(
        'InUseNatGatewayCannotBeDeleted',
        `NAT gateway ${lastName(id)} cannot be deleted because it is in use by ${users.join(', ')}.`,
      ),
  },
  {
    ...common,
    type: 'Microsoft.Network/ddosProtectionPlans',
    properties: { publicIPAddresses: 'ro', virtualNetworks: 'ro' },
    prepare({ resource, existing }) {
      resource.properties.resourceGuid = existing?.properties.resourceGuid ?? crypto.randomUUID();
    },
    inUse: (id, users) =>
      bad(
        'InUseDdosProtectionPlanCannotBeDeleted',
        `DDoS protection plan ${id} cannot be deleted because it is in use with virtual networks ${users.join(', ')}.`,
      ),
  },
];
