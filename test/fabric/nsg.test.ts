import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contains } from '../../local/azure/fabric/cidr.ts';
import { type End, evaluate, type Flow, rulesOf } from '../../local/azure/fabric/nsg.ts';
import { type RuleDraft, rule } from './scene.ts';

const internet: End = { address: '127.0.0.9', place: 'internet' };
const neighbour: End = { address: '10.20.1.5', place: 'network' };
const node: End = { address: '10.20.1.4', place: 'network' };
const platform: End = { address: '168.63.129.16', place: 'platform' };

const group = (rules: ReturnType<typeof rule>[]) =>
  rulesOf({
    id: '/g',
    name: 'g',
    type: 'Microsoft.Network/networkSecurityGroups',
    properties: { securityRules: rules },
  });
const into = (source: End, port: number): Flow => ({
  direction: 'Inbound',
  protocol: 'Tcp',
  source,
  destination: node,
  destinationPort: port,
});
const out = (destination: End, port: number): Flow => ({
  direction: 'Outbound',
  protocol: 'Tcp',
  source: node,
  destination,
  destinationPort: port,
});

const allow = (draft: Partial<RuleDraft>) => rule({ name: 'r', priority: 100, ...draft });

test.each([
  ['a network without own rules lets its members in', [], into(neighbour, 22), 'AllowVnetInBound'],
  ['a network without own rules lets the platform in', [], into(platform, 8081), 'AllowAzureLoadBalancerInBound'],
  ['a network without own rules keeps the internet out', [], into(internet, 443), 'DenyAllInBound'],
  ['a network without own rules lets its members out', [], out(internet, 443), 'AllowInternetOutBound'],
  ['the internet tag lets clients in', [allow({ source: 'Internet', port: '443' })], into(internet, 443), 'r'],
  [
    'the internet tag does not mean members',
    [allow({ source: 'Internet', port: '443', access: 'Deny' })],
    into(neighbour, 443),
    'AllowVnetInBound',
  ],
  ['a prefix names clients', [allow({ source: '127.0.0.8/29', port: '443' })], into(internet, 443), 'r'],
  ['another prefix does not', [allow({ source: '127.0.0.16/29', port: '443' })], into(internet, 443), 'DenyAllInBound'],
  ['a port range includes its ends', [allow({ port: '8443-8444' })], into(internet, 8444), 'r'],
  ['a port outside of the range is not meant', [allow({ port: '8443-8444' })], into(internet, 8445), 'DenyAllInBound'],
  [
    'a port given to a member can be denied before the default rule',
    [allow({ source: 'VirtualNetwork', port: '22', access: 'Deny' })],
    into(neighbour, 22),
    'r',
  ],
  [
    'an outbound rule says nothing about what comes in',
    [allow({ direction: 'Outbound', access: 'Deny' })],
    into(neighbour, 22),
    'AllowVnetInBound',
  ],
  ['the platform can be denied', [allow({ source: 'AzureLoadBalancer', access: 'Deny' })], into(platform, 8081), 'r'],
])('%s', (_title, rules, flow, decisive) => {
  expect(evaluate(group(rules), flow).rule).toBe(decisive);
});

test('the lower priority number wins wherever the rule stands', () => {
  const rules = group([
    rule({ name: 'late', priority: 300, port: '443' }),
    rule({ name: 'early', priority: 200, port: '443', access: 'Deny' }),
  ]);
  expect(evaluate(rules, into(internet, 443))).toEqual({ access: 'Deny', rule: 'early' });
});

test('the plural forms of a rule count like the singular ones', () => {
  const many = allow({});
  Object.assign(many.properties, {
    ...{ sourceAddressPrefix: undefined, sourceAddressPrefixes: ['10.9.0.0/16', '127.0.0.9'] },
    ...{ destinationPortRange: undefined, destinationPortRanges: ['80', '8443'] },
  });
  expect(evaluate(group([many]), into(internet, 8443)).rule).toBe('r');
  expect(evaluate(group([many]), into(internet, 81)).rule).toBe('DenyAllInBound');
});

test('a rule for UDP does not let TCP in', () => {
  const udp = allow({});
  udp.properties.protocol = 'Udp';
  expect(evaluate(group([udp]), into(internet, 443)).rule).toBe('DenyAllInBound');
});

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['0.0.0.0/0', '203.0.113.9', true],
  ['10.1.2.3', '10.1.2.3', true],
  ['10.1.2.3/32', '10.1.2.4', false],
  ['not an address', '10.1.2.4', false],
])('prefix %s and address %s: %s', (prefix, address, expected) => {
  expect(contains(prefix, address)).toBe(expected);
});

const ends = fc.constantFrom(internet, neighbour, node, platform);
const drafts = fc.uniqueArray(
  fc.record({
    priority: fc.integer({ min: 100, max: 4096 }),
    source: fc.constantFrom('*', 'Internet', 'VirtualNetwork', 'AzureLoadBalancer', '127.0.0.8/29', '10.0.0.0/8'),
    port: fc.constantFrom('*', '443', '8000-9000'),
    access: fc.constantFrom('Allow' as const, 'Deny' as const),
    direction: fc.constantFrom('Inbound' as const, 'Outbound' as const),
  }),
  { selector: ({ priority }) => priority, maxLength: 12 },
);

test('the order in which rules are written never matters, and a rule behind the decisive one changes nothing', () => {
  fc.assert(
    fc.property(drafts, ends, fc.constantFrom(22, 443, 8443), (given, source, port) => {
      // Azure's names are unique within a group.
      const rules = group(given.map((draft) => rule({ ...draft, name: `r${draft.priority}` })));
      const flow = into(source, port);
      const verdict = evaluate(rules, flow);
      expect(evaluate(rules.toReversed(), flow)).toEqual(verdict);
      const decisive = rules.find(({ name }) => name === verdict.rule)?.priority ?? 65_500;
      expect(
        evaluate(
          rules.filter(({ priority }) => priority <= decisive),
          flow,
        ).access,
      ).toBe(verdict.access);
    }),
  );
});
