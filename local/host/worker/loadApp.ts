import { readFileSync } from 'node:fs';
import { Server as HttpServer } from 'node:http';
import { registerHooks } from 'node:module';
import { Server } from 'node:net';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { log } from '../log.ts';
import type { FunctionCallback, FunctionMetadata, HookCallback, ProgrammingModel } from './coreTypes.ts';
import type { Worker } from './worker.ts';

/** The version of host and worker whose behaviour this host imitates. */
export const hostVersion = '4.1037.0';
const workerVersion = '3.9.1';
const coreModule = new URL('./coreModule.cjs', import.meta.url).href;

const packageJson = z.object({ main: z.string() });

/**
 * Loads the file that package.json of the app names as `main`, in this process, with '@azure/functions-core' supplied.
 * @throws Error when there is no `main` or the app throws while it loads.
 */
export async function loadApp(app: string, worker: Worker): Promise<void> {
  supplyCoreApi(worker);
  const { main } = packageJson.parse(JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')));
  const entry = resolve(app, main);
  // Takes CommonJS and ES modules alike.
  await import(pathToFileURL(entry).href);
  await worker.runHooks('appStart', { hookData: {}, appHookData: worker.appHookData, functionAppDirectory: app });
  if (!worker.model) log('warning', 'host', `${entry} registers no function.`);
  const capabilities = await onLoopback(async () => worker.model?.getCapabilities?.({}));
  const uri = capabilities?.HttpUri;
  // The library names localhost, which may mean ::1 first; its server listens on 127.0.0.1 (see below).
  worker.httpUri = uri ? uri.replace('//localhost:', '//127.0.0.1:') : null;
  worker.seal();
}

function supplyCoreApi(worker: Worker): void {
  Object.assign(globalThis, {
    [Symbol.for('molcajete.functions-core')]: {
      version: workerVersion,
      hostVersion: `${hostVersion}.0`,
      registerFunction: (metadata: FunctionMetadata, callback: FunctionCallback) => {
        worker.register(metadata, callback);
        return new Disposable(() => undefined);
      },
      registerHook: (name: string, callback: HookCallback) => new Disposable(worker.addHook(name, callback)),
      setProgrammingModel: (model: ProgrammingModel) => {
        worker.model = model;
      },
      getProgrammingModel: () => worker.model,
      log: (level: Parameters<typeof log>[0], category: string, message: string) =>
        worker.logFromApp(level, category, message, 'worker'),
      Disposable,
    },
  });
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === '@azure/functions-core'
        ? { url: coreModule, format: 'commonjs', shortCircuit: true }
        : next(specifier, context),
  });
}

class Disposable {
  readonly #undo: () => void;
  constructor(undo: () => void) {
    this.#undo = undo;
  }
  dispose(): void {
    this.#undo();
  }
}

/** Makes a server that the library starts without naming an address listen on 127.0.0.1 only. */
async function onLoopback<T>(work: () => Promise<T>): Promise<T> {
  const original = Server.prototype.listen;
  const onlyLoopback = function (this: Server, ...args: unknown[]): Server {
    // Its only client is this host, which must not meet a connection that is just being closed.
    if (this instanceof HttpServer) this.keepAliveTimeout = 0;
    const callback = args.find((arg): arg is () => void => typeof arg === 'function');
    const port = typeof args[0] === 'number' ? args[0] : 0;
    return (original as (port: number, host: string, callback?: () => void) => Server).call(
      this,
      port,
      '127.0.0.1',
      callback,
    );
  };
  Server.prototype.listen = onlyLoopback as typeof original;
  try {
    return await work();
  } finally {
    Server.prototype.listen = original;
  }
}
