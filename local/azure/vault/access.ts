import type { IncomingMessage } from 'node:http';
import type { Context } from '../contract.ts';
import type { Identity } from '../identity/identity.ts';
import { type Caller, TokenRejected } from '../identity/tokens.ts';
import { VaultError } from './failure.ts';
import type { VaultRow } from './store.ts';

const audience = 'https://vault.azure.net';

/** Key Vault's own codes for what may be wrong with a token; the codes are documented, the texts shortened. */
const tokenProblems: Record<string, string> = {
  ERR_JWT_EXPIRED: 'AKV10014: Token has expired.',
  ERR_JWKS_NO_MATCHING_KEY: 'AKV10046: Unable to resolve the key used for signature validation.',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'AKV10046: Unable to resolve the key used for signature validation.',
};

/** The header that tells a client which tenant and resource to get a token for. */
export const challenge = (tenantId: string): Record<string, string> => ({
  'www-authenticate': `Bearer authorization="https://login.microsoftonline.com/${tenantId}", resource="${audience}"`,
});

const unauthorized = (message: string): VaultError => new VaultError(401, 'Unauthorized', message);

/** Throws a VaultError 401 unless the request carries a good token for Key Vault. */
export async function authenticate(identity: Pick<Identity, 'verify'>, request: IncomingMessage): Promise<Caller> {
  const [, token] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (!token) throw unauthorized('AKV10000: Request is missing a Bearer or PoP token.');
  try {
    return await identity.verify(token, [audience]);
  } catch (error) {
    if (!(error instanceof TokenRejected)) throw error;
    throw unauthorized(tokenProblems[error.code] ?? `AKV10022: Invalid token: ${error.message}.`);
  }
}

/** Throws a VaultError 403 unless the vault uses RBAC and grants the caller the data action on the secret (or the vault). */
export function authorize(context: Context, vault: VaultRow, caller: Caller, action: string, secret?: string): void {
  const resource = context.state.get(vault.resourceId);
  const properties = resource?.properties ?? {};
  if (properties.publicNetworkAccess === 'Disabled') {
    const message =
      'Public network access is disabled and request is not from a trusted service nor via an approved private link.';
    throw new VaultError(403, 'Forbidden', message, 'ForbiddenByConnection');
  }
  const dataAction = `Microsoft.KeyVault/vaults/secrets/${action}`;
  const scope = secret ? `${vault.resourceId}/secrets/${secret}` : vault.resourceId;
  const rbac = properties.enableRbacAuthorization !== false;
  if (rbac && context.rbac.allowed(caller.oid, dataAction, scope, 'dataAction')) return;
  const message = [
    'Caller is not authorized to perform action on resource.',
    'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
    `Caller: appid=${caller.appid};oid=${caller.oid};iss=${caller.claims.iss}`,
    `Action: '${dataAction}'`,
    `Resource: '${scope}'`,
    'Assignment: (not found)',
    `Vault: ${vault.name};location=${resource?.location ?? context.location}`,
  ].join('\r\n');
  throw new VaultError(403, 'Forbidden', message, rbac ? 'ForbiddenByRbac' : 'ForbiddenByPolicy');
}
