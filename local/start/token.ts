import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './build.ts';
import { fetchToken, printAnswer } from './endpoints.ts';

/** `npm run token -- --role JumpServer.Admin [--role …] [--dir DIR]`: prints an access token for the API of a running copy. */
const { values } = parseArgs({
  options: {
    role: { type: 'string', multiple: true, default: [] },
    audience: { type: 'string' },
    name: { type: 'string', default: 'Local caller' },
    dir: { type: 'string', default: join(root, '.local') },
  },
});

await printAnswer(values.dir, ({ control, apiAudience }) => {
  const { role: roles, name, audience = apiAudience } = values;
  return fetchToken(control, { audience, roles, name });
});
