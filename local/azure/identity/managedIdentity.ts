import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type Context, type Principal, sameId } from '../contract.ts';
import type { Principals } from './principals.ts';
import { answering, sendJson } from './respond.ts';
import type { TokenRequest } from './tokens.ts';

type Mint = (request: TokenRequest) => Promise<string>;

/** Managed identities get tokens for a day. */
const lifetimeSeconds = 24 * 3600;

const refuse = (response: ServerResponse, status: number, description: string, error = 'invalid_request'): void =>
  sendJson(response, status, { error, error_description: description });

/** The query, with names in lower case, as both endpoints take them. */
const queryOf = (request: IncomingMessage): { path: string; query: Map<string, string> } => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://identity');
  return { path: pathname, query: new Map([...searchParams].map(([name, value]) => [name.toLowerCase(), value])) };
};

async function tokenAnswer(mint: Mint, principal: Principal, resource: string) {
  const { objectId: oid, clientId: appid, resourceId } = principal;
  const access_token = await mint({ audience: resource, oid, appid, resourceId, expiresInSeconds: lifetimeSeconds });
  const expires_on = String(Math.floor(Date.now() / 1000) + lifetimeSeconds);
  return { access_token, expires_on, resource, token_type: 'Bearer', client_id: appid };
}

/** What a request says about which identity it means; undefined if it leaves that open. */
function asksFor(query: Map<string, string>, names: { clientId: string; objectId: string; resourceId: string }) {
  const clientId = query.get(names.clientId);
  const objectId = query.get(names.objectId);
  const resourceId = query.get(names.resourceId);
  if (!clientId && !objectId && !resourceId) return undefined;
  return (principal: Principal): boolean =>
    (clientId !== undefined && sameId(principal.clientId, clientId)) ||
    (objectId !== undefined && sameId(principal.objectId, objectId)) ||
    (resourceId !== undefined && sameId(principal.resourceId, resourceId));
}

/**
 * The endpoint behind IDENTITY_ENDPOINT in App Service and Functions, api-version 2019-08-01. `assigned` lists the ARM ids of the
 * app's user-assigned identities; there is no system-assigned one, so a request must choose.
 */
export function appServiceEndpoint(options: {
  mint: Mint;
  principals: Principals;
  identityHeader: string;
  assigned: () => string[];
}): RequestListener {
  const expected = Buffer.from(options.identityHeader);
  const trusted = (given: unknown): boolean => {
    const header = Buffer.from(typeof given === 'string' ? given : '');
    return header.length === expected.length && timingSafeEqual(header, expected);
  };
  return answering(async (request, response) => {
    const { path, query } = queryOf(request);
    if (path !== '/msi/token') return refuse(response, 404, `There is nothing at ${path}.`);
    if (request.method !== 'GET') return refuse(response, 405, 'Only GET is answered.');
    if (!trusted(request.headers['x-identity-header'])) {
      return refuse(response, 401, 'The header X-IDENTITY-HEADER is missing or wrong.', 'unauthorized_client');
    }
    if (query.get('api-version') !== '2019-08-01') return refuse(response, 400, 'api-version must be 2019-08-01.');
    const resource = query.get('resource');
    if (!resource) return refuse(response, 400, "The parameter 'resource' is missing.");
    const names = { clientId: 'client_id', objectId: 'principal_id', resourceId: 'mi_res_id' };
    const wanted = asksFor(query, names);
    if (!wanted) return refuse(response, 400, 'The app has no system-assigned identity: give a client_id.');
    const identities = options.assigned().flatMap((id) => options.principals.find(id) ?? []);
    const principal = identities.find(wanted);
    if (!principal) return refuse(response, 400, 'No managed identity with this id is assigned to the app.');
    sendJson(response, 200, await tokenAnswer(options.mint, principal, resource));
  });
}

