import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { AzureFailure } from '../contract.ts';
import type { Stored } from '../state.ts';
import type { Arm } from './arm.ts';
import { kindOf, planeOf, setOptions } from './env.ts';
import { ArmError } from './failure.ts';
import { parentId } from './ids.ts';
import { forget, removeNow } from './remove.ts';
import { asObject, asText, type Json, merge, objects } from './values.ts';

/** Whatever the other parts answer on the control server. */
export interface ControlExtras {
  /** `POST /tokens`, `PUT /app-identities`; false if the path is not its. */
  identity?(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  connectivity?(from: string, to: string, port: number): unknown;
}

/** Faults that happen to the thing itself, at once: the data plane is told `fault:<kind>`. */
const physical = ['crash', 'freeze', 'isolate', 'lose', 'stop'];

type Handler = (query: URLSearchParams, body: Json) => Promise<unknown> | unknown;

/** Plain HTTP for tests and tools on the same machine: what Azure has no door for. */
export function controlListener(arm: Arm, extras: ControlExtras = {}): RequestListener {
  const routes = controlRoutes(arm, extras);
  return (request, response) => {
    answer(routes, extras, request, response).catch((error: unknown) => {
      const failure = error instanceof AzureFailure ? error : new ArmError(500, 'InternalError', String(error));
      send(response, failure.status, { error: { code: failure.code, message: failure.message } });
    });
  };
}

function controlRoutes(arm: Arm, extras: ControlExtras): Record<string, Handler> {
  return {
    'GET /faults': () => ({ value: arm.faults.list() }),
    'POST /faults': (_query, body) =>
      physical.includes(asText(body.kind)) ? happen(arm, body) : { fault: arm.faults.add(body) },
    'DELETE /faults': () => {
      arm.faults.clear();
      return {};
    },
    'GET /operations': () => ({ value: arm.env.operations.list().map(showOperation) }),
    'GET /resources': (query) => ({ value: query.get('id') ? [found(arm, query)] : arm.state.all() }),
    'PUT /resources': (_query, body) => seed(arm, body),
    'DELETE /resources': (query) => vanish(arm, query),
    'PATCH /resources': (query, body) => change(arm, query, body),
    'PUT /health': (_query, { id, ...said }) => {
      const stored = arm.state.update(asText(id), (copy) => {
        copy.internal.health = said;
      });
      if (stored === undefined) throw new ArmError(404, 'ResourceNotFound', `There is no resource '${asText(id)}'.`);
      return said;
    },
    'POST /connectivity': (_query, { from, to, port }) => {
      if (extras.connectivity === undefined) throw new ArmError(501, 'NotImplemented', 'No fabric is running.');
      return extras.connectivity(asText(from), asText(to), Number(port));
    },
    'GET /options': () => arm.env.options,
    'PATCH /options': (_query, body) => {
      setOptions(arm.env.options, body);
      return arm.env.options;
    },
  };
}

/** Times are ISO 8601; `seconds` is the machine's time, not Azure's. */
function showOperation(operation: ReturnType<Arm['env']['operations']['list']>[number]) {
  const { id, resourceId, type, method, action, status, error, start, due, end } = operation;
  return {
    id,
    resourceId,
    type,
    method,
    ...(action ? { action } : {}),
    status,
    ...(error ? { error } : {}),
    start: new Date(start).toISOString(),
    due: new Date(due).toISOString(),
    ...(end === undefined ? {} : { end: new Date(end).toISOString(), seconds: (end - start) / 1000 }),
    modelledSeconds: (due - start) / 1000,
  };
}

function found(arm: Arm, query: URLSearchParams) {
  const id = query.get('id') ?? '';
  const resource = arm.state.get(id);
  if (resource === undefined) throw new ArmError(404, 'ResourceNotFound', `There is no resource '${id}'.`);
  return resource;
}

async function happen(arm: Arm, body: Json): Promise<unknown> {
  const id = asText(asObject(body.match).id) || asText(body.id);
  const resource = arm.state.get(id);
  if (resource === undefined)
    throw new ArmError(404, 'ResourceNotFound', `There is no resource '${id}': 'match.id' must be a whole id.`);
  const plane = planeOf(arm.env, resource.type);
  if (plane?.act === undefined)
    throw new ArmError(400, 'BadRequest', `${resource.type} has no data plane that could ${asText(body.kind)}.`);
  return (await plane.act(resource, `fault:${asText(body.kind)}`, body)) ?? {};
}

/** Stores whole resources as they are, without checks and without data plane: thousands at once, for measuring. */
function seed(arm: Arm, body: Json): unknown {
  const resources = objects(body.value) as unknown as Stored[];
  const bare = resources.find((resource) => typeof resource.id !== 'string' || typeof resource.type !== 'string');
  if (bare) throw new ArmError(400, 'BadRequest', 'Each resource needs id, name, type and properties.');
  arm.state.transaction(() => {
    for (const resource of resources)
      arm.state.put({ ...resource, properties: resource.properties ?? {}, internal: resource.internal ?? {} });
  });
  return { stored: resources.length };
}

/** The resource is gone, without checks, operation or permission, and with it the real thing. */
async function vanish(arm: Arm, query: URLSearchParams): Promise<unknown> {
  const resource = found(arm, query);
  await arm.env.operations.queued(resource.id, () => removeNow(arm.env, resource));
  if (kindOf(arm.env, resource.type)?.embedded) await follow(arm, parentId(resource.id));
  else forget(arm.env, resource.id);
  return {};
}

/** The real thing becomes as the changed resource says. */
async function follow(arm: Arm, id: string): Promise<void> {
  const stored = arm.state.get(id);
  if (stored) await planeOf(arm.env, stored.type)?.apply(stored, {});
}

/** A merge patch of the stored resource behind everybody's back; the real thing follows. */
async function change(arm: Arm, query: URLSearchParams, body: Json): Promise<unknown> {
  const resource = found(arm, query);
  const embedded = kindOf(arm.env, resource.type)?.embedded === true;
  const owner = embedded ? parentId(resource.id) : resource.id;
  arm.state.update(owner, (copy) => {
    if (!embedded) {
      Object.assign(copy, merge(copy as unknown as Json, body));
      return;
    }
    const list = resource.type.slice(resource.type.lastIndexOf('/') + 1);
    const parts = copy.properties[list] as Json[];
    copy.properties[list] = parts.map((part) => (part.id === resource.id ? merge(part, body) : part));
  });
  await follow(arm, owner);
  return arm.state.get(owner);
}

async function answer(
  routes: Record<string, Handler>,
  extras: ControlExtras,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://control');
  const handler = routes[`${request.method} ${url.pathname}`];
  if (handler === undefined) {
    if (await extras.identity?.(request, response)) return;
    throw new ArmError(404, 'NotFound', `The control server has no ${request.method} ${url.pathname}.`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  send(response, 200, await handler(url.searchParams, text === '' ? {} : parse(text)));
}

function parse(text: string): Json {
  try {
    return asObject(JSON.parse(text));
  } catch {
    throw new ArmError(400, 'BadRequest', 'The body is not JSON.');
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}));
}
