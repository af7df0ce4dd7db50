import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { parseArgs } from 'node:util';
import { root } from './build.ts';
import { fetchToken, printAnswer } from './endpoints.ts';
import { firstName } from './firstJumpServer.ts';

/** `npm run password [-- --jump-server NAME] [--dir DIR]`: prints the login of guacadmin, read from the vault as the owner of the subscription. */
const { values } = parseArgs({
  options: {
    'jump-server': { type: 'string', default: firstName },
    dir: { type: 'string', default: join(root, '.local') },
  },
});

await printAnswer(values.dir, async ({ control, ca, vault, ownerOid }) => {
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(ca, 'utf8')]);
  const token = await fetchToken(control, { audience: 'https://vault.azure.net', oid: ownerOid });
  const url = new URL(`secrets/${values['jump-server']}-guacadmin?api-version=7.4`, vault);
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`The vault answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { value: string }).value;
});
