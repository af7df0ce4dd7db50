import { soakHealing } from '../faults/soak.ts';

/** `npm run soak [-- name …]`: long runs of random faults. `SEED=…` repeats one, `FAULTS=…` makes it shorter or longer. */
const soaks: Record<string, (seed: number, faults: number) => Promise<void>> = {
  healing: soakHealing,
};

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const faults = Number(process.env.FAULTS ?? 100);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in soaks));
if (unknown.length > 0) {
  console.error(`There is no soak ${unknown.join(', ')}. There are: ${Object.keys(soaks).join(', ')}.`);
  process.exit(2);
}
for (const [name, soak] of Object.entries(soaks))
  if (wanted.length === 0 || wanted.includes(name)) await soak(seed, faults);
