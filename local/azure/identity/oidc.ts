import type { RequestListener } from 'node:http';
import type { JSONWebKeySet } from 'jose';
import { sendJson } from './respond.ts';

/** Discovery documents (v1 and v2) and key set of a tenant, below the paths that login.microsoftonline.com has them at. */
export function oidcHandler(options: { origin: string; tenantId: string; jwks: JSONWebKeySet }): RequestListener {
  const { origin, tenantId, jwks } = options;
  const tenant = `${origin}/${tenantId}`;
  const discovery = (issuer: string, version: string) => ({
    issuer,
    jwks_uri: `${tenant}/discovery${version}/keys`,
    authorization_endpoint: `${tenant}/oauth2${version}/authorize`,
    token_endpoint: `${tenant}/oauth2${version}/token`,
    response_types_supported: ['code', 'id_token', 'token'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
  });
  const documents: Record<string, unknown> = {
    '/.well-known/openid-configuration': discovery(`https://sts.windows.net/${tenantId}/`, ''),
    '/v2.0/.well-known/openid-configuration': discovery(`${tenant}/v2.0`, '/v2.0'),
    '/discovery/keys': jwks,
    '/discovery/v2.0/keys': jwks,
  };
  return (request, response) => {
    const { pathname } = new URL(request.url ?? '/', origin);
    const document = pathname.startsWith(`/${tenantId}/`) ? documents[pathname.slice(tenantId.length + 1)] : undefined;
    if (document) return sendJson(response, 200, document, { 'cache-control': 'max-age=86400' });
    sendJson(response, 404, { error: 'not_found', error_description: `There is nothing at ${pathname}.` });
  };
}
