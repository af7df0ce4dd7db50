import type { Stored } from '../../state.ts';
import { giveAddresses } from '../addresses.ts';
import type { ArmEnv } from '../env.ts';
import { invalidReference } from '../failure.ts';
import { key } from '../ids.ts';
import type { Draft, Kind, Reference } from '../kind.ts';
import { asObject, asText, defaults, findAll, idOf, type Json, objects } from '../values.ts';
import { checkPool, dropPools, showMembers } from './backendPools.ts';
import { bad, networkStates } from './networkErrors.ts';
import { backendPool, inboundNatRule, loadBalancer } from './networkShapes.ts';
import { joinSubnet } from './virtualNetworks.ts';

const type = 'Microsoft.Network/loadBalancers';

function prepareBalancer(draft: Draft): void {
  const { resource, existing, env } = draft;
  const { properties } = resource;
  resource.sku = { name: 'Basic', tier: 'Regional', ...resource.sku };
  if (resource.sku.name === 'Basic')
    throw bad('BasicSkuLoadBalancerCreationNotAllowed', 'Basic SKU load balancers are retired: use Standard.');
  if (existing && existing.sku?.name !== resource.sku.name)
    throw bad('LoadBalancerSkuCannotBeChanged', `Sku of load balancer ${resource.id} cannot be changed.`);
  properties.resourceGuid = existing?.properties.resourceGuid ?? crypto.randomUUID();
  for (const list of [
    'frontendIPConfigurations',
    'backendAddressPools',
    'probes',
    'loadBalancingRules',
    'outboundRules',
    'inboundNatRules',
    'inboundNatPools',
  ])
    defaults(properties, { [list]: [] });
  each(properties.frontendIPConfigurations, (own) => defaults(own, { privateIPAllocationMethod: 'Dynamic' }));
  each(properties.probes, completeProbe);
  each(properties.loadBalancingRules, (own, name) => completeRule(own, name, resource.id));
  each(properties.outboundRules, (own) =>
    defaults(own, { allocatedOutboundPorts: 0, idleTimeoutInMinutes: 4, enableTcpReset: false }),
  );
  each(properties.inboundNatRules, (own) =>
    defaults(own, { protocol: 'Tcp', idleTimeoutInMinutes: 4, enableTcpReset: false, enableFloatingIP: false }),
  );
  each(properties.backendAddressPools, (own, name) => checkPool(draft, own, name));
  checkFrontends(draft);
  checkSnat(properties);
  giveAddresses(
    env,
    resource.id,
    objects(properties.frontendIPConfigurations),
    objects(existing?.properties.frontendIPConfigurations),
  );
}

const each = (list: unknown, visit: (properties: Json, name: string) => void): void => {
  for (const item of objects(list)) {
    item.properties = { ...asObject(item.properties) };
    visit(asObject(item.properties), asText(item.name));
  }
};

function completeProbe(own: Json, name: string): void {
  defaults(own, {
    intervalInSeconds: 15,
    numberOfProbes: 2,
    probeThreshold: 1,
    noHealthyBackendsBehavior: 'AllProbedDown',
  });
  if (Number(own.intervalInSeconds) < 5)
    throw bad(
      'InvalidProbeInterval',
      `Probe ${name} has an interval of ${String(own.intervalInSeconds)} s; the least is 5.`,
    );
  const http = own.protocol !== 'Tcp';
  if (http && asText(own.requestPath) === '')
    throw bad('ProbeRequestPathMissing', `Probe ${name} of protocol ${String(own.protocol)} needs a requestPath.`);
  if (!http && own.requestPath !== undefined)
    throw bad('ProbeRequestPathNotAllowed', `Probe ${name} of protocol Tcp may not have a requestPath.`);
}

function completeRule(own: Json, name: string, balancer: string): void {
  defaults(own, {
    idleTimeoutInMinutes: 4,
    enableFloatingIP: false,
    enableTcpReset: false,
    loadDistribution: 'Default',
    disableOutboundSnat: false,
  });
  if (own.backendPort === undefined)
    throw bad('LoadBalancingRuleBackendPortMissing', `Load balancing rule ${name} of ${balancer} has no backendPort.`);
  const pool = own.backendAddressPool ?? objects(own.backendAddressPools)[0];
  if (pool !== undefined) {
    own.backendAddressPool = pool;
    own.backendAddressPools = own.backendAddressPools ?? [pool];
  }
}

function checkFrontends({ resource, env }: Draft): void {
  for (const item of objects(resource.properties.frontendIPConfigurations)) {
    const own = asObject(item.properties);
    const ip = idOf(own.publicIPAddress);
    if ((ip === undefined) === (idOf(own.subnet) === undefined))
      throw bad(
        'LoadBalancerFrontendIPConfigurationMustHaveSubnetOrPublicIP',
        `Frontend ${asText(item.name)} of ${resource.id} must have either a subnet or a public IP.`,
      );
    if (ip === undefined) continue;
    const sku = env.state.get(ip)?.sku?.name;
    if (sku !== undefined && sku !== resource.sku?.name)
      throw bad(
        'PublicIPAndLBSkuDoNotMatch',
        `${String(resource.sku?.name)} sku load balancer ${resource.id} cannot reference ${String(sku)} sku publicIP ${ip}.`,
      );
    const other = env.references.of(ip).find((use) => key(use.source) !== key(resource.id));
    if (other)
      throw bad(
        'PublicIPAddressInUse',
        `Resource ${String(item.id)} is referencing public IP address ${ip} that is already allocated to resource ${other.holder}.`,
      );
  }
}

