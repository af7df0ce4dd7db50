import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CryptoKey,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';

/** What `POST {control}/tokens` takes; the defaults make a good token. */
export interface TokenRequest {
  /** `aud`: `https://management.azure.com`, `https://vault.azure.net`, `https://storage.azure.com`, or an API's. */
  audience: string;
  /** Object id of the caller; a fresh one if left out. */
  oid?: string;
  /** App roles, e.g. `JumpServer.Admin`. */
  roles?: string[];
  /** Display name of the caller. */
  name?: string;
  /** Client id of the calling application or managed identity; the oid if left out. */
  appid?: string;
  /** ARM id of the managed identity's resource (`xms_mirid`). */
  resourceId?: string;
  /** Default 3,600; negative makes an expired token. */
  expiresInSeconds?: number;
  /** Overrides `iss`, to make a token from elsewhere. */
  issuer?: string;
  /** `other-key` signs with a key that the issuer does not publish, under the published key's id: a forged token. */
  signWith?: 'other-key';
}

/** Who a verified token speaks for. */
export interface Caller {
  oid: string;
  appid: string;
  roles: string[];
  /** `xms_mirid`, for managed identities. */
  resourceId?: string;
  claims: JWTPayload;
}

/** Why a token was refused; `code` is one of jose's (`ERR_JWT_EXPIRED`, …). The token itself is never in the message. */
export class TokenRejected extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface TokenService {
  jwks: JSONWebKeySet;
  mint(request: TokenRequest): Promise<string>;
  /**
   * Checks signature, issuer (both versions of ours), times and audience; a trailing slash of an audience does not matter.
   * Throws TokenRejected.
   */
  verify(token: string, audiences: string[]): Promise<Caller>;
}

/** First parties that still get v1 tokens from Entra ID; everything else gets v2 ones. */
const v1Resources = new Set([
  'https://management.azure.com',
  'https://management.core.windows.net',
  'https://vault.azure.net',
  'https://storage.azure.com',
]);

export const withoutSlash = (resource: string): string => resource.replace(/\/+$/, '');

/**
 * Opens the token service of a tenant: one RS256 key, kept in `<dir>/identity/signing-key.json`, so that tokens outlive a restart.
 * `issuer` is asked late, because the v2 issuer's address is known only when its server listens.
 */
export async function openTokenService(options: {
  dir: string;
  tenantId: string;
  issuer: () => string;
}): Promise<TokenService> {
  const { dir, tenantId, issuer } = options;
  const key = await openSigningKey(join(dir, 'identity'));
  const jwks: JSONWebKeySet = { keys: [key.publicJwk] };
  const keySet = createLocalJWKSet(jwks);
  const v1Issuer = `https://sts.windows.net/${tenantId}/`;
  let otherKey: CryptoKey | undefined;

  return {
    jwks,
    async mint(request) {
      const v1 = v1Resources.has(withoutSlash(request.audience));
      const now = Math.floor(Date.now() / 1000);
      const oid = request.oid ?? randomUUID();
      const lifetime = request.expiresInSeconds ?? 3600;
      const issuedAt = lifetime > 0 ? now : now + lifetime - 3600;
      if (request.signWith === 'other-key') otherKey ??= (await generateKeyPair('RS256')).privateKey;
      const claims = {
        oid,
        sub: oid,
        tid: tenantId,
        ver: v1 ? '1.0' : '2.0',
        [v1 ? 'appid' : 'azp']: request.appid ?? oid,
        ...(request.roles && { roles: request.roles }),
        ...(request.name && { name: request.name }),
        ...(request.resourceId && { xms_mirid: request.resourceId }),
      };
      return new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid })
        .setIssuer(request.issuer ?? (v1 ? v1Issuer : issuer()))
        .setAudience(request.audience)
        .setIssuedAt(issuedAt)
        .setNotBefore(issuedAt)
        .setExpirationTime(now + lifetime)
        .setJti(randomUUID())
        .sign(request.signWith === 'other-key' && otherKey ? otherKey : key.privateKey);
    },
    async verify(token, audiences) {
      const audience = audiences.flatMap((name) => [withoutSlash(name), `${withoutSlash(name)}/`]);
      const checks = { audience, issuer: [v1Issuer, issuer()], algorithms: ['RS256'], requiredClaims: ['oid', 'exp'] };
      const { payload } = await jwtVerify(token, keySet, checks).catch((error: Error & { code?: string }) => {
        throw new TokenRejected(error.code ?? 'ERR_JWT_INVALID', error.message);
      });
      const text = (claim: unknown) => (typeof claim === 'string' ? claim : undefined);
      return {
        oid: text(payload.oid) ?? '',
        appid: text(payload.appid) ?? text(payload.azp) ?? '',
        roles: Array.isArray(payload.roles) ? payload.roles.map(String) : [],
        resourceId: text(payload.xms_mirid),
        claims: payload,
      };
    },
  };
}

async function openSigningKey(dir: string): Promise<{ kid: string; privateKey: CryptoKey; publicJwk: JWK }> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'signing-key.json');
  const stored = await readFile(file, 'utf8').catch(() => undefined);
  const jwk: JWK = stored ? JSON.parse(stored) : await makeSigningKey();
  if (!stored) {
    await writeFile(`${file}.${process.pid}`, JSON.stringify(jwk), { mode: 0o600 });
    await rename(`${file}.${process.pid}`, file);
  }
  const { kty, n, e, kid } = jwk;
  const privateKey = await importJWK(jwk, 'RS256');
  if (!kid || privateKey instanceof Uint8Array)
    throw new Error(`${file} holds no RSA key; delete it to make a new one.`);
  return { kid, privateKey, publicJwk: { kty, n, e, kid, alg: 'RS256', use: 'sig' } };
}

async function makeSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID().replaceAll('-', '') };
}
