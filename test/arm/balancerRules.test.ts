import { afterAll, beforeAll, expect } from 'vitest';
import type { Bodies } from './bodies.ts';
import { type Rule, testRules } from './rules.ts';
import { startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  const health = {
    up: 1,
    down: 0,
    loadBalancerBackendAddresses: [{ ipAddress: '10.0.1.4', state: 'Up', reason: 'Up_Probe_Success' }],
  };
  const plane = { apply: async () => undefined, remove: async () => undefined, act: async () => health };
  world = await startWorld({}, { 'microsoft.network/loadbalancers': plane });
});
afterAll(() => world.close());

const vnet = (b: Bodies) => b.net('virtualNetworks', 'vnet');
const ip = (b: Bodies) => b.net('publicIPAddresses', 'ip');
const lb = (b: Bodies) => b.net('loadBalancers', 'lb');
const nic = (b: Bodies) => b.net('networkInterfaces', 'nic');
const pool = (b: Bodies) => `${lb(b)}/backendAddressPools/pool`;

const balancer = (b: Bodies): [string, string, unknown][] => [
  ['PUT', ip(b), b.publicIp()],
  ['PUT', lb(b), b.balancer()],
];
const member = (b: Bodies): [string, string, unknown][] => [
  ...balancer(b),
  ['PUT', vnet(b), b.vnet()],
  ['PUT', nic(b), b.nic({ loadBalancerBackendAddressPools: [{ id: pool(b) }] })],
];
const outbound = (b: Bodies) => ({
  outboundRules: [
    {
      name: 'out',
      properties: {
        protocol: 'All',
        frontendIPConfigurations: [{ id: `${lb(b)}/frontendIPConfigurations/front` }],
        backendAddressPool: { id: pool(b) },
      },
    },
  ],
});
const address = (name: string, properties: object) => ({
  properties: { loadBalancerBackendAddresses: [{ name, properties }] },
});
const self = (b: Bodies) => `${b.base.split('/').at(-1)}_nicip`;

/** A pool and a NAT rule that no rule names, with a member. */
const spare = (b: Bodies): [string, string, unknown][] => [
  ...balancer(b),
  ['PUT', `${lb(b)}/backendAddressPools/spare`, {}],
  [
    'PUT',
    `${lb(b)}/inboundNatRules/nat`,
    {
      properties: {
        protocol: 'Tcp',
        frontendPort: 50_000,
        backendPort: 22,
        frontendIPConfiguration: { id: `${lb(b)}/frontendIPConfigurations/front` },
      },
    },
  ],
  ['PUT', vnet(b), b.vnet()],
  [
    'PUT',
    nic(b),
    b.nic({
      loadBalancerBackendAddressPools: [{ id: `${lb(b)}/backendAddressPools/spare` }],
      loadBalancerInboundNatRules: [{ id: `${lb(b)}/inboundNatRules/nat` }],
    }),
  ],
];