function checkSnat(properties: Json): void {
  const outbound = findAll(properties, 'outboundRules[].properties.frontendIPConfigurations[]').map(({ value }) =>
    key(idOf(value) ?? ''),
  );
  for (const rule of objects(properties.loadBalancingRules)) {
    const own = asObject(rule.properties);
    if (own.disableOutboundSnat === true || !outbound.includes(key(idOf(own.frontendIPConfiguration) ?? ''))) continue;
    throw bad(
      'LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule',
      `Load balancing rule ${String(rule.id)} must disable SNAT since same frontend IP configuration is referenced by outbound rule.`,
    );
  }
}

const inside = (list: string, path: string, part: string, back: string, single = false): Reference => ({
  path: `properties.${list}[].properties.${path}`,
  to: `${type}/${part}`,
  back,
  ...(single ? { single } : {}),
});

/** What a NIC can be a member of. */
const poolsOf = (balancer: Stored | undefined): Json[] =>
  ['backendAddressPools', 'inboundNatRules'].flatMap((list) => objects(balancer?.properties[list]));

function dropEverywhere({ id }: { id: string }, env: ArmEnv): void {
  for (const nic of env.state.list('Microsoft.Network/networkInterfaces')) dropPools(env, nic, id);
}

export const loadBalancers: Kind[] = [
  {
    type,
    style: 'network',
    location: 'required',
    properties: loadBalancer,
    extra: { sku: { name: 'Standard|Basic|Gateway', tier: 'Regional|Global' }, extendedLocation: 'any' },
    parts: [
      'frontendIPConfigurations',
      'backendAddressPools',
      'probes',
      'loadBalancingRules',
      'outboundRules',
      'inboundNatRules',
    ],
    patch: 'tags',
    state: networkStates,
    references: [
      { path: 'properties.frontendIPConfigurations[].properties.subnet', ...joinSubnet, back: 'ipConfigurations' },
      {
        path: 'properties.frontendIPConfigurations[].properties.publicIPAddress',
        to: 'Microsoft.Network/publicIPAddresses',
        linked: 'Microsoft.Network/publicIPAddresses/join/action',
        back: 'ipConfiguration',
        single: true,
      },
      inside('loadBalancingRules', 'frontendIPConfiguration', 'frontendIPConfigurations', 'loadBalancingRules'),
      inside('loadBalancingRules', 'backendAddressPool', 'backendAddressPools', 'loadBalancingRules'),
      inside('loadBalancingRules', 'backendAddressPools[]', 'backendAddressPools', 'loadBalancingRules'),
      inside('loadBalancingRules', 'probe', 'probes', 'loadBalancingRules'),
      inside('outboundRules', 'frontendIPConfigurations[]', 'frontendIPConfigurations', 'outboundRules'),
      inside('outboundRules', 'backendAddressPool', 'backendAddressPools', 'outboundRules'),
      inside('inboundNatRules', 'frontendIPConfiguration', 'frontendIPConfigurations', 'inboundNatRules'),
      inside('inboundNatRules', 'backendAddressPool', 'backendAddressPools', 'inboundNatRules'),
    ],
    prepare: prepareBalancer,
    view: showMembers,
    accepted({ resource, existing, env }) {
      const kept = new Set(poolsOf(resource).map(({ id }) => key(asText(id))));
      for (const { id } of poolsOf(existing)) if (!kept.has(key(asText(id)))) dropEverywhere({ id: asText(id) }, env);
    },
    removed: dropEverywhere,
  },
  {
    type: `${type}/backendAddressPools`,
    style: 'network',
    location: 'none',
    properties: backendPool,
    embedded: true,
    // The balancer without it would have a rule that names what is not there.
    inUse: (id, [rule = '']) => invalidReference(id, rule),
    removed: dropEverywhere,
  },
  {
    type: `${type}/inboundNatRules`,
    style: 'network',
    location: 'none',
    properties: inboundNatRule,
    embedded: true,
    removed: dropEverywhere,
  },
  {
    type: `${type}/frontendIPConfigurations`,
    style: 'network',
    location: 'none',
    properties: {},
    embedded: true,
    made: true,
  },
  { type: `${type}/probes`, style: 'network', location: 'none', properties: {}, embedded: true, made: true },
  { type: `${type}/outboundRules`, style: 'network', location: 'none', properties: {}, embedded: true, made: true },
  {
    type: `${type}/loadBalancingRules`,
    style: 'network',
    location: 'none',
    properties: {},
    embedded: true,
    made: true,
    actions: {
      health: {
        free: true,
        check(rule) {
          if (idOf(rule.properties.probe) === undefined)
            throw bad('LoadBalancingRuleHasNoProbe', `The health of rule ${rule.id} is not known: it has no probe.`);
        },
      },
    },
  },
];
