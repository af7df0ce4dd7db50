import { nodeName } from './azure/names.ts';
import type { Outputs } from './azure/resource.ts';
import { databaseName, databasePort } from './databases.ts';
import type { ProxyNode } from './node/haproxy.ts';
import { type DesiredNodeState, desiredNodeState } from './node/report.ts';
import type { JumpServerSpec } from './spec.ts';

/** Numbers of a jump server's nodes, from 1. */
export const nodeNumbers = (spec: JumpServerSpec): number[] => Array.from({ length: spec.web.count }, (_, i) => i + 1);

/**
 * What a node should be, from what the jump server's resources turned out to be. Undefined while its own address, the vault or
 * the certificate is not there yet: the agent asks again.
 */
export function desiredNode(
  jumpServer: string,
  spec: JumpServerSpec,
  outputs: Outputs,
  node: string,
): DesiredNodeState | undefined {
  const all = nodeNumbers(spec).flatMap((number): ProxyNode[] => {
    const address = outputs[`node-${number}/networkInterface`]?.privateIPAddress;
    return address === undefined ? [] : [{ name: nodeName(jumpServer, number), address, draining: false }];
  });
  const self = all.find((one) => one.name === node);
  const vaultUri = outputs.vault?.vaultUri;
  const identityClientId = outputs.identity?.clientId;
  const peerName = outputs.certificate?.peerName;
  if (self === undefined || vaultUri === undefined || identityClientId === undefined || peerName === undefined)
    return undefined;
  const host = outputs.mysqlServer?.fullyQualifiedDomainName;
  const account = outputs.database?.nodeAccountVersion;
  const bootstrapped = host !== undefined && account !== undefined;
  return desiredNodeState({
    node: self,
    peers: all.filter((one) => one !== self),
    peerName,
    guacamoleVersion: spec.web.guacamoleVersion,
    database: bootstrapped ? { host, port: databasePort, name: databaseName } : null,
    vault: { url: vaultUri, identityClientId },
    secrets: { database: account ?? null, certificate: outputs.certificate?.version ?? null },
  });
}
