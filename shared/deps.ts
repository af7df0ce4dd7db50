import { ManagedIdentityCredential } from '@azure/identity';
import type { Kysely } from 'kysely';
import { type Authenticate, createAuthenticate } from './auth.ts';
import { type AzureClients, createAzureClients } from './azure/clients.ts';
import type { Config } from './config.ts';
import { createDatabases, type Databases } from './databases.ts';
import type { GuacamoleDatabase } from './guacamole/schema/tables.ts';
import { createVaults, type Vaults } from './secrets/vaults.ts';
import { createTables, openTables, type Tables } from './store/tables.ts';

/** Everything that touches the world, made once at start and handed down. */
export interface Deps {
  config: Config;
  now(): Date;
  authenticate: Authenticate;
  azure: AzureClients;
  tables: Tables;
  vaults: Vaults;
  databases: Databases;
  /**
   * The Guacamole database of a jump server with the control plane's own account.
   * Throws ApiError 404 when there is no such jump server, 409 `JumpServerNotReady` while it has no database yet,
   * 409 `JumpServerHibernated` while it hibernates.
   */
  guacamole(jumpServer: string): Promise<Kysely<GuacamoleDatabase>>;
}

/** Constructs every client. The only place that does. */
export function createDeps(config: Config): Deps {
  const credential = new ManagedIdentityCredential({ clientId: config.AZURE_CLIENT_ID });
  const tables = openTables(config.MOLCAJETE_TABLES_URL, credential);
  const vaults = createVaults(credential, config.MOLCAJETE_VAULT_URL);
  const databases = createDatabases(tables, vaults);
  return {
    config,
    now: () => new Date(),
    authenticate: createAuthenticate(config.MOLCAJETE_ISSUER, config.MOLCAJETE_API_AUDIENCE),
    azure: createAzureClients(credential, config.AZURE_SUBSCRIPTION_ID, config.MOLCAJETE_ARM_ENDPOINT),
    tables,
    vaults,
    databases,
    guacamole: databases.forRequests,
  };
}

/** Makes what the control plane itself needs before its first request. */
export const prepare = (deps: Deps): Promise<void> => createTables(deps.tables);
