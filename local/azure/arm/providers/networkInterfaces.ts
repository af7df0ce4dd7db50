import type { Stored } from '../../state.ts';
import { giveAddresses } from '../addresses.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { groupName, key, lastName, parentId } from '../ids.ts';
import type { Draft, Kind } from '../kind.ts';
import { asObject, asText, defaults, findAll, idOf, objects } from '../values.ts';
import { bad, networkStates } from './networkErrors.ts';
import { networkInterface } from './networkShapes.ts';
import { joinSubnet } from './virtualNetworks.ts';

function prepareInterface(draft: Draft): void {
  const { resource, existing, env } = draft;
  const { properties } = resource;
  const configurations = objects(properties.ipConfigurations);
  if (configurations.length === 0)
    throw bad(
      'NetworkInterfaceMustHaveOneIpConfiguration',
      `Network interface ${resource.id} must have at least one IP configuration.`,
    );
  properties.resourceGuid = existing?.properties.resourceGuid ?? crypto.randomUUID();
  for (const made of ['privateEndpoint', 'macAddress'])
    if (existing?.properties[made]) properties[made] = existing.properties[made];
  defaults(properties, {
    dnsSettings: {
      dnsServers: [],
      appliedDnsServers: [],
      internalDomainNameSuffix: `${crypto.randomUUID().replaceAll('-', '').slice(0, 26)}.ax.internal.cloudapp.net`,
    },
    enableAcceleratedNetworking: false,
    vnetEncryptionSupported: false,
    enableIPForwarding: false,
    disableTcpStateTracking: false,
    hostedWorkloads: [],
    tapConfigurations: [],
    nicType: 'Standard',
    allowPort25Out: true,
    auxiliaryMode: 'None',
    auxiliarySku: 'None',
  });
  if (existing?.properties.dnsSettings)
    asObject(properties.dnsSettings).internalDomainNameSuffix = asObject(
      existing.properties.dnsSettings,
    ).internalDomainNameSuffix;
  configurations.forEach((configuration, i) => {
    configuration.properties = { ...asObject(configuration.properties) };
    defaults(asObject(configuration.properties), {
      privateIPAllocationMethod: 'Dynamic',
      primary: i === 0,
      privateIPAddressVersion: 'IPv4',
    });
    if (idOf(asObject(configuration.properties).subnet) === undefined)
      throw bad('SubnetIdMissing', `IP configuration ${asText(configuration.name)} of ${resource.id} has no subnet.`);
  });
  checkNetwork(draft);
  giveAddresses(env, resource.id, configurations, objects(existing?.properties.ipConfigurations));
  checkPublicIps(draft);
  checkPools(draft);
}

/** All in one network, and in that network for ever. */
function checkNetwork({ resource, existing }: Draft): void {
  const networks = (of: Draft['resource'] | undefined) =>
    objects(of?.properties.ipConfigurations).map((c) => key(parentId(idOf(asObject(c.properties).subnet) ?? '')));
  const now = networks(resource);
  const before = networks(existing)[0] ?? now[0];
  if (now.some((network) => network !== before))
    throw bad(
      'NetworkInterfaceCannotBeMovedToDifferentVnet',
      `Subnet of network interface ${resource.id} must stay in the virtual network ${before}.`,
    );
}

/** The members of a pool are all in one network. */
function checkPools({ resource, env }: Draft): void {
  const networkOf = (nic: Stored | undefined): string =>
    key(parentId(idOf(asObject(objects(nic?.properties.ipConfigurations)[0]?.properties).subnet) ?? ''));
  for (const { value } of findAll(resource, `${ip}.loadBalancerBackendAddressPools[]`)) {
    const pool = idOf(value) ?? '';
    const other = env.references
      .of(pool)
      .find(
        ({ source, reference }) =>
          reference.back === 'backendIPConfigurations' &&
          key(source) !== key(resource.id) &&
          networkOf(env.state.get(source)) !== networkOf(resource),
      );
    if (other)
      throw bad(
        'NetworkInterfacesInBackendPoolMustBeInSameVnet',
        `Network interface ${resource.id} cannot join backend address pool ${pool}: its member ${other.source} is in another virtual network.`,
      );
  }
}

