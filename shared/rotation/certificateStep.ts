import { type ConnectionOptions, connect } from 'node:tls';
import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { nodeName } from '../azure/names.ts';
import { describeCertificate } from '../certificates.ts';
import type { Failure } from '../errors.ts';
import { fleetOf, isUp } from '../scaling/fleet.ts';
import { nodeSecrets, type Vault } from '../secrets/vaults.ts';
import {
  type CertificatePlace,
  certificateChain,
  certificateOutput,
  nextVersion,
  serverName,
} from '../steps/certificate.ts';
import { listNodes } from '../store/nodes.ts';
import { listReports } from '../store/reports.ts';
import { abandonRotation } from '../store/rotations.ts';
import {
  briefStep,
  conclude,
  currentOutputs,
  isPending,
  madeBy,
  type Rotating,
  rotationOf,
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
  return briefStep(rotating, 'certificate', dependsOn, async (_outputs, attempt) => {
    const outputs = await currentOutputs(rotating);
    const vault = deps.vaults.at(outputs.vault?.vaultUri ?? '');
    const current = await ensureVersion(rotating, vault, outputs.publicIpAddress, attempt);
    if ('failure' in current) return giveUp(rotating, current.failure, attempt);
    await tellDependants(rotating, 'certificate', certificateOutput(server.name, current), attempt);
    const { nodes, late } = await behind(rotating, current.version);
    if (late.length > 0) return waiting(`waits for ${late.join(', ')} to load it`);
    const host = outputs.publicIpAddress?.ipAddress ?? '';
    const servername = serverName(server.spec.ingress, outputs.publicIpAddress);
    const { serialNumber } = describeCertificate(current.value);
    const ca = certificateChain(current.value);
    for (let handshake = 0; handshake < handshakesPerNode * nodes; handshake++) {
      const shown = await shownSerial({ host, servername, port: server.spec.ingress.port, ca });
      if (shown !== serialNumber) return waiting('the ingress still shows the former certificate');
    }
    return conclude(rotating, 'certificate', vault, nodeSecrets.certificate, current.version, attempt);
  });
}

async function ensureVersion(
  rotating: Rotating,
  vault: Vault,
  address: CertificatePlace['address'],
  attempt: Attempt,
): ReturnType<typeof nextVersion> {
  const newest = await vault.find(nodeSecrets.certificate);
  const { deps, server } = rotating;
  if (newest !== undefined && isPending(newest, rotationOf(rotating, 'certificate'))) return newest;
  const place = { jumpServer: server.name, ingress: server.spec.ingress, vault, address };
  return nextVersion(deps, place, newest, attempt, madeBy(rotating, 'certificate'));
}

/** What is wrong with a brought certificate is not mended by trying again: its source is looked at for that (`lookAtSource`). */
async function giveUp({ deps, server }: Rotating, failure: Failure, attempt: Attempt): Promise<Outcome> {
  await attempt.permit();
  await abandonRotation(deps.tables, server.name, 'certificate');
  return { state: 'failed', failure };
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
