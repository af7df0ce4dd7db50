import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildBundle, root } from '../../local/start/build.ts';
import { median, print } from './figures.ts';

/** Loads a bundle as the Functions worker does, in a process of its own, and says how long that took. */
const loader = `
const Module = require('node:module');
const load = Module._load;
const nothing = new Proxy(function () {}, { get: (_, name) => (name === 'Disposable' ? class {} : nothing), apply: () => nothing, construct: () => nothing });
Module._load = function (name, ...rest) { return name === '@azure/functions-core' ? nothing : load.call(this, name, ...rest); };
const started = process.hrtime.bigint();
require(process.argv[1]);
process.stdout.write(String(Number(process.hrtime.bigint() - started) / 1e6));
process.exit(0);
`;

const helloWorld = `
import { app } from '@azure/functions';
import * as df from 'durable-functions';
app.http('hello', { handler: async () => ({ body: 'hello' }) });
df.app.orchestration('nothing', function* () { return 1; });
`;

/** Settings with which the bundle loads; nothing is connected to. */
const settings = {
  AZURE_SUBSCRIPTION_ID: 's',
  AZURE_TENANT_ID: 't',
  AZURE_CLIENT_ID: 'c',
  MOLCAJETE_TABLES_URL: 'https://tables.example',
  MOLCAJETE_VAULT_URL: 'https://vault.example',
  MOLCAJETE_API_URL: 'https://api.example/api',
  MOLCAJETE_API_AUDIENCE: 'api://x',
  MOLCAJETE_ISSUER: 'https://issuer.example',
  MOLCAJETE_EGRESS: '',
  MOLCAJETE_ENDPOINT_SUBNET_ID: 'x',
  MOLCAJETE_DNS_ZONE_ID: 'x',
  MOLCAJETE_RESOURCE_GROUP: 'x',
};

export function loadMilliseconds(file: string): number {
  const run = spawnSync(process.execPath, ['-e', loader, file], {
    encoding: 'utf8',
    env: { ...process.env, ...settings },
  });
  if (run.status !== 0) throw new Error(`${file} did not load: ${run.stderr.slice(0, 500)}`);
  return Number(run.stdout);
}

/** Size and load time of the bundle beside those of a function app that does nothing, in interleaved runs. */
export async function benchBundle(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const entry = join(root, 'dist', 'hello.ts');
    writeFileSync(entry, helloWorld);
    const ours = (await buildBundle()).file;
    const hello = (await buildBundle({ entry, outfile: join(dir, 'hello.cjs') })).file;
    rmSync(entry);
    const [a, b]: [number[], number[]] = [[], []];
    for (let run = 0; run < 11; run++) {
      a.push(loadMilliseconds(ours));
      b.push(loadMilliseconds(hello));
    }
    const kib = (file: string) => statSync(file).size / 1024;
    print('Bundle', [
      ['size', `${kib(ours).toFixed(0)} KiB`, `${kib(hello).toFixed(0)} KiB`, kib(ours) / kib(hello)],
      ['load (median of 11)', `${median(a).toFixed(0)} ms`, `${median(b).toFixed(0)} ms`, median(a) / median(b)],
    ]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
