import { type ConnectionOptions, connect } from 'node:tls';
import type { Step } from '../azure/engine.ts';
import { nodeName } from '../azure/names.ts';
import { describeCertificate } from '../certificates.ts';
import { fleetOf, isUp } from '../scaling/fleet.ts';
import { nodeSecrets, type Vault } from '../secrets/vaults.ts';
import { certificateChain, certificateOutput, issueVersion } from '../steps/certificate.ts';
import { listNodes } from '../store/nodes.ts';
import { listReports } from '../store/reports.ts';
import {
  conclude,
  currentOutputs,
  isPending,
  madeBy,
  type Rotating,
  rotationOf,
  rotationStep,
  tellDependants,
  waiting,
} from './rotating.ts';

/** The balancer spreads flows by their ports: so many handshakes for each node meet all of them, as good as surely. */
const handshakesPerNode = 3;

/**
 * The ingress's certificate. The nodes load it without dropping a session; proven when every node says that it has it and the ingress
 * shows it.
 */
export function certificateRotationStep(rotating: Rotating, dependsOn: readonly string[]): Step {
  const { deps, server } = rotating;
  return rotationStep(rotating, 'certificate', dependsOn, async (_outputs, attempt) => {
    const outputs = await currentOutputs(rotating);
    const vault = deps.vaults.at(outputs.vault?.vaultUri ?? '');
    const current = await ensureVersion(rotating, vault, outputs.publicIpAddress, attempt);
    await tellDependants(rotating, 'certificate', certificateOutput(server.name, current), attempt);
    const { nodes, late } = await behind(rotating, current.version);
    if (late.length > 0) return waiting(`waits for ${late.join(', ')} to load it`);
    const { ipAddress = '', fqdn = '' } = outputs.publicIpAddress ?? {};
    const { serialNumber } = describeCertificate(current.value);
    const ca = certificateChain(current.value);
    for (let handshake = 0; handshake < handshakesPerNode * nodes; handshake++) {
      const shown = await shownSerial({ host: ipAddress, servername: fqdn, port: server.spec.ingress.port, ca });
      if (shown !== serialNumber) return waiting('the ingress still shows the former certificate');
    }
    return conclude(rotating, 'certificate', vault, nodeSecrets.certificate, current.version, attempt);
  });
}

async function ensureVersion(
  rotating: Rotating,
  vault: Vault,
  address: Parameters<typeof issueVersion>[3],
  attempt: Parameters<Step['ensure']>[1],
): Promise<{ value: string; version: string }> {
  const newest = await vault.find(nodeSecrets.certificate);
  const { holder, deps } = rotating;
  if (newest !== undefined && isPending(newest, holder.operationId, rotationOf(rotating, 'certificate'))) return newest;
  await attempt.permit();
  return issueVersion(deps, holder.jumpServer, vault, address, madeBy(rotating));
}

/** Names of the nodes that do not use this version by their own word, and how many nodes there are. */
async function behind({ deps, server }: Rotating, version: string): Promise<{ nodes: number; late: string[] }> {
  const [recorded, reports] = await Promise.all([
    listNodes(deps.tables, server.name),
    listReports(deps.tables, server.name),
  ]);
  const up = fleetOf(server.spec, recorded, deps.now()).filter((node) => isUp(node));
  const names = up.map(({ number }) => nodeName(server.name, number));
  const loaded = new Set(
    reports
      .filter(({ report }) => report.secrets.certificate === version && report.haproxy.healthy)
      .map(({ node }) => node),
  );
  return { nodes: names.length, late: names.filter((name) => !loaded.has(name)) };
}

/** Serial number of the certificate that a new connection is shown. */
function shownSerial({ servername, ...place }: ConnectionOptions & { servername: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    // An address is no server name (RFC 6066, section 3).
    const socket = connect(servername === '' ? place : { ...place, servername }, () => {
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      resolve(serialNumber);
    });
    socket.setTimeout(10_000, () => socket.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })));
    socket.on('error', reject);
  });
}