/** The instance metadata service that one VM sees at 169.254.169.254. */
export function imdsHandler(options: {
  context: Context;
  mint: Mint;
  principals: Principals;
  vmId: string;
}): RequestListener {
  const routes: Record<string, (query: Map<string, string>, response: ServerResponse) => Promise<void>> = {
    '/metadata/identity/oauth2/token': (query, response) => imdsToken(options, query, response),
    '/metadata/instance': async (_query, response) => sendJson(response, 200, instance(options.context, options.vmId)),
  };
  return answering(async (request, response) => {
    const { path, query } = queryOf(request);
    const route = routes[path.replace(/\/$/, '')];
    if (!route) return refuse(response, 404, `There is nothing at ${path}.`, 'not_found');
    if (request.method !== 'GET') return refuse(response, 405, 'Only GET is answered.');
    // The header keeps a proxy or a redirect (SSRF) from reaching the service by accident; a forwarded request is refused for the same reason.
    if (request.headers.metadata?.toString().toLowerCase() !== 'true') {
      return refuse(response, 400, 'Required metadata header not specified');
    }
    if (request.headers['x-forwarded-for']) return refuse(response, 400, 'Requests with X-Forwarded-For are refused.');
    if (!query.get('api-version')) return refuse(response, 400, 'Required api-version parameter not specified');
    await route(query, response);
  });
}

async function imdsToken(
  options: { context: Context; mint: Mint; principals: Principals; vmId: string },
  query: Map<string, string>,
  response: ServerResponse,
): Promise<void> {
  const resource = query.get('resource');
  if (!resource) return refuse(response, 400, "Required query variable 'resource' is missing");
  const { system, userAssigned } = identitiesOf(options);
  const wanted = asksFor(query, { clientId: 'client_id', objectId: 'object_id', resourceId: 'msi_res_id' });
  // Without a choice a system-assigned identity wins; one user-assigned identity is taken; several are refused.
  const candidates = wanted ? [...system, ...userAssigned].filter(wanted) : system.length ? system : userAssigned;
  if (candidates.length > 1) {
    const advice = 'please specify the clientId / resourceId of the identity in the token request';
    return refuse(response, 400, `Multiple user assigned identities exist, ${advice}`);
  }
  const [principal] = candidates;
  if (!principal) return refuse(response, 400, 'Identity not found');
  const notBefore = String(Math.floor(Date.now() / 1000));
  const expires = {
    expires_in: String(lifetimeSeconds),
    ext_expires_in: String(lifetimeSeconds),
    not_before: notBefore,
  };
  sendJson(response, 200, { ...(await tokenAnswer(options.mint, principal, resource)), ...expires });
}

/** The identities that ARM shows on the VM right now. */
function identitiesOf(options: { context: Context; principals: Principals; vmId: string }): {
  system: Principal[];
  userAssigned: Principal[];
} {
  const identity = options.context.state.get(options.vmId)?.identity;
  const has = (kind: string) => identity?.type.toLowerCase().includes(kind) ?? false;
  const find = (id: string) => options.principals.find(id) ?? [];
  return {
    system: has('systemassigned') ? [find(options.vmId)].flat() : [],
    userAssigned: has('userassigned') ? Object.keys(identity?.userAssignedIdentities ?? {}).flatMap(find) : [],
  };
}

function instance(context: Context, vmId: string) {
  const vm = context.state.get(vmId);
  const [, , , , resourceGroupName] = vmId.split('/');
  const hardware = vm?.properties.hardwareProfile as { vmSize?: string } | undefined;
  return {
    compute: {
      azEnvironment: 'AzurePublicCloud',
      location: vm?.location ?? context.location,
      name: vm?.name ?? vmId.split('/').at(-1),
      osType: 'Linux',
      resourceGroupName,
      resourceId: vm?.id ?? vmId,
      subscriptionId: context.subscriptionId,
      tagsList: Object.entries(vm?.tags ?? {}).map(([name, value]) => ({ name, value })),
      vmId: vm?.properties.vmId,
      vmSize: hardware?.vmSize,
    },
  };
}
