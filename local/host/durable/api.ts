import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Keys } from '../http/keys.ts';
import { jsonReply, type Reply, sendReply } from '../http/reply.ts';
import { isJson, readBody } from '../http/request.ts';
import { log } from '../log.ts';
import { argumentFault, hostFault, jsonFault } from './apiFaults.ts';
import type { HubDatabase } from './database.ts';
import { historyOf, type Instance, isFinished } from './instances.ts';
import { instanceLinks } from './links.ts';
import { listInstances, purgeByFilter } from './listApi.ts';
import type { Operations } from './operations.ts';
import { DuplicateHistoryKey, statusOf } from './status.ts';

/** A call of the extension's HTTP API, whichever of its two doors it came through. */
export interface ApiCall {
  readonly method: string;
  /** Path segments below the door. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly origin: string;
  readonly body: string;
}

const defaultWaitSeconds = 10;
const defaultPollSeconds = 1;

/** The API of the durable extension: the same behind the public webhook and the worker's own door. */
export class DurableApi {
  readonly #database: HubDatabase;
  readonly #operations: Operations;
  readonly #keys: Keys;
  readonly #hubName: string;

  constructor(database: HubDatabase, operations: Operations, keys: Keys, hubName: string) {
    this.#database = database;
    this.#operations = operations;
    this.#keys = keys;
    this.#hubName = hubName;
  }

  /** Answers a request whose path below the door is given. */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    rawPath: string,
    query: URLSearchParams,
  ): Promise<void> {
    const path = rawPath.split('/').filter(Boolean).map(decodeURIComponent);
    const origin = `http://${request.headers.host ?? 'localhost'}`;
    const body = (await readBody(request)).toString('utf8');
    sendReply(response, await this.#handle({ method: request.method ?? 'GET', path, query, request, origin, body }));
  }

  async #handle(call: ApiCall): Promise<Reply> {
    const [kind = '', id, verb, ...rest] = call.path;
    const key = `${call.method} ${kind.toLowerCase()}`;
    if (key === 'POST orchestrators' && id && rest.length === 0) return this.#start(call, id, verb);
    if (kind.toLowerCase() === 'entities') return jsonReply(501, { Message: 'The local host does not run entities.' });
    if (kind.toLowerCase() !== 'instances') return { status: 404 };
    if (!id) {
      if (call.method === 'GET') return listInstances(this.#operations, call);
      return call.method === 'DELETE' ? purgeByFilter(this.#operations, call.query) : { status: 404 };
    }
    if (!verb && call.method === 'GET') return this.#status(call, id);
    if (!verb && call.method === 'DELETE') return this.#purge(id);
    if (call.method !== 'POST' || !verb) return { status: 404 };
    return this.#command(call, id, verb.toLowerCase(), rest);
  }

  async #start(call: ApiCall, name: string, id: string | undefined): Promise<Reply> {
    const instanceId = id ?? randomUUID().replaceAll('-', '');
    // The library sends "" for no input. Another empty body is null.
    const input = call.body === '' ? 'null' : call.body;
    const fault = jsonFault(input);
    if (fault) return fault;
    const active = await this.#operations.start(name, instanceId, JSON.stringify(JSON.parse(input)));
    if (active) {
      return jsonReply(409, { Message: `An Orchestration instance with the status ${active.status} already exists.` });
    }
    if (call.query.has('timeout') || call.query.has('pollingInterval')) {
      const finished = await this.#waitFor(instanceId, call.query);
      if (finished) return finished;
    }
    return this.#accepted(call, instanceId);
  }

  #accepted(call: ApiCall, id: string): Reply {
    const { rewindPostUri: _notOffered, ...links } = instanceLinks(call.origin, id, this.#hubName, this.#keys);
    return jsonReply(202, links, { Location: links.statusQueryGetUri, 'Retry-After': '10' });
  }

  async #waitFor(id: string, query: URLSearchParams): Promise<Reply | null> {
    const end = Date.now() + Number(query.get('timeout') ?? defaultWaitSeconds) * 1000;
    const interval = Number(query.get('pollingInterval') ?? defaultPollSeconds) * 1000;
    for (;;) {
      const instance = this.#operations.find(id);
      if (instance?.status === 'Completed')
        return jsonReply(200, instance.output === null ? null : JSON.parse(instance.output));
      if (instance && isFinished(instance.status)) {
        const status = instance.status === 'Failed' ? 500 : 200;
        return jsonReply(status, statusOf(instance, { showInput: true, history: null, showHistoryOutput: false }));
      }
      const left = end - Date.now();
      if (left <= 0) return null;
      await delay(Math.min(interval, left));
    }
  }

