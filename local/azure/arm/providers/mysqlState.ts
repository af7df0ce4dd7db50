import type { Stored } from '../../state.ts';
import { ArmError } from '../failure.ts';
import { asText } from '../values.ts';

export const serverType = 'Microsoft.DBforMySQL/flexibleServers';

/** A stopped server refuses everything but start. */
export function requireReady(server: Stored, operation: string): void {
  const state = asText(server.properties.state);
  if (state === 'Ready') return;
  throw new ArmError(
    409,
    'ServerUnavailableForOperation',
    `Operation '${operation}' cannot be performed as server '${server.name}' is currently in state '${state}'.`,
  );
}
