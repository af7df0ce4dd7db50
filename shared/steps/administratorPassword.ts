import { mysqlApiVersion } from '../azure/resources/apiVersions.ts';
import type { Deps } from '../deps.ts';
import { listInventory } from '../store/inventory.ts';

/**
 * Gives the MySQL server's administrator this password: what the vault says is right, whatever a crash has left on the server. Open
 * sessions live on. Settles when Azure's operation has ended.
 */
export async function setAdministratorPassword(deps: Deps, jumpServer: string, password: string): Promise<void> {
  const server = (await listInventory(deps.tables, jumpServer)).find(({ key }) => key === 'mysqlServer');
  if (server === undefined) throw new Error(`The jump server '${jumpServer}' has no MySQL server.`);
  const body = { properties: { administratorLoginPassword: password } };
  await deps.azure.resources.resources.beginUpdateByIdAndWait(server.id, mysqlApiVersion, body);
}
