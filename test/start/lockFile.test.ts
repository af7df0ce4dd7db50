import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('package-lock.json has an entry for every platform package, without which `npm ci` refuses the file', () => {
  const text = readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8');
  const { packages } = JSON.parse(text) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  // npm leaves out what its registry does not have at the moment of the install (arm64, macOS, Windows builds).
  const isThere = (name: string) => Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`));
  expect(wanted.filter((name) => !isThere(name))).toEqual([]);
});
