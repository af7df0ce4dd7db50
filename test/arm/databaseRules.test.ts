import { afterAll, beforeAll, expect } from 'vitest';
import type { Bodies } from './bodies.ts';
import { type Rule, testRules } from './rules.ts';
import { location, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

type Step = [string, string, unknown?];
// Names of servers are unique in the world: one per group.
const db = (b: Bodies) => b.server(`db-${b.base.split('-').at(-1)}`);
const made = (b: Bodies): Step[] => [['PUT', db(b), b.mysql()]];
const stopped = (b: Bodies): Step[] => [...made(b), ['POST', `${db(b)}/stop`]];
const open = (b: Bodies): Step[] => [['PUT', db(b), b.mysql({ network: { publicNetworkAccess: 'Enabled' } })]];
const vnet = (b: Bodies) => b.net('virtualNetworks', 'vnet');
const endpoint = (b: Bodies) => b.net('privateEndpoints', 'endpoint');
const zone = (b: Bodies) => b.net('privateDnsZones', 'privatelink.mysql.database.azure.com');
const link = (b: Bodies) => `${zone(b)}/virtualNetworkLinks/link`;
const linked = (b: Bodies): Step[] => [
  ['PUT', vnet(b), b.vnet()],
  ['PUT', zone(b), { location: 'global' }],
  ['PUT', link(b), { location: 'global', properties: { virtualNetwork: { id: vnet(b) }, registrationEnabled: false } }],
];
const connected = (b: Bodies): Step[] => [
  ...made(b),
  ['PUT', vnet(b), b.vnet()],
  ['PUT', endpoint(b), b.endpoint(db(b))],
];
const named = (b: Bodies): Step[] => [
  ...connected(b),
  ['PUT', zone(b), { location: 'global' }],
  [
    'PUT',
    `${endpoint(b)}/privateDnsZoneGroups/default`,
    { properties: { privateDnsZoneConfigs: [{ name: 'mysql', properties: { privateDnsZoneId: zone(b) } }] } },
  ],
];
const record = (b: Bodies) => `${zone(b)}/A/db-${b.base.split('-').at(-1)}`;

const servers: Rule[] = [
  {
    fact: 'a creation is answered 202 with the name of the operation',
    when: (b) => ['PUT', db(b), b.mysql()],
    answers: [202, { operation: 'UpsertServerManagementOperation', startTime: expect.any(String) }],
  },
  {
    fact: 'a server has a state and no provisioningState',
    given: made,
    when: (b) => ['GET', db(b)],
    answers: [
      200,
      {
        properties: {
          state: 'Ready',
          version: '8.4',
          fullyQualifiedDomainName: expect.stringMatching(/^db-\d+\.mysql\.database\.azure\.com$/),
        },
      },
    ],
    lacks: 'provisioningState',
  },
  {
    fact: 'the password is never returned',
    given: made,
    when: (b) => ['GET', db(b)],
    answers: [200],
    lacks: 'Val1d-Pass-word',
  },
  {
    fact: 'public access is off from the first PUT at a newer API',
    given: made,
    when: (b) => ['GET', db(b)],
    answers: [200, { properties: { network: { publicNetworkAccess: 'Disabled' } } }],
  },
  {
    fact: 'the API of 2021 ignores publicNetworkAccess',
    given: (b) => [['PUT', `${db(b)}?api-version=2021-05-01`, b.mysql()]],
    when: (b) => ['GET', db(b)],
    answers: [200, { properties: { network: { publicNetworkAccess: 'Enabled' } } }],
  },
  ...['Short1!', 'alllowercaseletters', 'has-dbadmin-In-1t'].map(
    (administratorLoginPassword): Rule => ({
      fact: `a password like ${administratorLoginPassword} is refused`,
      when: (b) => ['PUT', db(b), b.mysql({ administratorLoginPassword })],
      answers: [400, 'InvalidPasswordComplexity'],
    }),
  ),
  ...['admin', 'root', 'azure_superuser', 'guest'].map(
    (administratorLogin): Rule => ({
      fact: `the administrator may not be called ${administratorLogin}`,
      when: (b) => ['PUT', db(b), b.mysql({ administratorLogin })],
      answers: [400, 'InvalidServerLoginName'],
    }),
  ),
  {
    fact: 'a name is lower case',
    when: (b) => ['PUT', b.server('UPPER'), b.mysql()],
    answers: [400, 'InvalidServerName'],
  },
  {
    fact: 'a name is taken in the whole world',
    given: (b) => [
      ['PUT', b.server('world-wide'), b.mysql()],
      ['PUT', `${b.base}-second`, { location }],
    ],
    when: (b) => ['PUT', b.server('world-wide').replace(b.base, `${b.base}-second`), b.mysql()],
    answers: [409, 'ServerNameAlreadyExists'],
  },
  {
    fact: 'a taken name is said to be taken',
    given: (b) => [['PUT', b.server('taken-name'), b.mysql()]],
    when: (b) => [
      'POST',
      `${b.base.split('/resourceGroups')[0]}/providers/Microsoft.DBforMySQL/checkNameAvailability`,
      { name: 'taken-name', type: 'Microsoft.DBforMySQL/flexibleServers' },
    ],
    answers: [200, { nameAvailable: false, reason: 'AlreadyExists' }],
  },
  {
    fact: 'a Terraform name is no sku',
    when: (b) => ['PUT', db(b), b.mysql({}, { sku: { name: 'B_Standard_B1ms', tier: 'Burstable' } })],
    answers: [400, 'InvalidSku'],
  },
  {
    fact: 'Burstable has no high availability',
    when: (b) => ['PUT', db(b), b.mysql({ highAvailability: { mode: 'SameZone' } })],
    answers: [400, 'HighAvailabilityNotSupported'],
  },
  {
    fact: 'storage never shrinks',
    given: (b) => [['PUT', db(b), b.mysql({ storage: { storageSizeGB: 64 } })]],
    when: (b) => ['PATCH', db(b), { properties: { storage: { storageSizeGB: 32 } } }],
    answers: [400, 'StorageSizeReductionNotAllowed'],
  },
  ...[
    [0, 400],
    [1, 202],
    [35, 202],
    [36, 400],
  ].map(
    ([backupRetentionDays, status = 0]): Rule => ({
      fact: `backups kept for ${backupRetentionDays} days: ${status}`,
      when: (b) => ['PUT', db(b), b.mysql({ backup: { backupRetentionDays } })],
      answers: [status, status === 400 ? 'InvalidParameterValue' : undefined],
    }),
  ),
  {
    fact: 'the login is fixed',
    given: made,
    when: (b) => ['PATCH', db(b), { properties: { administratorLogin: 'other' } }],
    answers: [409, 'PropertyChangeNotAllowed'],
  },
  {
    fact: 'the password is changed by a PATCH',
    given: made,
    when: (b) => ['PATCH', db(b), { properties: { administratorLoginPassword: 'An0ther-Pass-word' } }],
    answers: [202],
  },
  {
    fact: 'a stop is answered 202 with its operation',
    given: made,
    when: (b) => ['POST', `${db(b)}/stop`],
    answers: [202, { operation: 'StopServerManagementOperation' }],
  },
  {
    fact: 'a stopped server shows so',
    given: stopped,
    when: (b) => ['GET', db(b)],
    answers: [200, { properties: { state: 'Stopped' } }],
  },
  {
    fact: 'a stopped server takes no new password',
    given: stopped,
    when: (b) => ['PATCH', db(b), { properties: { administratorLoginPassword: 'An0ther-Pass-word' } }],
    answers: [409, 'ServerUnavailableForOperation'],
    says: "currently in state 'Stopped'",
  },
  {
    fact: 'nor a tag',
    given: stopped,
    when: (b) => ['PATCH', db(b), { tags: { a: 'b' } }],
    answers: [409, 'ServerUnavailableForOperation'],
  },
  {
    fact: 'nor shows its parameters',
    given: stopped,
    when: (b) => ['GET', `${db(b)}/configurations/require_secure_transport`],
    answers: [409, 'ServerUnavailableForOperation'],
    says: "Operation 'GetServerParameters'",
  },
  {
    fact: 'nor makes a database',
    given: stopped,
    when: (b) => ['PUT', `${db(b)}/databases/guacamole`, { properties: {} }],
    answers: [409, 'ServerUnavailableForOperation'],
  },
  {
    fact: 'but starts',
    given: (b) => [...stopped(b), ['POST', `${db(b)}/start`]],
    when: (b) => ['GET', db(b)],
    answers: [200, { properties: { state: 'Ready' } }],
  },
  {
    fact: 'TLS is required by default',
    given: made,
    when: (b) => ['GET', `${db(b)}/configurations/require_secure_transport`],
    answers: [200, { properties: { value: 'ON', source: 'system-default' } }],
  },
  {
    fact: 'a database gets utf8mb4',
    given: (b) => [...made(b), ['PUT', `${db(b)}/databases/guacamole`, { properties: {} }]],
    when: (b) => ['GET', `${db(b)}/databases/guacamole`],
    answers: [200, { properties: { charset: 'utf8mb4' } }],
  },
  {
    fact: 'a firewall rule needs public access',
    given: made,
    when: (b) => [
      'PUT',
      `${db(b)}/firewallRules/a`,
      { properties: { startIpAddress: '1.2.3.4', endIpAddress: '1.2.3.4' } },
    ],
    answers: [400, 'FirewallRulesNotAllowedForPrivateAccessServer'],
  },
  {
    fact: 'with it, it is taken',
    given: open,
    when: (b) => [
      'PUT',
      `${db(b)}/firewallRules/a`,
      { properties: { startIpAddress: '1.2.3.4', endIpAddress: '1.2.3.4' } },
    ],
    answers: [202],
  },
  {
    fact: 'storage of a server with a standby grows by itself',
    given: (b) => [
      [
        'PUT',
        db(b),
        b.mysql(
          { highAvailability: { mode: 'SameZone' }, storage: { storageSizeGB: 64, autoGrow: 'Disabled' } },
          { sku: { name: 'Standard_D2ds_v4', tier: 'GeneralPurpose' } },
        ),
      ],
    ],
    when: (b) => ['GET', db(b)],
    answers: [200, { properties: { storage: { autoGrow: 'Enabled' }, highAvailability: { state: 'Healthy' } } }],
  },
  {
    fact: 'zone redundancy is chosen at creation',
    given: (b) => [['PUT', db(b), b.mysql({}, { sku: { name: 'Standard_D2ds_v4', tier: 'GeneralPurpose' } })]],
    when: (b) => ['PATCH', db(b), { properties: { highAvailability: { mode: 'ZoneRedundant' } } }],
    answers: [400, 'HighAvailabilityZoneRedundantOnlyAtCreation'],
  },
  {
    fact: 'a misspelt property is refused',
    when: (b) => ['PUT', db(b), b.mysql({ verzion: '8.4' })],
    answers: [400, 'InvalidRequestContent'],
    says: 'verzion',
  },
];

const override = (value: string) => ({ properties: { value, source: 'user-override' } });
const one = (b: Bodies, name: string) => `${db(b)}/configurations/${name}`;
const batch = (b: Bodies, name: string, value: string): Step => [
  'POST',
  `${db(b)}/updateConfigurations`,
  { value: [{ name, ...override(value) }] },
];
const single = (b: Bodies, name: string, value: string): Step => ['PATCH', one(b, name), override(value)];
const ways = { 'by its own PATCH': single, 'with others': batch };

/** What holds for a parameter, however it is written. */
const parameters: Rule[] = Object.entries(ways).flatMap(([how, write]): Rule[] => [
  {
    fact: `a parameter is overridden ${how}`,
    given: (b) => [...made(b), write(b, 'max_connections', '500')],
    when: (b) => ['GET', one(b, 'max_connections')],
    answers: [
      200,
      { properties: { value: '500', currentValue: '500', source: 'user-override', isConfigPendingRestart: 'False' } },
    ],
  },
  {
    fact: `an unknown parameter is refused ${how}`,
    given: made,
    when: (b) => write(b, 'no_such', '1'),
    answers: [404, 'ResourceNotFound'],
  },
  ...[
    ['max_connections', '9'],
    ['max_connections', '1366'],
    ['max_connections', 'many'],
    ['require_secure_transport', 'MAYBE'],
    ['time_zone', 'Mars'],
  ].map(
    ([name = '', value = '']): Rule => ({
      fact: `${name} is not set to ${value} ${how}`,
      given: made,
      when: (b) => write(b, name, value),
      answers: [400, 'InvalidParameterValue'],
      says: 'allowed: ',
    }),
  ),
  {
    fact: `a static parameter written ${how} waits for a restart`,
    given: (b) => [...made(b), write(b, 'tls_version', 'TLSv1.3')],
    when: (b) => ['GET', one(b, 'tls_version')],
    answers: [
      200,
      {
        properties: {
          value: 'TLSv1.3',
          currentValue: 'TLSv1.2',
          isConfigPendingRestart: 'True',
          isDynamicConfig: 'False',
        },
      },
    ],
  },
  {
    fact: `and is in force after it (${how})`,
    given: (b) => [...made(b), write(b, 'tls_version', 'TLSv1.3'), ['POST', `${db(b)}/restart`]],
    when: (b) => ['GET', one(b, 'tls_version')],
    answers: [200, { properties: { currentValue: 'TLSv1.3', isConfigPendingRestart: 'False' } }],
  },
  {
    fact: `a stopped server takes no parameter ${how}`,
    given: stopped,
    when: (b) => write(b, 'max_connections', '500'),
    answers: [409, 'ServerUnavailableForOperation'],
  },
]);
parameters.push(
  {
    fact: 'one parameter that is refused keeps the others from being written',
    given: made,
    when: (b) => [
      'POST',
      `${db(b)}/updateConfigurations`,
      {
        value: [
          { name: 'max_connections', ...override('500') },
          { name: 'no_such', ...override('1') },
        ],
      },
    ],
    answers: [404, 'ResourceNotFound'],
  },
  {
    fact: 'the source system-default takes a parameter back',
    given: (b) => [
      ...made(b),
      single(b, 'max_connections', '500'),
      ['PATCH', one(b, 'max_connections'), { properties: { source: 'system-default' } }],
    ],
    when: (b) => ['GET', one(b, 'max_connections')],
    answers: [200, { properties: { value: '341', source: 'system-default' } }],
  },
);

const endpoints: Rule[] = [
  {
    fact: 'an endpoint is approved for whoever may approve it',
    given: connected,
    when: (b) => ['GET', endpoint(b)],
    answers: [
      200,
      {
        properties: {
          privateLinkServiceConnections: [
            { properties: { privateLinkServiceConnectionState: { status: 'Approved' } } },
          ],
          customDnsConfigs: [{ ipAddresses: ['10.0.1.4'] }],
        },
      },
    ],
  },
  {
    fact: 'the server shows its endpoints',
    given: connected,
    when: (b) => ['GET', db(b)],
    answers: [
      200,
      {
        properties: {
          privateEndpointConnections: [
            { properties: { privateEndpoint: { id: expect.stringMatching(/privateEndpoints\/endpoint$/) } } },
          ],
        },
      },
    ],
  },
  {
    fact: 'the subnet shows its endpoints',
    given: connected,
    when: (b) => ['GET', `${vnet(b)}/subnets/web`],
    answers: [
      200,
      { properties: { privateEndpoints: [{ id: expect.stringMatching(/privateEndpoints\/endpoint$/) }] } },
    ],
  },
  {
    fact: 'an endpoint occupies its subnet',
    given: connected,
    when: (b) => ['DELETE', `${vnet(b)}/subnets/web`],
    answers: [400, 'InUseSubnetCannotBeDeleted'],
  },
  {
    fact: 'an endpoint names what does not exist',
    given: (b) => [['PUT', vnet(b), b.vnet()]],
    when: (b) => ['PUT', endpoint(b), b.endpoint(db(b))],
    answers: [400, 'PrivateLinkServiceNotFound'],
  },
  {
    fact: 'the group of a MySQL server is mysqlServer',
    given: (b) => [...made(b), ['PUT', vnet(b), b.vnet()]],
    when: (b) => [
      'PUT',
      endpoint(b),
      b.endpoint(db(b), {
        privateLinkServiceConnections: [
          { name: 'x', properties: { privateLinkServiceId: db(b), groupIds: ['vault'] } },
        ],
      }),
    ],
    answers: [400, 'PrivateEndpointCreationNotAllowedAsGroupIdIsInvalid'],
  },
  {
    fact: 'the interface of an endpoint cannot be deleted by itself',
    given: (b) => [
      ...made(b),
      ['PUT', vnet(b), b.vnet()],
      ['PUT', endpoint(b), b.endpoint(db(b), { customNetworkInterfaceName: 'endpoint-nic' })],
    ],
    when: (b) => ['DELETE', b.net('networkInterfaces', 'endpoint-nic')],
    answers: [400, 'NetworkInterfaceAssociatedWithPrivateEndpointCannotBeDeleted'],
  },
  {
    fact: 'it goes with the endpoint',
    given: (b) => [
      ...made(b),
      ['PUT', vnet(b), b.vnet()],
      ['PUT', endpoint(b), b.endpoint(db(b), { customNetworkInterfaceName: 'endpoint-nic' })],
      ['DELETE', endpoint(b)],
    ],
    when: (b) => ['GET', b.net('networkInterfaces', 'endpoint-nic')],
    answers: [404, 'ResourceNotFound'],
  },
  {
    fact: 'an endpoint whose server is deleted is Disconnected',
    given: (b) => [...connected(b), ['DELETE', db(b)]],
    when: (b) => ['GET', endpoint(b)],
    answers: [
      200,
      {
        properties: {
          privateLinkServiceConnections: [
            { properties: { privateLinkServiceConnectionState: { status: 'Disconnected' } } },
          ],
        },
      },
    ],
  },
  {
    fact: 'a zone group writes the record',
    given: named,
    when: (b) => ['GET', record(b)],
    answers: [200, { properties: { aRecords: [{ ipv4Address: '10.0.1.4' }] } }],
  },
  {
    fact: 'the record goes with the endpoint',
    given: (b) => [...named(b), ['DELETE', endpoint(b)]],
    when: (b) => ['GET', record(b)],
    answers: [404, 'ResourceNotFound'],
  },
  {
    fact: 'the record goes with the zone group',
    given: (b) => [...named(b), ['DELETE', `${endpoint(b)}/privateDnsZoneGroups/default`]],
    when: (b) => ['GET', record(b)],
    answers: [404, 'ResourceNotFound'],
  },
];

const zones: Rule[] = [
  {
    fact: 'a zone is global',
    when: (b) => ['PUT', zone(b), { location }],
    answers: [400, 'LocationNotAvailableForResourceType'],
  },
  {
    fact: 'a zone name has two labels',
    when: (b) => ['PUT', b.net('privateDnsZones', 'local'), { location: 'global' }],
    answers: [400, 'InvalidResourceName'],
  },
  {
    fact: 'a link ends Completed',
    given: linked,
    when: (b) => ['GET', link(b)],
    answers: [200, { properties: { virtualNetworkLinkState: 'Completed', provisioningState: 'Succeeded' } }],
  },
  {
    fact: 'a zone counts its links',
    given: linked,
    when: (b) => ['GET', zone(b)],
    answers: [200, { properties: { numberOfVirtualNetworkLinks: 1, numberOfRecordSets: 1 } }],
  },
  {
    fact: 'a zone with links cannot be deleted',
    given: linked,
    when: (b) => ['DELETE', zone(b)],
    answers: [409, 'CannotDeleteResource'],
    says: 'nested resources',
  },
  {
    fact: 'a network is linked to one zone of a name',
    given: linked,
    when: (b) => [
      'PUT',
      `${zone(b)}/virtualNetworkLinks/second`,
      { location: 'global', properties: { virtualNetwork: { id: vnet(b) } } },
    ],
    answers: [409, 'Conflict'],
  },
  {
    fact: 'a link names a network that does not exist',
    given: (b) => [['PUT', zone(b), { location: 'global' }]],
    when: (b) => ['PUT', link(b), { location: 'global', properties: { virtualNetwork: { id: vnet(b) } } }],
    answers: [400, 'InvalidResourceReference'],
  },
  {
    fact: 'a record set is there at once',
    given: (b) => [['PUT', zone(b), { location: 'global' }]],
    when: (b) => ['PUT', `${zone(b)}/A/host`, { properties: { ttl: 60, aRecords: [{ ipv4Address: '10.0.0.9' }] } }],
    answers: [201, { properties: { ttl: 60 } }],
  },
  {
    fact: 'If-None-Match: * keeps an existing record set',
    given: (b) => [
      ['PUT', zone(b), { location: 'global' }],
      ['PUT', `${zone(b)}/A/host`, { properties: { ttl: 60, aRecords: [] } }],
    ],
    when: (b) => ['PUT', `${zone(b)}/A/host`, { properties: { ttl: 60, aRecords: [] } }, { 'if-none-match': '*' }],
    answers: [412, 'PreconditionFailed'],
  },
];

testRules(() => world, [...servers, ...parameters, ...endpoints, ...zones]);
