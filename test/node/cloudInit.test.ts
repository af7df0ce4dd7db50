import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { cloudInit } from '../../shared/node/cloudInit.ts';
import { units } from '../../shared/node/units.ts';

const bootstrap = {
  apiUrl: 'https://control.example/api',
  audience: 'api://molcajete',
  jumpServer: 'contoso',
  node: 'contoso-1',
};

interface CloudConfig {
  packages: string[];
  write_files: { path: string; permissions: string; content: string }[];
  runcmd: string[][];
}

describe('cloud-init', () => {
  const text = cloudInit(bootstrap);
  const config = parse(text) as CloudConfig;

  test('is cloud-config with these keys only, the same each time, and fits into custom data', () => {
    expect(text.startsWith('#cloud-config\n')).toBe(true);
    expect(Object.keys(config)).toEqual(['package_update', 'packages', 'write_files', 'runcmd']);
    expect(cloudInit({ ...bootstrap })).toBe(text);
    expect(Buffer.from(text).toString('base64').length).toBeLessThanOrEqual(65_535);
  });

  test('holds the bootstrap and nothing else that a caller passes', () => {
    const passed = { ...bootstrap, password: 'hunter2' };
    expect(cloudInit(passed)).toBe(text);
    const file = config.write_files.find(({ path }) => path === '/opt/molcajete/bootstrap.json');
    expect(JSON.parse(file?.content ?? '')).toEqual(bootstrap);
  });

  test('brings every module that the agent imports', () => {
    const python = config.write_files.filter(({ path }) => path.endsWith('.py'));
    const names = python.map(({ path }) => path.replace('/opt/molcajete/', '').replace('.py', ''));
    const imported = python.flatMap(({ content }) =>
      [...content.matchAll(/^(?:from|import) (\w+)/gm)].map(([, name]) => name ?? ''),
    );
    const standard = [
      'collections',
      'hashlib',
      'json',
      'os',
      'pathlib',
      'random',
      'socket',
      'subprocess',
      'sys',
      'time',
      'typing',
      'urllib',
      'uuid',
    ];
    expect(imported.filter((name) => !standard.includes(name) && !names.includes(name))).toEqual([]);
  });

  test('starts the agent only: everything else waits for the control plane', () => {
    expect(config.runcmd).toEqual([
      ['chmod', '0700', '/opt/molcajete'],
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', '--now', 'molcajete-agent'],
    ]);
  });

  test('refuses to be too long for custom data', () => {
    expect(() => cloudInit({ ...bootstrap, apiUrl: `https://${'x'.repeat(60_000)}` })).toThrow('Azure takes 65535');
  });
});

describe('the containers', () => {
  test.each(['guacd', 'guacamole'])(
    '%s listens on the loopback of the node only, at the version that the agent writes',
    (name) => {
      const text = units[`molcajete-${name}.service`] ?? '';
      const start = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? '';
      expect(start).not.toContain('--network host');
      expect(start.match(/--publish \S+/g)).toEqual([
        expect.stringMatching(/^--publish 127\.0\.0\.1:(4822:4822|8080:8080)$/),
      ]);
      expect(start).toMatch(new RegExp(` guacamole/${name}:\\$\\{GUACAMOLE_VERSION\\}$`));
    },
  );
});