const rules: Rule[] = [
  {
    fact: 'a pool that a rule names cannot be deleted by its own URL',
    given: balancer,
    when: (b) => ['DELETE', pool(b)],
    answers: [400, 'InvalidResourceReference'],
    says: /backendAddressPools\/pool referenced by resource .*loadBalancingRules\/rule/,
  },
  {
    fact: 'a pool that is deleted by its own URL is named by no interface any more',
    given: (b) => [...spare(b), ['DELETE', `${lb(b)}/backendAddressPools/spare`]],
    when: (b) => ['GET', nic(b)],
    answers: [200],
    lacks: 'backendAddressPools/spare',
  },
  {
    fact: 'nor is a NAT rule',
    given: (b) => [...spare(b), ['DELETE', `${lb(b)}/inboundNatRules/nat`]],
    when: (b) => ['GET', nic(b)],
    answers: [200],
    lacks: 'inboundNatRules/nat',
  },
  {
    fact: 'nor is one that a PUT of the balancer drops',
    given: (b) => [...spare(b), ['PUT', lb(b), b.balancer()]],
    when: (b) => ['GET', nic(b)],
    answers: [200],
    lacks: 'loadBalancer',
  },
  {
    fact: 'the members of a pool are in one network',
    given: (b) => [...member(b), ['PUT', b.net('virtualNetworks', 'other'), b.vnet()]],
    when: (b) => [
      'PUT',
      b.net('networkInterfaces', 'second'),
      b.nic({
        subnet: { id: `${b.net('virtualNetworks', 'other')}/subnets/web` },
        loadBalancerBackendAddressPools: [{ id: pool(b) }],
      }),
    ],
    answers: [400, 'NetworkInterfacesInBackendPoolMustBeInSameVnet'],
  },
  {
    fact: 'probes and rules get their defaults',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => ['PUT', lb(b), b.balancer()],
    answers: [
      201,
      {
        properties: {
          probes: [
            { properties: { intervalInSeconds: 15, numberOfProbes: 2, noHealthyBackendsBehavior: 'AllProbedDown' } },
          ],
          loadBalancingRules: [{ properties: { idleTimeoutInMinutes: 4, loadDistribution: 'Default' } }],
        },
      },
    ],
  },
  {
    fact: 'parts show who refers to them',
    given: balancer,
    when: (b) => ['GET', pool(b)],
    answers: [
      200,
      { properties: { loadBalancingRules: [{ id: expect.stringMatching(/loadBalancingRules\/rule$/) }] } },
    ],
  },
  {
    fact: 'references inside the body must be to parts of the body',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => ['PUT', lb(b), b.balancer({ probe: { id: `${lb(b)}/probes/other` } })],
    answers: [400, 'InvalidResourceReference'],
  },
  {
    fact: 'an outbound rule on the same frontend wants disableOutboundSnat',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => ['PUT', lb(b), b.balancer({ disableOutboundSnat: false }, outbound(b))],
    answers: [400, 'LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule'],
  },
  {
    fact: 'with it, both share a frontend',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => ['PUT', lb(b), b.balancer({}, outbound(b))],
    answers: [201],
  },
  {
    fact: 'an outbound rule needs its pool',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => [
      'PUT',
      lb(b),
      b.balancer(
        {},
        { outboundRules: [{ name: 'out', properties: { protocol: 'All', frontendIPConfigurations: [] } }] },
      ),
    ],
    answers: [400, 'InvalidRequestFormat'],
    says: "Required property 'backendAddressPool'",
  },
  {
    fact: 'probes come at least five seconds apart',
    given: (b) => [['PUT', ip(b), b.publicIp()]],
    when: (b) => [
      'PUT',
      lb(b),
      b.balancer({}, { probes: [{ name: 'probe', properties: { protocol: 'Tcp', port: 80, intervalInSeconds: 4 } }] }),
    ],
    answers: [400, 'InvalidProbeInterval'],
  },
  {
    fact: 'a public IP is at one balancer only',
    given: balancer,
    when: (b) => [
      'PUT',
      b.net('loadBalancers', 'second'),
      {
        ...b.balancer(),
        properties: { frontendIPConfigurations: [{ name: 'front', properties: { publicIPAddress: { id: ip(b) } } }] },
      },
    ],
    answers: [400, 'PublicIPAddressInUse'],
  },
  {
    fact: 'membership is written on the NIC and shown on the pool, with a name made of group, NIC and configuration',
    given: member,
    when: (b) => ['GET', pool(b)],
    answers: [
      200,
      {
        properties: {
          backendIPConfigurations: [{ id: expect.stringMatching(/networkInterfaces\/nic\/ipConfigurations\/ip$/) }],
          loadBalancerBackendAddresses: [
            {
              name: expect.stringMatching(/^group-\d+_nicip$/),
              properties: { ipAddress: '10.0.1.4', adminState: 'None' },
            },
          ],
        },
      },
    ],
  },
  {
    fact: 'a member cannot be added to a NIC pool on the pool',
    given: member,
    when: (b) => ['PUT', pool(b), address('other', { adminState: 'Down' })],
    answers: [400, 'LoadBalancerBackendAddressCannotBeAddedToNicBasedPool'],
  },
  {
    fact: 'adminState of a NIC member is written on the pool, by its name',
    given: (b) => [...member(b), ['PUT', pool(b), address(self(b), { adminState: 'Down' })]],
    when: (b) => ['GET', pool(b)],
    answers: [200, { properties: { loadBalancerBackendAddresses: [{ properties: { adminState: 'Down' } }] } }],
  },
  {
    fact: 'an address pool is written on the pool',
    given: (b) => [
      ...balancer(b),
      ['PUT', vnet(b), b.vnet()],
      ['PUT', pool(b), address('one', { ipAddress: '10.0.1.9', virtualNetwork: { id: vnet(b) } })],
    ],
    when: (b) => ['GET', pool(b)],
    answers: [
      200,
      { properties: { loadBalancerBackendAddresses: [{ name: 'one', properties: { ipAddress: '10.0.1.9' } }] } },
    ],
  },
  {
    fact: 'probes have no PUT of their own',
    given: balancer,
    when: (b) => ['PUT', `${lb(b)}/probes/probe`, { properties: { protocol: 'Tcp', port: 80 } }],
    answers: [405, 'HttpMethodNotAllowed'],
  },
  {
    fact: 'a probe can be read',
    given: balancer,
    when: (b) => ['GET', `${lb(b)}/probes/probe`],
    answers: [200, { properties: { port: 80 } }],
  },
  {
    fact: 'deleting a balancer takes it off its members',
    given: (b) => [...member(b), ['DELETE', lb(b)]],
    when: (b) => ['GET', nic(b)],
    answers: [200, { properties: { provisioningState: 'Succeeded' } }],
    lacks: 'backendAddressPools',
  },
  {
    fact: 'the health of a rule is asked with a POST that is polled',
    given: member,
    when: (b) => ['POST', `${lb(b)}/loadBalancingRules/rule/health`],
    answers: [202],
  },
  {
    fact: 'only probed rules have a health',
    given: (b) => [
      ['PUT', ip(b), b.publicIp()],
      ['PUT', lb(b), b.balancer({ probe: undefined })],
    ],
    when: (b) => ['POST', `${lb(b)}/loadBalancingRules/rule/health`],
    answers: [400, 'LoadBalancingRuleHasNoProbe'],
  },
];

testRules(() => world, rules);
