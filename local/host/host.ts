import { appendFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DurableApi } from './durable/api.ts';
import { HubDatabase } from './durable/database.ts';
import { Engine } from './durable/engine.ts';
import type { DurableFunctions } from './durable/episodes.ts';
import { durableClientInput } from './durable/links.ts';
import { Operations } from './durable/operations.ts';
import { adminHandler } from './http/admin.ts';
import { functionHandler } from './http/functionHandler.ts';
import { bindingOfType, httpFunctions } from './http/functionRoutes.ts';
import { Keys } from './http/keys.ts';
import { type Listening, listen, mainHandler, rpcHandler } from './http/server.ts';
import { log } from './log.ts';
import type { HostOptions } from './options.ts';
import { applySettings, type HostConfig, readHostConfig } from './settings.ts';
import { Timers } from './timers/timers.ts';
import type { TypedData } from './worker/coreTypes.ts';
import { loadApp } from './worker/loadApp.ts';
import { type RegisteredFunction, type Trace, Worker } from './worker/worker.ts';

/** How long running functions may take to finish when the host is stopped. */
const stopLimitMs = 10_000;
/** How long the last bytes of an answer may take once its function has ended. */
const answerLimitMs = 1_000;

export interface RunningHost {
  readonly port: number;
  readonly rpcPort: number;
  /** Takes no more requests, lets running functions finish (bounded), gives the rest of the work back. */
  stop(): Promise<void>;
}

/** Loads the app and serves it. Resolves when it is listening. */
export async function startHost(options: HostOptions): Promise<RunningHost> {
  applySettings(options.app, options.settings);
  const config = readHostConfig(options.app, availableParallelism());
  const worker = new Worker(options.trace ? traceTo(options.trace) : null);
  let serve: Parameters<typeof listen>[1] = async (_, response) => void response.writeHead(503).end();
  // The app may ask for its own address while it loads.
  const main = await listen(options.port, (request, response) => serve(request, response));
  process.env.WEBSITE_HOSTNAME = `localhost:${main.port}`;
  process.env.AZURE_FUNCTIONS_ENVIRONMENT ??= 'Development';
  process.env.FUNCTIONS_APPLICATION_DIRECTORY = options.app;
  await loadApp(options.app, worker);
  if (options.enable)
    for (const name of worker.functions.keys())
      if (!options.enable.has(name.toLowerCase())) worker.functions.delete(name);

  const parts = durableParts(options, config, worker);
  const { database, keys, api, engine } = parts;
  const rpc = await listen(options.rpcPort, rpcHandler(api));
  const origin = `http://localhost:${main.port}`;
  const client = durableClientInput(origin, `http://127.0.0.1:${rpc.port}`, config.hubName, keys);
  const extraInputs = (target: RegisteredFunction) => clientInputs(target, client);
  const timers = new Timers(database, engine.hostId, worker, extraInputs);
  const functions = httpFunctions(worker.functions.values());
  const { routePrefix } = config;
  serve = mainHandler({
    functions: functionHandler({ worker, functions, routePrefix, keys, auth: options.auth, extraInputs }),
    admin: adminHandler({ worker, timers, keys, auth: options.auth, routePrefix }),
    durable: api,
    keys,
    auth: options.auth,
  });
  if (options.auth)
    keys.writeAll(
      join(options.dir, 'keys.json'),
      functions.map(({ target }) => target.metadata.name),
    );
  engine.start();
  timers.start();
  const stop = () => stopHost(worker, database, engine, timers, [main, rpc]);
  return { port: main.port, rpcPort: rpc.port, stop };
}

function traceTo(file: string): Trace {
  return (message) => appendFileSync(file, `${JSON.stringify({ t: new Date().toISOString(), ...message })}\n`);
}

function durableParts(options: HostOptions, config: HostConfig, worker: Worker) {
  const database = new HubDatabase(options.dir, config.hubName);
  const keys = new Keys(database.raw);
  const engine = new Engine(database, worker, durableFunctions(worker), config);
  const api = new DurableApi(database, new Operations(database, engine), keys, config.hubName);
  return { database, keys, engine, api };
}

function durableFunctions(worker: Worker): DurableFunctions {
  const byName = (type: string) =>
    new Map(
      [...worker.functions.values()]
        .filter(({ metadata }) => bindingOfType(metadata, type))
        .map((target) => [target.metadata.name.toLowerCase(), target] as const),
    );
  for (const { metadata } of byName('entityTrigger').values()) {
    log('warning', metadata.name, 'The local host does not run entities.');
  }
  return { orchestrators: byName('orchestrationTrigger'), activities: byName('activityTrigger') };
}

function clientInputs(target: RegisteredFunction, client: string): { name: string; data: TypedData }[] {
  return Object.values(target.metadata.bindings)
    .filter(({ type, direction }) => direction === 'in' && (type === 'durableClient' || type === 'orchestrationClient'))
    .map(({ name }) => ({ name, data: { string: client } }));
}

async function stopHost(
  worker: Worker,
  database: HubDatabase,
  engine: Engine,
  timers: Timers,
  servers: readonly Listening[],
): Promise<void> {
  for (const { server } of servers) server.close();
  timers.stop();
  engine.stop();
  await Promise.race([worker.idle(), delay(stopLimitMs, undefined, { ref: false })]);
  if (worker.running)
    log(
      'warning',
      'host',
      `${worker.running} functions are still running and are given up; activities among them run again at the next start.`,
    );
  await worker.runHooks('appTerminate', { hookData: {}, appHookData: worker.appHookData });
  await Promise.race([
    Promise.all(servers.map((each) => each.answered())),
    delay(answerLimitMs, undefined, { ref: false }),
  ]);
  for (const { server } of servers) server.closeAllConnections();
  engine.leave();
  database.close();
}