function checkPublicIps({ resource, env }: Draft): void {
  for (const configuration of objects(resource.properties.ipConfigurations)) {
    const ip = idOf(asObject(configuration.properties).publicIPAddress);
    if (ip === undefined) continue;
    const other = env.references.of(ip).find((use) => key(use.source) !== key(resource.id));
    if (other)
      throw bad(
        'PublicIPAddressInUse',
        `Resource ${String(configuration.id)} is referencing public IP address ${ip} that is already allocated to resource ${other.holder}.`,
      );
  }
}

/** The VM that has this NIC. */
export const machineOf = (env: ArmEnv, nic: string): string | undefined =>
  env.references.of(nic).find((use) => use.reference.back === 'virtualMachine')?.source;

const ip = 'properties.ipConfigurations[].properties';

export const networkInterfaces: Kind[] = [
  {
    type: 'Microsoft.Network/networkInterfaces',
    style: 'network',
    location: 'required',
    properties: networkInterface,
    extra: { extendedLocation: 'any' },
    parts: ['ipConfigurations'],
    patch: 'tags',
    inline: true,
    state: networkStates,
    references: [
      { path: `${ip}.subnet`, ...joinSubnet, back: 'ipConfigurations' },
      {
        path: `${ip}.publicIPAddress`,
        to: 'Microsoft.Network/publicIPAddresses',
        linked: 'Microsoft.Network/publicIPAddresses/join/action',
        back: 'ipConfiguration',
        single: true,
      },
      {
        path: `${ip}.loadBalancerBackendAddressPools[]`,
        to: 'Microsoft.Network/loadBalancers/backendAddressPools',
        linked: 'Microsoft.Network/loadBalancers/backendAddressPools/join/action',
        back: 'backendIPConfigurations',
        // A balancer with members may be deleted; the NICs then name it no more.
        loose: true,
      },
      {
        path: `${ip}.loadBalancerInboundNatRules[]`,
        to: 'Microsoft.Network/loadBalancers/inboundNatRules',
        linked: 'Microsoft.Network/loadBalancers/inboundNatRules/join/action',
        back: 'backendIPConfiguration',
        single: true,
        loose: true,
      },
      {
        path: 'properties.networkSecurityGroup',
        to: 'Microsoft.Network/networkSecurityGroups',
        linked: 'Microsoft.Network/networkSecurityGroups/join/action',
        back: 'networkInterfaces',
        whole: true,
      },
    ],
    prepare: prepareInterface,
    inUse: (id, users) =>
      bad(
        'NicInUse',
        `Network Interface ${id} is used by existing VM ${users[0]}. In order to delete the network interface, it must be dissociated from the VM. To learn more, see aka.ms/deletenic.`,
      ),
    checkDelete(resource, env) {
      const endpoint = idOf(resource.properties.privateEndpoint);
      if (endpoint !== undefined && env.state.get(endpoint))
        throw bad(
          'NetworkInterfaceAssociatedWithPrivateEndpointCannotBeDeleted',
          `Network interface ${resource.id} is associated with private endpoint ${endpoint} and cannot be deleted by itself.`,
        );
      const until = Number(resource.internal.reservedUntil ?? 0);
      if (until > env.clock.wall())
        throw new ArmError(
          400,
          'NicReservedForAnotherVm',
          `Nic(s) in request is reserved for another Virtual Machine for 180 seconds. Please provide another nic(s) or retry after 180 seconds. Reserved VM: ${asText(resource.internal.reservedFor)}`,
        );
    },
    view(copy, stored, env) {
      const machine = machineOf(env, copy.id);
      const { properties } = copy;
      if (machine !== undefined) {
        properties.primary = true;
        properties.macAddress = macAddress(copy.id);
      } else if (!properties.privateEndpoint) delete properties.primary;
      for (const configuration of objects(properties.ipConfigurations))
        delete asObject(configuration.properties).resourceGuid;
      properties.provisioningState = stored.properties.provisioningState;
    },
  },
];

// Microsoft's own prefix; the rest from the name.
function macAddress(id: string): string {
  let hash = 0;
  for (const character of key(id)) hash = (hash * 31 + character.charCodeAt(0)) % 0xffffff;
  return `60-45-BD-${[16, 8, 0].map((shift) => ((hash >> shift) & 255).toString(16).padStart(2, '0').toUpperCase()).join('-')}`;
}

/** The name that a pool gives to a NIC's member. */
export const memberName = (ipConfiguration: string): string => {
  const nic = parentId(ipConfiguration);
  return `${groupName(nic)}_${lastName(nic)}${lastName(ipConfiguration)}`;
};
