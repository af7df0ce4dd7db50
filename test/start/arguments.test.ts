import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../local/start/build.ts';

/** `npm start` on a machine without any program on its path. */
const start = (...args: string[]) => {
  const env = { ...process.env, PATH: '/nonexistent' };
  return spawnSync(process.execPath, [join(root, 'local/start/main.ts'), ...args], { env, encoding: 'utf8' });
};

describe('npm start ends with 1 and one line, before it has started anything,', () => {
  it.each([
    [
      'where Core Tools are wanted and missing',
      ['--host', 'func'],
      '--host func needs Azure Functions Core Tools: npm install',
    ],
    ['for a host that there is not', ['--host', 'azure'], "--host must be local or func, not 'azure'."],
    ['for a factor that is no number', ['--factor', 'x'], "--factor must be a number from 0 to 10, not 'x'."],
  ])('%s', (_case, args, message) => {
    const { status, stdout, stderr } = start(...args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(`Not ready: ${message}`)]);
  });
});
