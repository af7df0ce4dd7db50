import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AzureEndpoints } from '../azure/azure.ts';
import type { TokenRequest } from '../azure/identity/tokens.ts';

/** `<dir>/endpoints.json`: where everything of a running copy listens, for tools. */
export interface Endpoints extends Omit<AzureEndpoints, 'identityHeader'> {
  /** `http://127.0.0.1:20123/api`. */
  api: string;
  apiAudience: string;
  /** URL of the control plane's vault. */
  vault: string;
  tables: string;
  blobs: string;
  queues: string;
  /** Where users log in, once the first jump server is there. */
  ingress?: string;
}

/** Asks a running local Azure for an access token. */
export async function fetchToken(control: string, request: TokenRequest): Promise<string> {
  const answer = await fetch(`${control}/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  if (!answer.ok) throw new Error(`The token service answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { access_token: string }).access_token;
}

/** Prints what `ask` gets from the copy in `dir`; where none runs, how to start one. */
export async function printAnswer(dir: string, ask: (endpoints: Endpoints) => Promise<string>): Promise<void> {
  try {
    console.log(await ask(readEndpoints(resolve(dir))));
  } catch (error) {
    console.error((error as Error).message.includes('fetch failed') ? notRunning(dir) : (error as Error).message);
    process.exitCode = 1;
  }
}

function readEndpoints(dir: string): Endpoints {
  try {
    return JSON.parse(readFileSync(join(dir, 'endpoints.json'), 'utf8')) as Endpoints;
  } catch {
    throw new Error(notRunning(dir));
  }
}

const notRunning = (dir: string): string => `Nothing runs in ${dir}. Start it with: npm start`;
