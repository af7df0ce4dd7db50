import { versions } from './mysqlServer.ts';

type Sku = [name: string, vCores: number, iops: number, memoryPerVCoreMb: number];

/** The sizes of each tier that are told; a server may have any other size of its tier, too. */
const tiers: Record<string, Sku[]> = {
  Burstable: [
    ['Standard_B1ms', 1, 640, 2048],
    ['Standard_B2s', 2, 1280, 2048],
    ['Standard_B2ms', 2, 1700, 4096],
  ],
  GeneralPurpose: [
    ['Standard_D2ds_v4', 2, 3200, 4096],
    ['Standard_D4ds_v4', 4, 6400, 4096],
  ],
  MemoryOptimized: [
    ['Standard_E2ds_v4', 2, 5000, 8192],
    ['Standard_E4ds_v4', 4, 10_000, 8192],
  ],
};

const storage = {
  name: 'Premium',
  minStorageSize: 20_480,
  maxStorageSize: 16_777_216,
  minBackupRetentionDays: 1,
  maxBackupRetentionDays: 35,
  minBackupIntervalHours: 24,
  maxBackupIntervalHours: 24,
};

/** `locations/{l}/capabilities`, a row a zone. */
export const capabilities = ['1', '2', '3'].map((zone) => ({
  zone,
  supportedHAMode: ['SameZone', 'ZoneRedundant'],
  supportedGeoBackupRegions: [],
  supportedFlexibleServerEditions: Object.entries(tiers).map(([name, skus]) => ({
    name,
    supportedStorageEditions: [storage],
    supportedServerVersions: versions.map((version) => ({
      name: version,
      supportedSkus: skus.map(([sku, vCores, supportedIops, supportedMemoryPerVCoreMB]) => ({
        name: sku,
        vCores,
        supportedIops,
        supportedMemoryPerVCoreMB,
      })),
    })),
  })),
}));
