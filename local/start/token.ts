import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './build.ts';
import { type Endpoints, fetchToken } from './endpoints.ts';

/** `npm run token -- --role JumpServer.Admin [--role …] [--dir DIR]`: prints an access token for the API of a running copy. */
const { values } = parseArgs({
  options: {
    role: { type: 'string', multiple: true, default: [] },
    audience: { type: 'string' },
    name: { type: 'string', default: 'Local caller' },
    dir: { type: 'string', default: join(root, '.local') },
  },
});

try {
  const { control, apiAudience } = readEndpoints(resolve(values.dir));
  const { role: roles, name, audience = apiAudience } = values;
  console.log(await fetchToken(control, { audience, roles, name }));
} catch (error) {
  console.error((error as Error).message.includes('fetch failed') ? notRunning(values.dir) : (error as Error).message);
  process.exitCode = 1;
}

function readEndpoints(dir: string): Endpoints {
  try {
    return JSON.parse(readFileSync(join(dir, 'endpoints.json'), 'utf8')) as Endpoints;
  } catch {
    throw new Error(notRunning(dir));
  }
}

function notRunning(dir: string): string {
  return `Nothing runs in ${dir}. Start it with: npm start`;
}
