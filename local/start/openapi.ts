import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildBundle, root } from './build.ts';

/** Writes openapi.json from the routes; with `--check` says whether the committed one is in step. */

const file = join(root, 'openapi.json');
// The routes import the agent's Python as text, so they are bundled before they can be loaded.
const bundle = await buildBundle({
  entry: join(root, 'functions', 'document.ts'),
  outfile: join(root, 'dist', 'document.cjs'),
});
const { document } = (await import(pathToFileURL(bundle.file).href)) as { document: object };
const text = `${JSON.stringify(document, null, 2)}\n`;

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('openapi.json is not in step with the routes: run `npm run openapi` and commit it.');
  process.exitCode = 1;
}
