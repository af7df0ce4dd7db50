import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { root, stagePackage } from '../../local/start/build.ts';
import { loadMilliseconds } from '../bench/bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'molcajete-package-'));

beforeAll(() => stagePackage(folder));
afterAll(() => rmSync(folder, { recursive: true }));

const shipped = () => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;

test('what ships is the bundle, host.json and a package.json that has nothing to run or to install', () => {
  expect(readdirSync(folder).sort()).toEqual(['host.json', 'main.cjs', 'package.json']);
  expect(Object.keys(shipped())).toEqual(['name', 'version', 'private', 'type', 'main']);
  expect(readFileSync(join(folder, 'host.json'), 'utf8')).toBe(readFileSync(join(root, 'host.json'), 'utf8'));
});

test('the bundle loads where there are no packages: only @azure/functions-core is supplied from outside', () => {
  expect(loadMilliseconds(join(folder, String(shipped().main)))).toBeGreaterThan(0);
});

test('azd deploys that folder as it is, without a build in Azure', () => {
  const { services } = parse(readFileSync(join(root, 'azure.yaml'), 'utf8')) as { services: Record<string, object> };
  expect(services['control-plane']).toMatchObject({ dist: 'dist/package', remoteBuild: false });
  // azd stops when remoteBuild is false and this file names node_modules.
  expect(existsSync(join(root, '.funcignore'))).toBe(false);
});

/** Runs the entry of the npm scripts on what it takes for a Mac. */
function runOnMac(command: string) {
  const mac = `import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module';
    os.platform = () => 'darwin'; syncBuiltinESMExports();`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(mac)}`, 'local/run.mjs', command];
  return spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
}

test('a package can be built on another system than Linux, where the machine does not start', {
  timeout: 120_000,
}, () => {
  expect(runOnMac('build')).toMatchObject({ status: 0, stdout: expect.stringContaining('main.cjs') });
  expect(runOnMac('start')).toMatchObject({ status: 1, stderr: expect.stringContaining('Linux only') });
});