  #status(call: ApiCall, id: string): Reply {
    const instance = this.#operations.find(id);
    if (!instance) return { status: 404 };
    const flag = (name: string): boolean => call.query.get(name)?.toLowerCase() === 'true';
    try {
      const body = statusOf(instance, {
        showInput: call.query.get('showInput')?.toLowerCase() !== 'false',
        history: flag('showHistory') ? historyOf(this.#database, id) : null,
        showHistoryOutput: flag('showHistoryOutput'),
      });
      return this.#statusReply(call, instance, body, flag('returnInternalServerErrorOnFailure'));
    } catch (error) {
      if (!(error instanceof DuplicateHistoryKey)) throw error;
      return argumentFault('One or more of the arguments submitted is incorrect', error.message);
    }
  }

  #statusReply(call: ApiCall, instance: Instance, body: object, errorOnFailure: boolean): Reply {
    if (isFinished(instance.status)) return jsonReply(instance.status === 'Failed' && errorOnFailure ? 500 : 200, body);
    // The door of the worker gives a Location with the webhook's path and its own port, which leads nowhere.
    const location = `${call.origin}/runtime/webhooks/durabletask/instances/${instance.id}`;
    const query = call.query.size ? `?${call.query}` : '';
    return jsonReply(202, body, { Location: `${location}${query}`, 'Retry-After': '5' });
  }

  #purge(id: string): Reply {
    const instance = this.#operations.find(id);
    if (!instance) return { status: 404 };
    if (!isFinished(instance.status)) {
      const text = `Only orchestrations in a terminal state can be purged, but the orchestration with instance ID ${id} has status ${instance.status}`;
      return jsonReply(412, text);
    }
    this.#operations.purge(id);
    return jsonReply(200, { instancesDeleted: 1 });
  }

  async #command(call: ApiCall, id: string, verb: string, rest: readonly string[]): Promise<Reply> {
    const instance = this.#operations.find(id);
    if (verb === 'restart') return this.#restart(call, id, instance);
    if (verb === 'rewind') return rewind(id, instance);
    if (!commands.has(verb)) return { status: 404 };
    if (verb === 'raiseevent' && !isJson(call.request)) {
      return jsonReply(400, { Message: 'Only application/json request content is supported' });
    }
    const fault = verb === 'raiseevent' ? jsonFault(call.body) : null;
    if (!instance) return { status: 404 };
    if (isFinished(instance.status)) {
      log(
        'warning',
        'durable',
        `${verb} for '${id}', which is ${instance.status}: answered with 410, which the client library passes over in silence.`,
      );
      return { status: 410 };
    }
    if (fault) return fault;
    const reason = call.query.get('reason') ?? '';
    const refused = this.#send(verb, instance, rest[0] ?? '', call.body, reason);
    return refused ?? { status: 202 };
  }

  #send(verb: string, instance: Instance, eventName: string, body: string, reason: string): Reply | null {
    const { id, status } = instance;
    if (verb === 'raiseevent') this.#operations.raise(id, eventName, JSON.stringify(JSON.parse(body)));
    else if (verb === 'terminate') this.#operations.terminate(id, reason);
    else if (verb === 'suspend') {
      if (status === 'Suspended') {
        return hostFault(`Cannot suspend the orchestration instance ${id} because instance is in the Suspended state.`);
      }
      this.#operations.suspend(id, reason);
    } else this.#operations.resume(id, reason);
    return null;
  }

  async #restart(call: ApiCall, id: string, instance: Instance | undefined): Promise<Reply> {
    if (!instance) {
      return argumentFault(
        'InstanceId does not match a valid orchestration instance.',
        `No instance with ID '${id}' was found. (Parameter 'instanceId')`,
      );
    }
    const sameId = call.query.get('restartWithNewInstanceId')?.toLowerCase() === 'false';
    const newId = sameId ? id : randomUUID().replaceAll('-', '');
    const active = await this.#operations.start(instance.name, newId, instance.input);
    if (active) return hostFault(`An instance with ID '${newId}' is in the ${active.status} state.`);
    return this.#accepted(call, newId);
  }
}

const commands = new Set(['raiseevent', 'terminate', 'suspend', 'resume']);

function rewind(id: string, instance: Instance | undefined): Reply {
  if (!instance) return jsonReply(404, `No orchestration with instance ID "$${id}" found.`);
  if (instance.status !== 'Failed') {
    const text = `This orchestration has status ${instance.status}, but only orchestrations in the "Failed" state can be rewound.`;
    return jsonReply(412, text);
  }
  return jsonReply(501, { Message: 'The local host cannot rewind. Start the orchestration again.' });
}
