import { randomBytes } from 'node:crypto';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Context, DataPlane, DataPlanes } from '../contract.ts';
import { type Listener, listen } from './listen.ts';
import { appServiceEndpoint, imdsHandler } from './managedIdentity.ts';
import { oidcHandler } from './oidc.ts';
import { openPrincipals, type Principals } from './principals.ts';
import { readJson, sendJson } from './respond.ts';
import { type Caller, openTokenService, type TokenRequest } from './tokens.ts';

/** Entra ID and the managed-identity endpoints of the local Azure. */
export interface Identity {
  /** The values for `endpoints.json`. */
  issuer: string;
  identityEndpoint: string;
  identityHeader: string;
  principals: Principals;
  /** Data plane of `Microsoft.ManagedIdentity/userAssignedIdentities`: gives principalId, clientId and tenantId. */
  dataPlanes: DataPlanes;
  mint(request: TokenRequest): Promise<string>;
  /** Throws TokenRejected unless the token is ours, in time and for one of the audiences. */
  verify(token: string, audiences: string[]): Promise<Caller>;
  /** The instance metadata service of one VM, by its ARM id; the fabric listens on the guest's address. */
  imds(vmId: string): RequestListener;
  /** Answers `POST /tokens` and `PUT /app-identities` of the control server; false if the path is another's. */
  control(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  close(): Promise<void>;
}

export interface IdentityOptions {
  /** Address to listen on; default `<range>.0.1`. */
  host?: string;
  /** Preferred ports: kept across restarts of a state directory where they are free. */
  ports?: { issuer: number; appService: number };
}

/**
 * Starts the issuer (HTTPS) and the App Service managed-identity endpoint (HTTP), and opens keys and principals below
 * `<dir>/identity`. A system-assigned identity's principal is made by `principals.of(vmId)` and goes with its resource.
 */
export async function createIdentity(context: Context, options: IdentityOptions = {}): Promise<Identity> {
  const { tenantId, certificates } = context;
  const host = options.host ?? `${context.range}.0.1`;
  const ports = options.ports ?? { issuer: 8401, appService: 8402 };
  let issuer = '';
  const principals = openPrincipals(context.dir);
  const tokens = await openTokenService({ dir: context.dir, tenantId, issuer: () => issuer });
  const forgetDeleted = context.state.onChange((change) => {
    if (!change.after) principals.forget(change.id);
  });

  const { certPem, keyPem } = await certificates.issue([host]);
  const issuerServer = createHttpsServer({ cert: certPem, key: keyPem });
  const issuerListener = await listen(issuerServer, host, ports.issuer);
  const origin = `https://${host}:${issuerListener.port}`;
  issuer = `${origin}/${tenantId}/v2.0`;
  issuerServer.on('request', oidcHandler({ origin, tenantId, jwks: tokens.jwks }));

  // Whoever restarts a local Azure under a running host hands over the header that the host knows.
  const identityHeader = process.env.LOCAL_IDENTITY_HEADER ?? randomBytes(16).toString('hex');
  const appIdentities = new Set<string>();
  const app = appServiceEndpoint({ mint: tokens.mint, principals, identityHeader, assigned: () => [...appIdentities] });
  const appListener = await listen(createHttpServer(app), host, ports.appService);

  const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>> = {
    'POST /tokens': async (request, response) => {
      const body = await readJson<TokenRequest>(request);
      if (typeof body.audience !== 'string') return sendJson(response, 400, { error: "'audience' is missing." });
      sendJson(response, 200, { access_token: await tokens.mint(body) });
    },
    'PUT /app-identities': async (request, response) => {
      const { resourceIds } = await readJson<{ resourceIds?: string[] }>(request);
      if (!Array.isArray(resourceIds)) return sendJson(response, 400, { error: "'resourceIds' is missing." });
      appIdentities.clear();
      for (const id of resourceIds) appIdentities.add(id);
      sendJson(response, 200, { resourceIds });
    },
  };

  const listeners: Listener[] = [issuerListener, appListener];
  return {
    issuer,
    identityEndpoint: `http://${host}:${appListener.port}/msi/token`,
    identityHeader,
    principals,
    dataPlanes: { 'microsoft.managedidentity/userassignedidentities': userAssigned(principals, tenantId) },
    mint: tokens.mint,
    verify: tokens.verify,
    imds: (vmId) => imdsHandler({ context, mint: tokens.mint, principals, vmId }),
    async control(request, response) {
      const path = new URL(request.url ?? '/', 'http://control').pathname;
      const route = routes[`${request.method} ${path}`];
      if (!route) return false;
      await route(request, response).catch((error: Error) => sendJson(response, 400, { error: error.message }));
      return true;
    },
    async close() {
      forgetDeleted();
      await Promise.all(listeners.map((listener) => listener.close()));
      principals.close();
    },
  };
}

const userAssigned = (principals: Principals, tenantId: string): DataPlane => ({
  async apply(resource) {
    const { objectId, clientId } = principals.of(resource.id);
    return { principalId: objectId, clientId, tenantId };
  },
  async remove(resource) {
    principals.forget(resource.id);
  },
});
