import { parseArgs } from 'node:util';
import { soakChanges } from '../faults/changes.ts';
import { soakProvisioning } from '../faults/lives.ts';
import { soakHealing, soakHindered, soakPairs } from '../faults/soak.ts';
import { soakThrottling } from '../faults/throttling.ts';

/** `npm run soak [-- --soak NAME …] [--seed N] [--count M] [--from P] [--factor F]`: long runs of random faults. Without names: all of them. */
const soaks: Record<string, (seed: number, count: number) => Promise<void>> = {
  changes: soakChanges,
  healing: soakHealing,
  hindered: (seed, count) => soakHindered(seed, count, Number(values.from)),
  pairs: (seed, count) => soakPairs(seed, count, Number(values.from)),
  provision: soakProvisioning,
  throttling: (_seed, count) => soakThrottling(Math.min(count, 20), Number(values.factor)),
};

const { values, positionals } = parseArgs({
  options: {
    soak: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: process.env.SEED ?? String(Date.now() % 1_000_000) },
    /** Of Azure's durations; only for throttling. */
    factor: { type: 'string', default: '0.02' },
    /** Place of the first one in the order of the seed; only for pairs and hindered. */
    from: { type: 'string', default: '0' },
    count: { type: 'string', default: process.env.FAULTS ?? '100' },
  },
  allowPositionals: true,
});
const wanted = [...values.soak, ...positionals];
const unknown = wanted.filter((name) => !(name in soaks));
if (unknown.length > 0) {
  console.error(`There is no soak ${unknown.join(', ')}. There are: ${Object.keys(soaks).join(', ')}.`);
  process.exit(2);
}
for (const [name, soak] of Object.entries(soaks))
  if (wanted.length === 0 || wanted.includes(name)) await soak(Number(values.seed), Number(values.count));
