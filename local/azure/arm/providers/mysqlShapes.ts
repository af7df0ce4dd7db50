import type { Shape } from '../shape.ts';

/** The members of a flexible server's `properties` that are understood (API 2024-12-30), read-only ones as `ro`. */
export const flexibleServer: { readonly [property: string]: Shape } = {
  administratorLogin: 'string',
  administratorLoginPassword: 'string',
  version: 'string',
  fullVersion: 'ro',
  availabilityZone: 'string',
  createMode: 'Default|PointInTimeRestore|Replica|GeoRestore',
  sourceServerResourceId: 'string',
  restorePointInTime: 'string',
  replicationRole: 'None|Source|Replica',
  replicaCapacity: 'ro',
  dataEncryption: 'any',
  state: 'ro',
  fullyQualifiedDomainName: 'ro',
  databasePort: 'integer',
  storage: {
    storageSizeGB: 'integer',
    iops: 'integer',
    autoGrow: 'Enabled|Disabled',
    logOnDisk: 'Enabled|Disabled',
    storageSku: 'ro',
    autoIoScaling: 'Enabled|Disabled',
    storageRedundancy: 'LocalRedundancy|ZoneRedundancy',
  },
  backup: {
    backupRetentionDays: 'integer',
    backupIntervalHours: 'integer',
    geoRedundantBackup: 'Enabled|Disabled',
    earliestRestoreDate: 'ro',
  },
  highAvailability: {
    mode: 'Disabled|ZoneRedundant|SameZone',
    standbyAvailabilityZone: 'string',
    state: 'ro',
    replicationMode: 'string',
  },
  network: {
    publicNetworkAccess: 'Enabled|Disabled',
    delegatedSubnetResourceId: 'string',
    privateDnsZoneResourceId: 'string',
  },
  privateEndpointConnections: 'ro',
  maintenancePolicy: { patchStrategy: 'Regular|VirtualCanary' },
  maintenanceWindow: {
    customWindow: 'string',
    startHour: 'integer',
    startMinute: 'integer',
    dayOfWeek: 'integer',
    batchOfMaintenance: 'Default|Batch1|Batch2',
  },
  importSourceProperties: 'any',
  lowerCaseTableNames: 'integer',
};

interface Configuration {
  value: string;
  allowed: RegExp;
  allowedText: string;
  dataType: string;
  /** Takes effect without a restart. */
  dynamic: boolean;
}

const flag = (value: 'ON' | 'OFF', dynamic = true): Configuration => ({
  value,
  allowed: /^(ON|OFF)$/i,
  allowedText: 'ON,OFF',
  dataType: 'Enumeration',
  dynamic,
});
const number = (value: number, from: number, to: number, dynamic = true): Configuration => ({
  value: String(value),
  allowed: /^\d+$/,
  allowedText: `${from}-${to}`,
  dataType: 'Integer',
  dynamic,
});

/** The server parameters that are modelled, with Azure's defaults. */
export const configurationDefaults: Record<string, Configuration> = {
  require_secure_transport: flag('ON'),
  tls_version: {
    value: 'TLSv1.2',
    allowed: /^TLSv1\.[23](,TLSv1\.[23])*$/i,
    allowedText: 'TLSv1.2,TLSv1.3',
    dataType: 'Set',
    dynamic: false,
  },
  max_connections: number(341, 10, 1365),
  wait_timeout: number(28_800, 1, 31_536_000),
  interactive_timeout: number(28_800, 1, 31_536_000),
  slow_query_log: flag('OFF'),
  long_query_time: number(10, 0, 31_536_000),
  event_scheduler: flag('ON'),
  audit_log_enabled: flag('OFF'),
  time_zone: {
    value: 'SYSTEM',
    allowed: /^[\w:+/-]+$/,
    allowedText: '[+|-][0]{0,1}[0-9]:[0-5][0-9]|SYSTEM',
    dataType: 'String',
    dynamic: true,
  },
  lower_case_table_names: {
    value: '1',
    allowed: /^[12]$/,
    allowedText: '1,2',
    dataType: 'Enumeration',
    dynamic: false,
  },
  innodb_lock_wait_timeout: number(50, 1, 3600),
};
