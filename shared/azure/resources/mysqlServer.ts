import type { GenericResource } from '@azure/arm-resources';
import type { Blueprint } from '../blueprint.ts';
import { databaseAdministrator } from '../names.ts';
import { type Observed, type Resource, resource } from '../resource.ts';
import { mysqlApiVersion } from './apiVersions.ts';
import { holds } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.DBforMySQL/flexibleServers';

type Write = { create: GenericResource } | { update: GenericResource; stopped: boolean };

/**
 * The database, written by id: @azure/arm-mysql-flexible 3.1 drops `publicNetworkAccess` on the wire, and this server must have
 * no public moment. TLS is demanded by default (require_secure_transport). It takes minutes, so it waits for nothing but its group.
 */
export function mysqlServer(blueprint: Blueprint): Resource {
  const { names, spec, environment } = blueprint;
  const id = blueprint.id(type, names.mysqlServer);
  return resource<Write, GenericResource>({
    key: 'mysqlServer',
    type,
    id,
    dependsOn: ['resourceGroup'],
    get: (azure) => azure.resources.resources.getById(id, mysqlApiVersion),
    desired(found) {
      if (found === undefined) return { create: server(blueprint) };
      const update = changes(found, blueprint);
      return update === undefined ? undefined : { update, stopped: found.properties?.state === 'Stopped' };
    },
    async put(azure, write) {
      const { resources } = azure.resources;
      if ('update' in write) {
        // A stopped one refuses every change (azure-behaviour.md, 2.17).
        if (write.stopped) await azure.mysql.servers.beginStartAndWait(spec.resourceGroup, names.mysqlServer);
        return resources.beginUpdateByIdAndWait(id, mysqlApiVersion, write.update);
      }
      const administratorLoginPassword = await environment.administratorPassword();
      const { create } = write;
      const body = { ...create, properties: { ...create.properties, administratorLoginPassword } };
      return resources.beginCreateOrUpdateByIdAndWait(id, mysqlApiVersion, body);
    },
    observe: ({ properties }) => observed[String(properties?.state)] ?? 'pending',
    output: ({ properties }) => ({
      fullyQualifiedDomainName: String(
        properties?.fullyQualifiedDomainName ?? `${names.mysqlServer}.mysql.database.azure.com`,
      ),
      state: String(properties?.state ?? ''),
    }),
  });

  function server(blueprint: Blueprint): GenericResource {
    const { highAvailability, geoRedundantBackup } = spec.database;
    return {
      location: spec.location,
      tags: tagsOver(undefined, blueprint),
      sku: sku(spec.database.sku),
      properties: {
        administratorLogin: databaseAdministrator,
        createMode: 'Default',
        version: spec.database.version,
        storage: { storageSizeGB: spec.database.storageGb, autoGrow: 'Enabled' },
        backup: {
          backupRetentionDays: spec.database.backupRetentionDays,
          geoRedundantBackup: geoRedundantBackup ? 'Enabled' : 'Disabled',
        },
        highAvailability: { mode: highAvailability },
        network: { publicNetworkAccess: 'Disabled' },
      },
    };
  }
}

/** The server of a jump server that sleeps: nobody starts a stopped one for a change; it is made when the server is up again. */
export const leftStopped = (server: Resource): Resource => ({
  ...server,
  async look(azure, outputs) {
    const look = await server.look(azure, outputs);
    return look.output.state === 'Stopped' ? { ...look, change: undefined } : look;
  },
});

/** A flexible server has no provisioningState. A stopped one is as it should be: it refuses every write but start. */
const observed: Record<string, Observed> = { Ready: 'ready', Stopped: 'ready', Disabled: 'failed' };

/** `Standard_B2s` → Burstable; ARM wants the tier beside the name. */
function sku(name: string): { name: string; tier: string } {
  const tiers: Record<string, string> = { B: 'Burstable', D: 'GeneralPurpose', E: 'MemoryOptimized' };
  return { name, tier: tiers[name.charAt('Standard_'.length)] ?? 'GeneralPurpose' };
}

/** A PATCH of exactly what differs: what the server has and cannot change stays out of it. */
function changes(found: GenericResource, blueprint: Blueprint): GenericResource | undefined {
  const { database } = blueprint.spec;
  const has = (found.properties ?? {}) as {
    storage?: { storageSizeGB?: number };
    version?: string;
    backup?: object;
    highAvailability?: object;
    network?: object;
  };
  // Storage grows on its own, and never shrinks.
  const storage = { storageSizeGB: Math.max(database.storageGb, has.storage?.storageSizeGB ?? 0) };
  const wanted = {
    version: database.version,
    storage,
    backup: { backupRetentionDays: database.backupRetentionDays },
    highAvailability: { mode: database.highAvailability },
    network: { publicNetworkAccess: 'Disabled' },
  };
  const properties = Object.fromEntries(
    Object.entries(wanted).filter(([key, value]) => !holds(has[key as keyof typeof wanted], value)),
  );
  const top = { tags: tagsOver(found, blueprint), sku: sku(database.sku) };
  const different = Object.fromEntries(Object.entries(top).filter(([key, value]) => !holds(found, { [key]: value })));
  if (Object.keys(properties).length > 0) return { ...different, properties };
  return Object.keys(different).length > 0 ? different : undefined;
}
