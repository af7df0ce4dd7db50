import { request } from 'node:https';
import { afterError, nextLookSeconds } from '../azure/armStep.ts';
import { balancerHealth } from '../azure/balancerHealth.ts';
import { type Attempt, type Outcome, type Step, Stopped } from '../azure/engine.ts';
import { nodeKey } from '../azure/names.ts';
import type { Outputs } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import { ensureAdministrator } from '../guacamole/administrator.ts';
import { webPath } from '../node/haproxy.ts';
import { controlSecrets, type Login, nodeSecrets } from '../secrets/vaults.ts';
import type { JumpServerSpec } from '../spec.ts';
import { certificateChain, ensureAuthority, serverName } from './certificate.ts';

/** The last proof: the balancer sees these nodes healthy, and guacadmin logs in at the public address. */
export function ingressStep(deps: Deps, jumpServer: string, spec: JumpServerSpec, nodes: readonly number[]): Step {
  let looks = 0;
  let errors = 0;
  return {
    key: 'ingress',
    type: 'Molcajete/ingress',
    id: '',
    dependsOn: ['loadBalancer', 'publicIpAddress', 'vault', ...nodes.map((number) => nodeKey(number, 'health'))],
    async ensure(outputs, attempt): Promise<Outcome> {
      const { ipAddress = '', fqdn = '' } = outputs.publicIpAddress ?? {};
      let seen: Set<string>;
      try {
        seen = await balancerHealth(deps, jumpServer, spec);
      } catch (error) {
        return afterError(error, ++errors);
      }
      const addresses = nodes.map((number) => outputs[nodeKey(number, 'networkInterface')]?.privateIPAddress);
      const up = addresses.filter((address) => address !== undefined && seen.has(address)).length;
      if (up < nodes.length)
        return waiting(`the load balancer sees ${up} of ${nodes.length} nodes healthy`, nextLookSeconds(looks++));
      let unproven: string | undefined;
      try {
        const status = await logIn(deps, jumpServer, outputs, spec.ingress);
        if (status === refused) await setGuacadmin(deps, jumpServer, attempt);
        if (status !== 200) return waiting(`a login at the ingress is answered with ${status}`);
      } catch (error) {
        if (error instanceof Stopped) throw error;
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'no code';
        unproven = endedCertificate(code, outputs, deps.now());
        if (unproven === undefined) return waiting(`the ingress does not answer yet (${code})`);
      }
      const { port } = spec.ingress;
      const host = serverName(spec.ingress, outputs.publicIpAddress) || ipAddress;
      return {
        state: 'ready',
        output: { ipAddress, fqdn, url: `https://${host}${port === 443 ? '' : `:${port}`}${webPath}` },
        ...(unproven === undefined ? {} : { detail: unproven }),
      };
    },
  };
}

/** Whether it is the certificate in force that has ended: then no login can be proven, and to wait for one helps nobody. */
function endedCertificate(code: string, { certificate: { notAfter } = {} }: Outputs, now: Date): string | undefined {
  if (code !== 'CERT_HAS_EXPIRED' || notAfter === undefined || new Date(notAfter) > now) return undefined;
  return `no login was tried, for the certificate has ended (${notAfter}): renew it`;
}

/** Guacamole's answer to a wrong password. */
const refused = 403;

/** A rotation that was cut off has left a password in the vault that Guacamole does not know yet: the vault is right. */
async function setGuacadmin(deps: Deps, jumpServer: string, attempt: Attempt): Promise<void> {
  const guacamole = await deps.guacamole(jumpServer);
  const stored = await deps.vaults.control.find(controlSecrets.guacadmin(jumpServer));
  if (stored === undefined) return;
  await attempt.permit();
  await ensureAdministrator(guacamole, JSON.parse(stored.value) as Login);
}

const waiting = (detail: string, lookAgainSeconds = 1): Outcome => ({ state: 'pending', detail, lookAgainSeconds });

/**
 * Logs guacadmin in at the public address by Guacamole's own REST API (guacamole-contract.md), and gives the token back at once. Returns the
 * HTTP status of Guacamole's answer. Throws the error of the socket or of TLS with its `code`; `ETIMEDOUT` after 10 s.
 */
export async function logIn(
  deps: Deps,
  jumpServer: string,
  outputs: Outputs,
  ingress: JumpServerSpec['ingress'],
): Promise<number> {
  const { control } = deps.vaults;
  const { port } = ingress;
  // By its address: the DNS record of a name of the user's may not be there yet.
  const host = outputs.publicIpAddress?.ipAddress ?? '';
  const servername = serverName(ingress, outputs.publicIpAddress);
  const [stored, authority] = await Promise.all([
    control.find(controlSecrets.guacadmin(jumpServer)),
    ensureAuthority(control),
  ]);
  if (stored === undefined) throw new Error(`There is no secret ${controlSecrets.guacadmin(jumpServer)}.`);
  const { username, password } = JSON.parse(stored.value) as Login;
  const ca = await trusted(deps, outputs.vault?.vaultUri ?? '', authority.certificate);
  // An address is no server name (RFC 6066, section 3); without one the certificate is checked against the host.
  const identity = servername === '' ? {} : { servername };
  const send = (method: string, path: string, body: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': Buffer.byteLength(body),
      };
      const call = request(
        { host, port, ...identity, ca, method, path, headers, timeout: 10_000, agent: false },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
          answer.on('error', reject);
        },
      );
      call.on('timeout', () => call.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })));
      call.on('error', reject);
      call.end(body);
    });
  const login = await send('POST', `${webPath}api/tokens`, new URLSearchParams({ username, password }).toString());
  if (login.status === 200)
    await send('DELETE', `${webPath}api/tokens/${(JSON.parse(login.text) as { authToken: string }).authToken}`, '');
  return login.status;
}

/** Our own authority, and the chain of a certificate that the user brought. */
async function trusted(deps: Deps, vaultUri: string, authority: string): Promise<string[]> {
  const certificate = await deps.vaults.at(vaultUri).find(nodeSecrets.certificate);
  return [authority, ...certificateChain(certificate?.value ?? '')];
}
