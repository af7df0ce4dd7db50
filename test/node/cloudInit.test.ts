import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseUnit } from '../../local/azure/guest/unitFile.ts';
import { cloudInit } from '../../shared/node/cloudInit.ts';
import { containerNetwork } from '../../shared/node/containerNetwork.ts';
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
      'shutil',
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

  test('installs what the agent would install when it is missing', () => {
    const machine = config.write_files.find(({ path }) => path.endsWith('/machine.py'))?.content ?? '';
    const [, entries = ''] = /^PACKAGES = \{(.*)\}$/m.exec(machine) ?? [];
    const packages = [...entries.matchAll(/: "([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(config.packages.toSorted()).toEqual(['ca-certificates', ...packages].sort());
  });

  test('keeps unattended upgrades and needrestart away from what carries sessions', () => {
    const file = (path: string) => config.write_files.find((one) => one.path === path)?.content ?? '';
    expect(file('/etc/apt/apt.conf.d/52molcajete')).toBe(
      'Unattended-Upgrade::Package-Blacklist { "docker.io"; "containerd"; "runc"; "haproxy"; };\n',
    );
    const kept = [
      ...file('/etc/needrestart/conf.d/molcajete.conf').matchAll(/^\$nrconf\{override_rc\}\{qr\((.+)\)\} = 0;$/gm),
    ];
    const patterns = kept.map(([, pattern = '']) => new RegExp(pattern));
    for (const unit of [...Object.keys(units), 'docker.service', 'containerd.service'])
      expect(patterns.filter((pattern) => pattern.test(unit))).toHaveLength(1);
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
      expect(start).toContain(' --cap-drop ALL --security-opt no-new-privileges --log-driver none ');
      expect(start).toMatch(new RegExp(` guacamole/${name}:\\$\\{GUACAMOLE_VERSION\\}$`));
    },
  );

  test.each(['guacd', 'guacamole'])(
    '%s does not start before its network is closed to the metadata service',
    (name) => {
      const { execStartPre } = parseUnit(units[`molcajete-${name}.service`] ?? '');
      const closing = execStartPre.filter(({ argv }) => argv[0] === '/bin/sh');
      expect(closing).toEqual(execStartPre.slice(0, 2));
      for (const [at, rule] of ['-d 169.254.0.0/16 -j DROP', '-d 168.63.129.16 -p tcp ! --dport 53 -j DROP'].entries())
        expect(closing[at]).toEqual({
          argv: [
            '/bin/sh',
            '-c',
            `iptables -w -t raw -C PREROUTING -i molcajete0 ${rule} || iptables -w -t raw -I PREROUTING -i molcajete0 ${rule}`,
          ],
          ignoreFailure: false,
        });
      expect(execStartPre.map(({ argv }) => argv.join(' '))).toContain(
        '/usr/bin/docker network create --subnet 192.0.0.0/29 --opt com.docker.network.bridge.name=molcajete0 molcajete',
      );
    },
  );

  test('no network of Docker hides a private address, and Guacamole believes the word of HAProxy there', () => {
    const text = cloudInit(bootstrap);
    const { write_files: files } = parse(text) as CloudConfig;
    const daemon = files.find(({ path }) => path === '/etc/docker/daemon.json')?.content ?? '';
    expect(JSON.parse(daemon)).toEqual({ bridge: 'none' });
    const desired = files.find(({ path }) => path.endsWith('/desired.py'))?.content ?? '';
    const [, proxies = ''] = /INTERNAL_PROXIES": r"(.+)"/.exec(desired) ?? [];
    // Docker gives the node the first address of the subnet.
    expect('192.0.0.1').toMatch(new RegExp(`^(${proxies})$`));
    expect(containerNetwork.subnet).toBe('192.0.0.0/29');
  });
});
