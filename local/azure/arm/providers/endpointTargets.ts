import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { key } from '../ids.ts';
import { asObject, asText, objects } from '../values.ts';

/** Private endpoints as the resources behind them see them. */

export const connectionOf = (endpoint: Stored) =>
  objects(endpoint.properties.privateLinkServiceConnections)[0] ??
  objects(endpoint.properties.manualPrivateLinkServiceConnections)[0];

/** The id of what an endpoint leads to. */
export const targetOf = (endpoint: Stored): string =>
  asText(asObject(connectionOf(endpoint)?.properties).privateLinkServiceId);

/** The endpoints that lead to a resource. */
export const endpointsTo = (env: ArmEnv, id: string): Stored[] =>
  env.state.list('Microsoft.Network/privateEndpoints').filter((endpoint) => key(targetOf(endpoint)) === key(id));

/** What an endpoint shows when the resource behind it has gone. */
export function disconnect(env: ArmEnv, endpoint: Stored): void {
  env.state.update(endpoint.id, (copy) => {
    const connection = connectionOf(copy);
    if (connection === undefined) return;
    connection.properties = {
      ...asObject(connection.properties),
      privateLinkServiceConnectionState: {
        status: 'Disconnected',
        description: 'Deleted state',
        actionsRequired: 'None',
      },
    };
  });
}
