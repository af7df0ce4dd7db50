import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** What the command line says; paths are absolute. */
export interface HostOptions {
  readonly app: string;
  readonly dir: string;
  readonly port: number;
  readonly rpcPort: number;
  readonly auth: boolean;
  /** Names of the only functions to load (lower case), or null for all. */
  readonly enable: ReadonlySet<string> | null;
  readonly settings: string | null;
  /** A file that gets one JSON line for every message to and from a function, or null. */
  readonly trace: string | null;
}

export const usage =
  'node local/host/main.ts --app DIR --dir STATE_DIR --port PORT [--rpc-port PORT] [--auth] [--enable FUNCTION]... [--settings FILE] [--trace FILE]';

/**
 * Reads the command line.
 * @throws Error that names the bad option and shows the usage.
 */
export function parseOptions(argv: readonly string[]): HostOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      app: { type: 'string' },
      dir: { type: 'string' },
      port: { type: 'string' },
      'rpc-port': { type: 'string', default: '0' },
      auth: { type: 'boolean', default: false },
      enable: { type: 'string', multiple: true },
      settings: { type: 'string' },
      trace: { type: 'string' },
    },
  });
  if (!values.app || !values.dir || !values.port)
    throw new Error(`--app, --dir and --port are needed. Usage: ${usage}`);
  const names = (values.enable ?? []).flatMap((text) => text.split(/[\s,]+/)).filter(Boolean);
  return {
    app: resolve(values.app),
    dir: resolve(values.dir),
    port: portNumber('--port', values.port),
    rpcPort: portNumber('--rpc-port', values['rpc-port']),
    auth: values.auth,
    enable: names.length ? new Set(names.map((name) => name.toLowerCase())) : null,
    settings: values.settings ? resolve(values.settings) : null,
    trace: values.trace ? resolve(values.trace) : null,
  };
}

function portNumber(option: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`${option} must be a port number from 0 (any free one) to 65535, not "${text}".`);
  }
  return port;
}
