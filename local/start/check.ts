import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './build.ts';

/** `npm run check`: everything about the code that can be said without running it. Exits 1 if any of it fails, after all have run. */
const checks: { title: string; args: string[]; needs?: string }[] = [
  {
    title: 'format and lint',
    args: ['node_modules/@biomejs/biome/bin/biome', 'check', '--no-errors-on-unmatched', '.'],
  },
  { title: 'types', args: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'] },
  { title: 'dead code', args: ['node_modules/knip/bin/knip.js'] },
  { title: 'duplicates', args: ['node_modules/jscpd/run-jscpd.js', '.'] },
  { title: 'openapi.json', args: ['local/start/openapi.ts', '--check'], needs: 'functions/openapi.ts' },
];

async function run(args: string[]): Promise<{ ok: boolean; output: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], { cwd: root });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  return { ok: code === 0, output: output.trim() };
}

const results = await Promise.all(
  checks
    .filter(({ needs }) => needs === undefined || existsSync(join(root, needs)))
    .map(async ({ title, args }) => {
      const started = performance.now();
      const { ok, output } = await run(args);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${ok ? 'passed' : 'FAILED'}  ${title} (${seconds} s)${ok ? '' : `\n${output}\n`}`);
      return ok;
    }),
);
const failed = results.filter((ok) => !ok).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
