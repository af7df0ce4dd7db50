import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'molcajete-packages-'));
const bin = join(directory, 'bin');
const program = (name: string, text = ''): void =>
  writeFileSync(join(bin, name), `#!/bin/sh\n${text}`, { mode: 0o755 });

/** One round of the agent's work on a machine that has only what is in `bin`; returns what it says of guacd. */
function applyOnce(): string {
  const script = 'import desired; n = desired.Node(None); n.apply({"version": "1"}); print(n.problems["guacd"])';
  const done = spawnSync('/usr/bin/python3', ['-B', '-c', script], {
    cwd: join(directory, 'agent'),
    env: { PATH: bin },
    encoding: 'utf8',
  });
  return `${done.stderr}${done.stdout}`;
}

beforeAll(() => {
  cpSync(join(import.meta.dirname, '../../shared/node/agent'), join(directory, 'agent'), { recursive: true });
  mkdirSync(bin);
  symlinkSync('/usr/bin/env', join(bin, 'env'));
  for (const name of ['haproxy', 'mariadb', 'dpkg']) program(name);
});
afterAll(() => rmSync(directory, { recursive: true }));

test('the agent installs what the first boot could not, and tries again while the mirror fails', () => {
  program('apt-get', 'echo "E: Failed to fetch" >&2; exit 100');
  expect(applyOnce()).toContain('apt-get -o DPkg::Lock::Timeout=60 --yes update: E: Failed to fetch');
  program(
    'apt-get',
    `echo "$@" >>${directory}/asked; for name; do :; done; [ "$name" = update ] || /bin/cp ${bin}/haproxy ${bin}/docker`,
  );
  expect(applyOnce()).toContain('installed docker.io');
  expect(applyOnce()).not.toContain('installed');
  expect(readFileSync(join(directory, 'asked'), 'utf8').trim().split('\n')).toEqual([
    '-o DPkg::Lock::Timeout=60 --yes update',
    '-o DPkg::Lock::Timeout=60 --yes install docker.io',
  ]);
});
