import { databaseName, databasePort, nodeKey, nodeName } from './azure/names.ts';
import type { Outputs } from './azure/resource.ts';
import type { ProxyNode } from './node/haproxy.ts';
import { type DesiredNodeState, desiredNodeState } from './node/report.ts';
import { isSettled, isUp } from './scaling/fleet.ts';
import type { JumpServerSpec } from './spec.ts';
import type { NodeRecord } from './store/nodes.ts';

/**
 * What a node should be, from what the jump server's resources turned out to be. Undefined while its own address, the vault or
 * the certificate is not there yet: the agent asks again.
 */
export function desiredNode(
  jumpServer: string,
  spec: JumpServerSpec,
  fleet: readonly NodeRecord[],
  outputs: Outputs,
  node: string,
): DesiredNodeState | undefined {
  const all = fleet.flatMap((record): (ProxyNode & { deallocated: boolean; account: string | undefined })[] => {
    const { number, state, account } = record;
    const address = outputs[nodeKey(number, 'networkInterface')]?.privateIPAddress;
    const name = nodeName(jumpServer, number);
    return address === undefined
      ? []
      : [{ name, address, draining: !isUp(record), deallocated: state === 'deallocated', account }];
  });
  const self = all.find((one) => one.name === node);
  const vaultUri = outputs.vault?.vaultUri;
  const identityClientId = outputs.identity?.clientId;
  const peerName = outputs.certificate?.peerName;
  if (self === undefined || vaultUri === undefined || identityClientId === undefined || peerName === undefined)
    return undefined;
  const host = outputs.mysqlServer?.fullyQualifiedDomainName;
  const common = outputs.database?.nodeAccountVersion;
  const bootstrapped = host !== undefined && common !== undefined;
  return desiredNodeState({
    node: self,
    peers: all.filter((one) => one !== self && !one.deallocated),
    peerName,
    guacamoleVersion: spec.web.guacamoleVersion,
    database: bootstrapped ? { host, port: databasePort, name: databaseName } : null,
    vault: { url: vaultUri, identityClientId },
    secrets: {
      database: bootstrapped ? (self.account ?? common) : null,
      certificate: outputs.certificate?.version ?? null,
    },
    changing: !isSettled(fleet),
  });
}
