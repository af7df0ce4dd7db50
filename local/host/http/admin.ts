import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import { activityTrigger } from '../durable/trigger.ts';
import { log } from '../log.ts';
import type { Timers } from '../timers/timers.ts';
import { hostVersion } from '../worker/loadApp.ts';
import type { RegisteredFunction, Worker } from '../worker/worker.ts';
import { bindingOfType } from './functionRoutes.ts';
import { durableSystemKey, type Keys } from './keys.ts';
import { jsonReply, type Reply, sendReply } from './reply.ts';
import { memberData, parseLeniently, readBody } from './request.ts';

export interface AdminOptions {
  readonly worker: Worker;
  readonly timers: Timers;
  readonly keys: Keys;
  readonly auth: boolean;
  readonly routePrefix: string;
}

const noStore = { 'Cache-Control': 'no-store,no-cache', Pragma: 'no-cache' };

/** The host's /admin API: status, metadata of functions, runs by hand, keys. */
export function adminHandler(options: AdminOptions) {
  return async (
    request: IncomingMessage,
    response: ServerResponse,
    path: readonly string[],
    query: URLSearchParams,
  ): Promise<void> => {
    const isPing = path.join('/').toLowerCase() === 'host/ping';
    if (options.auth && !isPing && !options.keys.scopesOf(request, query).has('master')) {
      return sendReply(response, { status: 401, headers: { 'WWW-Authenticate': 'Bearer' } });
    }
    sendReply(response, await handle(options, request, path));
  };
}

async function handle(options: AdminOptions, request: IncomingMessage, path: readonly string[]): Promise<Reply> {
  const [area = '', name = '', part] = path.map((segment) => segment.toLowerCase());
  const origin = `http://${request.headers.host ?? 'localhost'}`;
  if (area === 'host') return hostPart(options, request.method ?? 'GET', name, origin);
  if (area === 'warmup') return { status: 200 };
  if (area === 'vfs') return { status: 403 };
  if (area !== 'functions') return { status: 404 };
  if (!name)
    return jsonReply(
      200,
      [...options.worker.functions.values()].map((target) => metadataOf(options, target, origin)),
    );
  const target = [...options.worker.functions.values()].find(({ metadata }) => metadata.name.toLowerCase() === name);
  if (!target) return { status: 404 };
  if (part === 'keys') {
    const scope = `function:${target.metadata.name}` as const;
    return jsonReply(200, { keys: [{ name: 'default', value: options.keys.get(scope) }] });
  }
  if (request.method === 'POST') return runByHand(options, request, target);
  return jsonReply(200, part === 'status' ? {} : metadataOf(options, target, origin));
}

function hostPart({ keys }: AdminOptions, method: string, name: string, origin: string): Reply {
  const listOf = (scope: 'host' | 'system', keyName: string, path: string): Reply =>
    jsonReply(200, {
      keys: [{ name: keyName, value: keys.get(scope, keyName) }],
      links: [{ rel: 'self', href: `${origin}/admin/host/${path}` }],
    });
  switch (name) {
    case 'status':
      return jsonReply(200, hostStatus());
    case 'ping':
      return { status: 200, headers: noStore };
    case 'keys':
    case 'functionkeys':
      return listOf('host', 'default', 'keys');
    case 'systemkeys':
      return listOf('system', durableSystemKey, 'systemkeys');
    case 'extensions':
      return jsonReply(200, { extensions: [], links: [{ rel: 'self', href: `${origin}/admin/host/extensions` }] });
    case 'synctriggers':
      return method === 'POST'
        ? jsonReply(500, { status: 'Invalid environment for SyncTriggers operation.' })
        : { status: 404 };
    default:
      return { status: 404 };
  }
}

function hostStatus(): object {
  return {
    id: `${hostname()}-local`,
    state: 'Running',
    version: `${hostVersion}.0`,
    versionDetails: `${hostVersion} (local stand-in)`,
    platformVersion: '',
    instanceId: '',
    computerName: '',
    processUptime: Math.round(process.uptime() * 1000),
    functionAppContentEditingState: 'Unknown',
  };
}

function metadataOf({ routePrefix }: AdminOptions, { metadata }: RegisteredFunction, origin: string): object {
  const http = bindingOfType(metadata, 'httpTrigger');
  const route = typeof http?.route === 'string' ? http.route : metadata.name;
  return {
    name: metadata.name,
    script_root_path_href: null,
    script_href: null,
    config_href: null,
    test_data_href: null,
    href: `${origin}/admin/functions/${metadata.name}`,
    invoke_url_template: http ? `${origin}/${[routePrefix, route].filter(Boolean).join('/')}` : null,
    language: 'node',
    config: { name: metadata.name, entryPoint: '', language: 'node', bindings: Object.values(metadata.bindings) },
    files: null,
    test_data: '',
    isDisabled: false,
    isDirect: false,
    isProxy: false,
  };
}

/** A run by hand is answered before it has begun, whatever becomes of it. */
async function runByHand(options: AdminOptions, request: IncomingMessage, target: RegisteredFunction): Promise<Reply> {
  const body = (await readBody(request)).toString('utf8');
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return { status: 415 };
  const value = parseLeniently(body);
  if (typeof value !== 'object' || value === null) return { status: 400 };
  const input = (value as { input?: unknown }).input;
  void start(options, target, input).catch((error: unknown) => log('error', target.metadata.name, String(error)));
  return { status: 202 };
}

async function start({ worker, timers }: AdminOptions, target: RegisteredFunction, input: unknown): Promise<void> {
  const { metadata } = target;
  if (bindingOfType(metadata, 'timerTrigger')) return timers.runByHand(metadata.name, input);
  const activity = bindingOfType(metadata, 'activityTrigger');
  if (!activity) {
    // As on the real host an HTTP function is accepted and nothing reaches it; the rest cannot be made up from a text.
    log('warning', metadata.name, 'Only timer and activity functions can be run by hand: nothing has been run.');
    return;
  }
  const text = memberData(input).string ?? '';
  const trigger = activityTrigger(
    activity,
    randomUUID(),
    parseLeniently(text) === undefined ? JSON.stringify(text) : text,
  );
  const outcome = await worker.invoke(target, trigger.inputData, trigger.metadata);
  if (!outcome.ok) log('error', metadata.name, outcome.stack || outcome.message);
}
