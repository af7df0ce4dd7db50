import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Bundle {
  file: string;
  bytes: number;
  milliseconds: number;
}

/**
 * Bundles the functions into the one file that ships. CommonJS, because ESM bundles of these packages break on dynamic require;
 * `@azure/functions-core` stays outside: the Functions worker supplies it. Identifiers keep their names, which error texts use.
 */
export async function buildBundle(options: { entry?: string; outfile?: string } = {}): Promise<Bundle> {
  const { entry = join(root, 'functions', 'index.ts'), outfile = join(root, 'dist', 'main.cjs') } = options;
  const started = performance.now();
  const { outputFiles } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    external: ['@azure/functions-core'],
    loader: { '.py': 'text' },
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'silent',
    absWorkingDir: root,
  });
  const [output] = outputFiles;
  if (!output) throw new Error(`esbuild made no file of ${entry}.`);
  await writeIfChanged(outfile, output.text);
  return { file: outfile, bytes: output.contents.byteLength, milliseconds: Math.round(performance.now() - started) };
}

/** Renamed into place, and left alone when equal: another copy may be loading the file right now. */
async function writeIfChanged(file: string, text: string): Promise<void> {
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return;
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, text);
  await rename(draft, file);
}

/**
 * Makes the folder that is deployed (azure.yaml): the bundle, host.json and a package.json that only names the bundle, without scripts or
 * dependencies that a build in Azure would run or install.
 */
export async function stagePackage(directory = join(root, 'dist', 'package')): Promise<Bundle> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const bundle = await buildBundle({ outfile: join(directory, 'main.cjs') });
  await copyFile(join(root, 'host.json'), join(directory, 'host.json'));
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Record<string, string>;
  const shipped = { name, version, private: true, type: 'commonjs', main: 'main.cjs' };
  await writeFile(join(directory, 'package.json'), `${JSON.stringify(shipped, undefined, 2)}\n`);
  return bundle;
}

if (import.meta.main) {
  const { file, bytes, milliseconds } = await stagePackage();
  console.log(`${file}: ${(bytes / 1024).toFixed(0)} KiB in ${milliseconds} ms`);
}
