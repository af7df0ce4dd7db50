import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Context } from '../contract.ts';
import type { Identity } from '../identity/identity.ts';
import { answering, readJson, sendJson } from '../identity/respond.ts';
import { authenticate, authorize, challenge } from './access.ts';
import { badParameter, secretConflict, secretNotFound, VaultError } from './failure.ts';
import type { Secrets, SecretVersion } from './secrets.ts';
import type { VaultRow } from './store.ts';
import { deletedSecret, type Item, listed, parseFields, parseValue, secretItem } from './wire.ts';

interface Request {
  context: Context;
  vault: VaultRow;
  /** `https://127.7.16.1:443/`. */
  uri: string;
  secrets: Secrets;
  name: string;
  version: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

type Answer = { status?: number; body?: unknown };

interface Route {
  method: string;
  path: RegExp;
  /** The last part of `Microsoft.KeyVault/vaults/secrets/…`. */
  action: string;
  handle(request: Request): Answer;
}

const secretName = '(?<name>[0-9a-zA-Z-]{1,127})';
const versionId = '(?<version>[0-9a-f]{32})';
const path = (pattern: string): RegExp => new RegExp(`^/${pattern}/?$`, 'i');

/** The data actions are those of Azure's built-in roles (Key Vault Secrets User, Secrets Officer). */
const routes: Route[] = [
  { method: 'PUT', path: path(`secrets/${secretName}`), action: 'setSecret/action', handle: put },
  { method: 'GET', path: path('secrets'), action: 'readMetadata/action', handle: (request) => list(request, false) },
  { method: 'GET', path: path(`secrets/${secretName}`), action: 'getSecret/action', handle: get },
  { method: 'GET', path: path(`secrets/${secretName}/versions`), action: 'readMetadata/action', handle: listVersions },
  { method: 'GET', path: path(`secrets/${secretName}/${versionId}`), action: 'getSecret/action', handle: get },
  { method: 'PATCH', path: path(`secrets/${secretName}(/${versionId})?`), action: 'update/action', handle: patch },
  { method: 'DELETE', path: path(`secrets/${secretName}`), action: 'delete', handle: remove },
  {
    method: 'GET',
    path: path('deletedsecrets'),
    action: 'readMetadata/action',
    handle: (request) => list(request, true),
  },
  { method: 'GET', path: path(`deletedsecrets/${secretName}`), action: 'readMetadata/action', handle: getDeleted },
  { method: 'POST', path: path(`deletedsecrets/${secretName}/recover`), action: 'recover/action', handle: recover },
  { method: 'DELETE', path: path(`deletedsecrets/${secretName}`), action: 'purge/action', handle: purge },
];

/** Serves one vault: a token first (401 with the challenge), then the role (403), then the secret. */
export function vaultHandler(options: {
  context: Context;
  identity: Pick<Identity, 'verify'>;
  vault: VaultRow;
  uri: string;
  secrets: Secrets;
}): RequestListener {
  const { context, identity, vault } = options;
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const caller = await authenticate(identity, request);
    const { pathname, searchParams: query } = new URL(request.url ?? '/', options.uri);
    if (!query.get('api-version')) throw badParameter('The api-version query parameter is required.');
    const { route, name, version } = match(request.method ?? 'GET', pathname);
    authorize(context, vault, caller, route.action, name || undefined);
    const body = await readJson<Record<string, unknown>>(request).catch((error: Error) => {
      throw badParameter(error.message);
    });
    return route.handle({ ...options, name, version, query, body });
  };
  return answering(async (request, response) => {
    const { status, body, headers } = await answer(request)
      .then((good) => ({ status: good.status ?? 200, body: good.body, headers: {} }))
      .catch((error: unknown) => {
        if (!(error instanceof VaultError)) throw error;
        return {
          status: error.status,
          body: error.body(),
          headers: error.status === 401 ? challenge(context.tenantId) : {},
        };
      });
    send(response, status, body, { ...headers, 'x-ms-keyvault-region': context.location, 'cache-control': 'no-cache' });
  });
}

