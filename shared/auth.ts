import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { ApiError } from './errors.ts';

/** App roles of the control plane's app registration, from most to least. Each includes those after it. */
export const roles = ['JumpServer.Admin', 'Connection.Admin', 'Reader'] as const;
export type Role = (typeof roles)[number];

/** Who calls, as the access token says. */
export interface Caller {
  /** Object id in Entra ID of the user, service principal or managed identity. */
  objectId: string;
  /** For people who read the audit; the object id where the token has no name. */
  name: string;
  roles: readonly Role[];
}

/**
 * Whoever holds the key of a function: the host has checked it, and does not say which of the function's keys it was. No object id of
 * Entra ID looks like this.
 */
export function keyHolder(functionName: string): Caller {
  const name = `portal:${functionName}`;
  return { objectId: name, name, roles: [] };
}

/** Who asks for what schedule, healing and rotation find due. */
export const controlPlane: Caller = { objectId: 'molcajete', name: 'Molcajete', roles: [] };

/** Verifies the `Authorization` header of a request; ApiError 401 when it does not hold. */
export type Authenticate = (authorization: string | null) => Promise<Caller>;

/** Does this caller have the role, directly or by a higher one? */
export function hasRole(caller: Caller, least: Role): boolean {
  return caller.roles.some((role) => roles.indexOf(role) <= roles.indexOf(least));
}

const challenge = { headers: { 'WWW-Authenticate': 'Bearer' } };
const unauthenticated = (message: string): ApiError => new ApiError(401, 'Unauthenticated', message, challenge);

const reasons: Record<string, string> = {
  ERR_JWT_EXPIRED: 'The access token has expired. Get a new one.',
  ERR_JWT_CLAIM_VALIDATION_FAILED:
    'The access token was issued by another tenant, for another audience, or is not valid yet.',
};

/** One answer of the issuer takes well under a second. */
const issuerMilliseconds = 5_000;

/** The issuer's keys cannot be had. jose says so with these; a fetch that failed is no error of jose at all. */
const outages = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC']);

/** Not the caller's fault, so no 401: whoever gets one drops a token that may be good. */
const issuerUnavailable = (): ApiError =>
  new ApiError(
    503,
    'IssuerUnavailable',
    'The token issuer does not answer at the moment. Try again in a few seconds.',
    {
      headers: { 'Retry-After': '5' },
    },
  );

/**
 * Access tokens of Entra ID: signature by the issuer's published keys, issuer, audience and times.
 * @param issuer as in the tokens, e.g. `https://login.microsoftonline.com/{tenant}/v2.0`; its discovery document is below it
 *   (OpenID Connect Discovery 1.0, section 4).
 */
export function createAuthenticate(
  issuer: string,
  audience: string[],
  milliseconds = issuerMilliseconds,
): Authenticate {
  let keys: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined;
  const discover = async () => {
    const signal = AbortSignal.timeout(milliseconds);
    const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { signal });
    if (!answer.ok) throw new Error(`The token issuer ${issuer} answered ${answer.status} to its discovery document.`);
    const { jwks_uri } = (await answer.json()) as { jwks_uri: string };
    return createRemoteJWKSet(new URL(jwks_uri), { timeoutDuration: milliseconds });
  };
  const issuerKeys = () => {
    keys ??= discover().catch(() => {
      keys = undefined;
      throw issuerUnavailable();
    });
    return keys;
  };
  return async (authorization) => {
    const token = /^Bearer ([^\s]+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw unauthenticated('Send an access token: Authorization: Bearer <token>.');
    const keySet = await issuerKeys();
    try {
      const { payload } = await jwtVerify(token, keySet, {
        issuer,
        audience,
        algorithms: ['RS256'],
        clockTolerance: 60,
      });
      return callerOf(payload);
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (!(error instanceof errors.JOSEError) || outages.has(error.code)) throw issuerUnavailable();
      throw unauthenticated(reasons[error.code] ?? 'The access token is not valid.');
    }
  };
}

function callerOf(payload: JWTPayload): Caller {
  const objectId = typeof payload.oid === 'string' ? payload.oid : undefined;
  if (objectId === undefined) throw unauthenticated('The access token names no object id (oid).');
  const granted = Array.isArray(payload.roles) ? payload.roles : [];
  const name = [payload.preferred_username, payload.name, payload.app_displayname].find((n) => typeof n === 'string');
  return {
    objectId,
    name: typeof name === 'string' ? name : objectId,
    roles: roles.filter((role) => granted.includes(role)),
  };
}
