import { createHash } from 'node:crypto';
import type { ArmEnv } from './env.ts';
import { groupId } from './ids.ts';
import type { ArmAnswer } from './kind.ts';
import type { Operation } from './operations.ts';

/** How each provider shows its long-running operations. */
interface Style {
  statusPath(operation: Operation, env: ArmEnv): string | undefined;
  resultPath(operation: Operation, env: ArmEnv): string;
  accepted: { PUT: [created: number, updated: number]; PATCH: number; DELETE: number; POST: number };
  /** Are both URLs given for this method? PUT and PATCH of network and compute have the status URL alone. */
  both(method: string): boolean;
  /** Members of a status body beside `status` and `error`. */
  status(operation: Operation): Record<string, unknown>;
  headers?: Record<string, string>;
  /** Seconds in Azure between polls; the network provider does not say. */
  retryAfter?: number;
  /** A PUT or PATCH answers with this instead of the resource. */
  putBody?(operation: Operation): Record<string, unknown>;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const subscription = (operation: Operation): string => operation.resourceId.split('/').slice(0, 3).join('/');
const provider = (operation: Operation, namespace: string): string =>
  `${subscription(operation)}/providers/${namespace}/locations/${operation.location}`;

const network: Style = {
  statusPath: (o) => `${provider(o, 'Microsoft.Network')}/operations/${o.id}`,
  resultPath: (o) => `${provider(o, 'Microsoft.Network')}/operationResults/${o.id}`,
  accepted: { PUT: [201, 200], PATCH: 200, DELETE: 202, POST: 202 },
  both: (method) => method === 'DELETE' || method === 'POST',
  status: () => ({}),
  headers: { 'azure-asyncnotification': 'Enabled' },
};

const compute: Style = {
  statusPath: (o) => `${provider(o, 'Microsoft.Compute')}/operations/${o.id}`,
  resultPath: (o) => `${provider(o, 'Microsoft.Compute')}/operations/${o.id}?monitor=true`,
  accepted: { PUT: [201, 200], PATCH: 200, DELETE: 202, POST: 202 },
  both: (method) => method === 'DELETE' || method === 'POST',
  status: (o) => ({
    startTime: iso(o.start),
    ...(o.end === undefined ? {} : { endTime: iso(o.end) }),
    ...(o.result === undefined ? {} : { properties: { output: o.result } }),
    name: o.id,
  }),
  retryAfter: 10,
};

const styles: Record<Exclude<Operation['style'], 'sync'>, Style> = {
  network,
  compute,
  computeDisk: { ...compute, accepted: { PUT: [202, 202], PATCH: 202, DELETE: 202, POST: 202 }, both: () => true },
  mysql: {
    statusPath: (o) => `${provider(o, 'Microsoft.DBforMySQL')}/azureAsyncOperation/${o.id}`,
    resultPath: (o) => `${provider(o, 'Microsoft.DBforMySQL')}/operationResults/${o.id}`,
    accepted: { PUT: [202, 202], PATCH: 202, DELETE: 202, POST: 202 },
    both: () => true,
    status: (o) => ({ name: o.id, startTime: iso(o.start) }),
    retryAfter: 15,
    putBody: (o) => ({ operation: mysqlOperation(o), startTime: iso(o.start) }),
  },
  dns: {
    statusPath: (o) => `${groupId(o.resourceId)}/providers/Microsoft.Network/privateDnsOperationStatuses/${o.id}`,
    resultPath: (o) => `${groupId(o.resourceId)}/providers/Microsoft.Network/privateDnsOperationResults/${o.id}`,
    accepted: { PUT: [202, 202], PATCH: 202, DELETE: 202, POST: 202 },
    both: () => true,
    status: () => ({}),
    retryAfter: 30,
    putBody: () => ({}),
  },
  keyVault: {
    statusPath: () => undefined,
    resultPath: (o) => `${provider(o, 'Microsoft.KeyVault')}/operationResults/${o.id}`,
    accepted: { PUT: [200, 200], PATCH: 200, DELETE: 200, POST: 202 },
    // A vault's PUT is followed by its own provisioningState: no URL at all.
    both: (method) => method === 'POST',
    status: () => ({}),
    retryAfter: 10,
  },
  group: {
    statusPath: () => undefined,
    resultPath: (o) => `${subscription(o)}/operationresults/${o.id}`,
    accepted: { PUT: [201, 200], PATCH: 200, DELETE: 202, POST: 202 },
    both: () => true,
    status: () => ({}),
    retryAfter: 15,
  },
};

const mysqlOperation = (o: Operation): string => {
  const verb = o.action ?? (o.kind === 'delete' ? 'Drop' : 'Upsert');
  const word = verb.charAt(0).toUpperCase() + verb.slice(1);
  return `${word}ServerManagementOperation`;
};

/** The answer that accepts an operation; `shown` is the resource as it is now. */
export function acceptedAnswer(operation: Operation, shown: unknown, origin: string, env: ArmEnv): ArmAnswer {
  if (operation.style === 'sync') return { status: 200, body: shown };
  const style = styles[operation.style];
  const method = operation.method as 'PUT' | 'PATCH' | 'DELETE' | 'POST';
  const status = method === 'PUT' ? style.accepted.PUT[operation.existed ? 1 : 0] : style.accepted[method];
  const headers: Record<string, string> = { ...style.headers };
  const statusPath = style.statusPath(operation, env);
  if (statusPath !== undefined) headers['azure-asyncoperation'] = operationUrl(statusPath, operation, origin, env);
  if (style.both(method)) headers.location = operationUrl(style.resultPath(operation, env), operation, origin, env);
  if (statusPath !== undefined || style.both(method)) Object.assign(headers, retryAfter(style, env));
  const write = method === 'PUT' || method === 'PATCH';
  const body = write
    ? (style.putBody?.(operation) ?? shown)
    : method === 'POST'
      ? style.putBody?.(operation)
      : undefined;
  return { status, body, headers };
}

/** A poll; `result` is what the finished operation's Location shows. */
export function pollAnswer(
  operation: Operation,
  at: 'status' | 'result',
  result: () => unknown,
  origin: string,
  env: ArmEnv,
): ArmAnswer {
  if (operation.style === 'sync') return { status: 404 };
  const style = styles[operation.style];
  const running = operation.status === 'InProgress';
  if (at === 'status') {
    const { status, error } = operation;
    return {
      status: 200,
      body: { ...style.status(operation), status, ...(error ? { error } : {}) },
      headers: running ? retryAfter(style, env) : {},
    };
  }
  if (running) {
    const location = operationUrl(style.resultPath(operation, env), operation, origin, env);
    return { status: 202, headers: { location, ...retryAfter(style, env) } };
  }
  if (operation.status !== 'Succeeded') return { status: 409, body: { error: operation.error } };
  // A finished delete has nothing to show, except that of a group, which answers 200.
  if (operation.method === 'DELETE') return { status: operation.style === 'group' ? 200 : 204 };
  return { status: 200, body: result() };
}

// Whole seconds cannot be scaled below one: then Azure's hint is left out, as the network provider does.
const retryAfter = (style: Style, env: ArmEnv): Record<string, string> => {
  const scaled = Math.round((style.retryAfter ?? 0) * env.options.factor);
  return scaled >= 1 ? { 'retry-after': String(scaled) } : {};
};

/** Azure signs these URLs: `t`, `c` (a certificate, kilobytes), `s`, `h`. */
function operationUrl(path: string, operation: Operation, origin: string, env: ArmEnv): string {
  const hash = createHash('sha256').update(operation.id).digest('base64url');
  const start = `${origin}${path}${path.includes('?') ? '&' : '?'}api-version=${operation.apiVersion}&t=${operation.start}&c=`;
  const end = `&s=${hash}&h=${hash.slice(0, 22)}`;
  const padding = Math.max(16, env.options.operationUrlBytes - start.length - end.length);
  return `${start}${hash.repeat(Math.ceil(padding / hash.length)).slice(0, padding)}${end}`;
}
