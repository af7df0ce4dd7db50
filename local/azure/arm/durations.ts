/**
 * How long Azure takes, in seconds, and where that is known from. The only place with such figures: `--factor` multiplies them.
 * `recorded`: measured traffic of Azure's own command line tests; `documented`: Microsoft's documentation;
 * `estimate`: the middle of the range that practitioners report, not confirmed by either.
 */
type Duration = readonly [seconds: number, source: string];
type Verbs = { create?: Duration; update?: Duration; delete?: Duration } & Record<string, Duration>;

const recordedNetwork = 'recorded: azure-cli network/tests/latest/recordings/test_natgateway_basic.yaml';
const recordedMysql = 'recorded: azure-cli rdbms/tests/latest/recordings/test_mysql_flexible_server_stop.yaml';
const estimate = 'estimate';

export const durations: Record<string, Verbs> = {
  'Microsoft.Resources/resourceGroups': { delete: [15, 'estimate: an empty group; its resources add their own time'] },
  'Microsoft.Network/virtualNetworks': {
    create: [10, recordedNetwork],
    update: [5, estimate],
    delete: [10, recordedNetwork],
  },
  'Microsoft.Network/networkSecurityGroups': { create: [4, estimate], update: [3, estimate], delete: [4, estimate] },
  'Microsoft.Network/publicIPAddresses': {
    create: [2, recordedNetwork],
    update: [2, recordedNetwork],
    delete: [10, estimate],
  },
  'Microsoft.Network/natGateways': {
    create: [5, estimate],
    update: [5, estimate],
    delete: [9, `${recordedNetwork} (under 10 s)`],
  },
  'Microsoft.Network/loadBalancers': {
    create: [4, estimate],
    update: [3, estimate],
    delete: [10, estimate],
    health: [5, 'estimate: documentation says it may take minutes'],
  },
  'Microsoft.Network/ddosProtectionPlans': { create: [5, estimate], update: [3, estimate], delete: [10, estimate] },
  'Microsoft.Network/networkInterfaces': {
    create: [0, 'recorded: azure-cli test_multiple_ipconfigs_remove_by_shorthand.yaml, done in the first answer'],
    update: [0, 'recorded: the same'],
    delete: [5, estimate],
  },
  'Microsoft.Network/privateEndpoints': {
    create: [60, 'estimate: 30 to 120 s'],
    update: [30, estimate],
    delete: [30, estimate],
  },
  'Microsoft.Network/privateEndpoints/privateDnsZoneGroups': {
    create: [30, 'estimate: 30 to 120 s'],
    update: [30, estimate],
    delete: [15, estimate],
  },
  'Microsoft.Network/privateDnsZones': { create: [30, estimate], update: [10, estimate], delete: [30, estimate] },
  'Microsoft.Network/privateDnsZones/virtualNetworkLinks': {
    create: [30, 'estimate: links take about 30 s'],
    update: [10, estimate],
    delete: [30, estimate],
  },
  'Microsoft.Compute/disks': { create: [3, estimate], update: [3, estimate], delete: [3, estimate] },
  'Microsoft.Compute/virtualMachines': {
    create: [75, 'estimate: 30 to 120 s for Linux'],
    update: [15, estimate],
    delete: [60, estimate],
    start: [30, estimate],
    powerOff: [30, estimate],
    deallocate: [60, estimate],
    restart: [30, estimate],
    redeploy: [240, 'documented: "minutes"'],
    reapply: [30, estimate],
    reimage: [90, estimate],
    runCommand: [20, 'documented: linux/run-command.md, about 20 s minimum'],
    simulateEviction: [30, estimate],
    retrieveBootDiagnosticsData: [0, estimate],
  },
  'Microsoft.Compute/virtualMachines/extensions': {
    create: [30, estimate],
    update: [20, estimate],
    delete: [20, estimate],
  },
  'Microsoft.DBforMySQL/flexibleServers': {
    create: [330, 'documented range 3 to 8 min'],
    createWithHa: [690, 'documented range 8 to 15 min'],
    update: [60, estimate],
    delete: [60, estimate],
    start: [210, 'estimate: 2 to 5 min'],
    stop: [362, recordedMysql],
    restart: [90, 'documented range 1 to 2 min'],
    failover: [90, 'documented: 60 to 120 s'],
  },
  'Microsoft.DBforMySQL/flexibleServers/databases': {
    create: [15, estimate],
    update: [15, estimate],
    delete: [15, estimate],
  },
  'Microsoft.DBforMySQL/flexibleServers/firewallRules': {
    create: [30, estimate],
    update: [30, estimate],
    delete: [30, estimate],
  },
  'Microsoft.DBforMySQL/flexibleServers/configurations': { create: [20, estimate], update: [20, estimate] },
  'Microsoft.KeyVault/vaults': {
    create: [20, 'estimate: the name has to get into DNS'],
    update: [2, estimate],
  },
  'Microsoft.KeyVault/locations/deletedVaults': { purge: [10, estimate] },
};

/** Seconds in Azure; 0 for what is not in the table. `verb`: create, update, delete or an action. */
export function seconds(type: string, verb: string): number {
  const verbs = durations[type];
  return verbs?.[verb]?.[0] ?? 0;
}
