import { request } from 'node:https';
import { balancerHealth } from '../azure/balancerHealth.ts';
import type { Outcome, Step } from '../azure/engine.ts';
import type { Deps } from '../deps.ts';
import { webPath } from '../node/haproxy.ts';
import { controlSecrets, type Login, nodeSecrets } from '../secrets/vaults.ts';
import type { JumpServerSpec } from '../spec.ts';
import { ensureAuthority } from './certificate.ts';

/** The last proof: the balancer sees these nodes healthy, and guacadmin logs in at the public address. */
export function ingressStep(deps: Deps, jumpServer: string, spec: JumpServerSpec, nodes: readonly number[]): Step {
  return {
    key: 'ingress',
    type: 'Molcajete/ingress',
    id: '',
    dependsOn: ['loadBalancer', 'publicIpAddress', 'vault', ...nodes.map((number) => `node-${number}/health`)],
    async ensure(outputs): Promise<Outcome> {
      const { ipAddress = '', fqdn = '' } = outputs.publicIpAddress ?? {};
      const { port } = spec.ingress;
      try {
        const addresses = nodes.map((number) => outputs[`node-${number}/networkInterface`]?.privateIPAddress);
        const seen = await balancerHealth(deps, jumpServer, spec);
        const up = addresses.filter((address) => address !== undefined && seen.has(address)).length;
        if (up < nodes.length) return waiting(`the load balancer sees ${up} of ${nodes.length} nodes healthy`);
        const status = await logIn(deps, jumpServer, outputs.vault?.vaultUri ?? '', ipAddress, fqdn, port);
        if (status !== 200) return waiting(`a login at the ingress is answered with ${status}`);
      } catch (error) {
        return waiting(
          `the ingress does not answer yet (${error instanceof Error && 'code' in error ? String(error.code) : 'no code'})`,
        );
      }
      const host = fqdn || ipAddress;
      return {
        state: 'ready',
        output: { ipAddress, fqdn, url: `https://${host}${port === 443 ? '' : `:${port}`}${webPath}` },
      };
    },
  };
}

const waiting = (detail: string): Outcome => ({ state: 'pending', detail, lookAgainSeconds: 1 });

/** Guacamole's own REST API answers 200 with a token (guacamole-contract.md); the token is given back at once. */
async function logIn(
  deps: Deps,
  jumpServer: string,
  vaultUri: string,
  address: string,
  servername: string,
  port: number,
): Promise<number> {
  const { control } = deps.vaults;
  const [stored, authority] = await Promise.all([
    control.find(controlSecrets.guacadmin(jumpServer)),
    ensureAuthority(control),
  ]);
  if (stored === undefined) throw new Error(`There is no secret ${controlSecrets.guacadmin(jumpServer)}.`);
  const { username, password } = JSON.parse(stored.value) as Login;
  const ca = await trusted(deps, vaultUri, authority.certificate);
  // An address is no server name (RFC 6066, section 3); without one the certificate is checked against the host.
  const identity = servername === '' ? {} : { servername };
  const send = (method: string, path: string, body: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': Buffer.byteLength(body),
      };
      const call = request(
        { host: address, port, ...identity, ca, method, path, headers, timeout: 10_000, agent: false },
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
  const chain = certificate?.value.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return [authority, ...chain.slice(1)];
}