const send = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string>): void =>
  status === 204 ? void response.writeHead(status, headers).end() : sendJson(response, status, body, headers);

function match(method: string, pathname: string): { route: Route; name: string; version: string } {
  let wrongMethod = false;
  for (const route of routes) {
    const found = route.path.exec(pathname);
    if (found && route.method === method) {
      return { route, name: found.groups?.name ?? '', version: found.groups?.version?.toLowerCase() ?? '' };
    }
    wrongMethod ||= found !== null;
  }
  if (wrongMethod) throw new VaultError(405, 'MethodNotAllowed', `${method} is not supported at ${pathname}.`);
  throw badParameter(`There is no resource at ${pathname}.`);
}

const answerWith = (secret: SecretVersion, { uri }: Request): Answer => ({
  body: { ...secretItem(uri, secret, 'version'), value: secret.value },
});

/** A name in transition, or deleted, cannot be changed. */
function refuseUnlessLive({ secrets, name }: Request): void {
  const status = secrets.status(name);
  if (!status) return;
  if (status.settling) throw secretConflict(name, status.deleted ? 'ObjectIsBeingDeleted' : 'ObjectIsBeingRecovered');
  if (status.deleted) throw secretConflict(name, 'ObjectIsDeletedButRecoverable');
}

function findLive({ secrets, name, version }: Request): SecretVersion {
  const secret = secrets.status(name)?.deleted ? undefined : secrets.get(name, version);
  if (!secret) throw secretNotFound(version ? `${name}/${version}` : name);
  return secret;
}

function put(request: Request): Answer {
  refuseUnlessLive(request);
  const value = parseValue(request.body);
  return answerWith(request.secrets.put(request.name, value, parseFields(request.body)), request);
}

function get(request: Request): Answer {
  const secret = findLive(request);
  if (!secret.enabled) {
    throw new VaultError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled');
  }
  return answerWith(secret, request);
}

function patch(request: Request): Answer {
  refuseUnlessLive(request);
  const { secrets, uri } = request;
  const { name, version } = findLive(request);
  secrets.change(name, version, parseFields(request.body));
  return { body: secretItem(uri, findLive({ ...request, version }), 'version') };
}

function remove(request: Request): Answer {
  refuseUnlessLive(request);
  const secret = findLive({ ...request, version: '' });
  request.secrets.remove(secret.name);
  return { body: deletedSecret(request.uri, secret, request.secrets.status(secret.name)) };
}

/** The deleted secret; 404 while its deletion or recovery is under way, which is what clients poll for. */
function findDeleted({ secrets, name }: Request): SecretVersion {
  const status = secrets.status(name);
  const secret = status?.deleted && !status.settling ? secrets.get(name) : undefined;
  if (!secret) throw secretNotFound(name);
  return secret;
}

function getDeleted(request: Request): Answer {
  const secret = findDeleted(request);
  return { body: deletedSecret(request.uri, secret, request.secrets.status(secret.name)) };
}

function recover(request: Request): Answer {
  const { name } = findDeleted(request);
  request.secrets.recover(name);
  return { body: secretItem(request.uri, findLive({ ...request, version: '' }), 'version') };
}

function purge(request: Request): Answer {
  request.secrets.purge(findDeleted(request).name);
  return { status: 204 };
}

function list(request: Request, deleted: boolean): Answer {
  const { uri, secrets } = request;
  const toItem = (secret: SecretVersion): Item =>
    deleted ? deletedSecret(uri, secret, secrets.status(secret.name)) : secretItem(uri, secret, 'name');
  const page = (after: string, limit: number) => secrets.list({ deleted, after, limit });
  return { body: listed(request, deleted ? 'deletedsecrets' : 'secrets', page, (secret) => secret.name, toItem) };
}

function listVersions(request: Request): Answer {
  const { uri, secrets } = request;
  const { name } = findLive({ ...request, version: '' });
  const page = (after: string, limit: number) => secrets.versions(name, { after, limit });
  const toItem = (secret: SecretVersion): Item => secretItem(uri, secret, 'version');
  return { body: listed(request, `secrets/${name}/versions`, page, (secret) => secret.version, toItem) };
}
