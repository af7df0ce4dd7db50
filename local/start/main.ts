import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Api } from './api.ts';
import { root } from './build.ts';
import { firstName, provisionFirst } from './firstJumpServer.ts';
import { proveLogin } from './firstLogin.ts';
import { openProgress } from './progress.ts';
import { type Stack, startStack } from './stack.ts';

/** `npm start`: the whole of Molcajete on this machine, up to the first login, then on until Ctrl-C. */
const options = {
  dir: { type: 'string', default: join(root, '.local') },
  factor: { type: 'string', default: '0.02' },
  host: { type: 'string', default: 'local' },
  'exit-when-ready': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const usage = `npm start -- [options]
  --exit-when-ready   end with 0 once the first login has worked, with 1 and the reason if it has not
  --dir DIR           where everything is kept (default .local); several directories run side by side
  --factor F          share of Azure's real durations (default 0.02)
  --host local|func   our Functions host, or this machine's Azure Functions Core Tools`;

interface Settings {
  dir: string;
  factor: number;
  host: 'local' | 'func';
  exitWhenReady: boolean;
}

function readArguments(): Settings | undefined {
  const { values } = parseArgs({ options });
  if (values.help) return undefined;
  const { dir, host } = values;
  const factor = Number(values.factor);
  if (!(factor >= 0 && factor <= 10))
    throw new Error(`--factor must be a number from 0 to 10, not '${values.factor}'.`);
  if (host === 'func' && !hasCoreTools()) {
    throw new Error('--host func needs Azure Functions Core Tools: npm install --global azure-functions-core-tools@4');
  }
  if (host !== 'local' && host !== 'func') throw new Error(`--host must be local or func, not '${host}'.`);
  return { dir, factor, host, exitWhenReady: values['exit-when-ready'] };
}

const hasCoreTools = (): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, 'func')));

/** Resolves at the first SIGINT, SIGTERM or SIGHUP; further ones change nothing. */
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('interrupted'));
});

async function main(): Promise<number> {
  const settings = readArguments();
  if (!settings) {
    console.log(usage);
    return 0;
  }
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const starting = startStack({ ...settings, checkKeys: true, onFailure: fail });
  const stopWhenStarted = () => starting.then((stack) => stack.stop()).catch(() => {});
  try {
    const stack = await Promise.race([starting, interrupted]);
    if (stack === 'interrupted') return 130;
    if (stack.resumed) console.log(`The state in ${stack.dir} is of an earlier run: going on with it.`);
    const ready = await Promise.race([firstMinute(stack), failed, interrupted, ...deadline(settings)]);
    if (ready === 'interrupted' || settings.exitWhenReady) return ready === 'interrupted' ? 130 : 0;
    console.log(explain(stack, ready));
    await Promise.race([failed, interrupted]);
    return 0;
  } finally {
    console.log('Stopping …');
    await stopWhenStarted();
  }
}

/** Whoever waits for the exit is not left waiting for ever; at factor 1 a provision takes Azure's own time. */
function deadline({ exitWhenReady, factor }: Settings): Promise<never>[] {
  if (!exitWhenReady) return [];
  const minutes = Math.round(10 + 120 * factor);
  return [
    delay(minutes * 60_000, undefined, { ref: false }).then(() => {
      throw new Error(`the first login did not work within ${minutes} minutes.`);
    }),
  ];
}

/** Provisions the first jump server and proves a login; returns its address. */
async function firstMinute(stack: Stack): Promise<string> {
  const api: Api = { base: stack.endpoints.api, token: () => stack.token('JumpServer.Admin') };
  console.log(`Jump server '${firstName}':`);
  const started = performance.now();
  const ingress = await provisionFirst(api, openProgress(process.stdout));
  console.log(`Ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  await proveLogin(api, ingress);
  console.log(`A user created over HTTP has logged in at ${ingress} and sees the connection created over HTTP.`);
  stack.publish({ ingress });
  return ingress;
}

function explain({ dir, endpoints }: Stack, ingress: string): string {
  const here = dir === join(root, '.local') ? '' : ` --dir ${dir}`;
  const token = (role: string) => `npm run --silent token -- --role ${role}${here}`;
  const password = `npm run --silent password${here === '' ? '' : ` --${here}`}`;
  return `
  API           ${endpoints.api}
  Token         ${token('JumpServer.Admin')}
  Try           curl -H "Authorization: Bearer $(${token('Reader')})" ${endpoints.api}/jump-servers/${firstName}
  Log in at     ${ingress}
  As            guacadmin; its password: ${password}
  Everything    ${join(dir, 'endpoints.json')}, logs in ${join(dir, 'logs')}

Ctrl-C stops everything; the state stays in ${dir}.`;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`\nNot ready: ${(error as Error).message}`);
  process.exitCode = 1;
}
