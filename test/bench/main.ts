import { benchBundle } from './bundle.ts';
import { benchGuacamole } from './guacamole.ts';
import { benchHeal } from './heal.ts';
import { benchProvision } from './provision.ts';
import { benchSweep } from './sweep.ts';

/** `npm run bench [-- name …]`: each claim of the documentation beside its baseline, in one run. */
const benches: Record<string, () => Promise<void>> = {
  provision: benchProvision,
  heal: benchHeal,
  sweep: benchSweep,
  bundle: benchBundle,
  guacamole: benchGuacamole,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}
for (const [name, bench] of Object.entries(benches)) if (wanted.length === 0 || wanted.includes(name)) await bench();
