import { expect, test } from 'vitest';
import { parseCloudConfig } from '../../local/azure/guest/cloudConfig.ts';
import { parseDockerRun } from '../../local/azure/guest/docker.ts';
import { translateProxyConfiguration } from '../../local/azure/guest/haproxy.ts';
import { mapPaths } from '../../local/azure/guest/paths.ts';
import { parseEnvironmentFile, parseUnit, splitWords, substitute } from '../../local/azure/guest/unitFile.ts';

const encode = (text: string) => Buffer.from(text).toString('base64');

test.each([
  ['/opt/molcajete/agent.py', '/R/opt/molcajete/agent.py'],
  ['--defaults-extra-file=/opt/x.cnf', '--defaults-extra-file=/R/opt/x.cnf'],
  ['/opt/m.sock,mode,600', '/R/opt/m.sock,mode,600'],
  ['/opt/secrets:/run/secrets:ro', '/R/opt/secrets:/R/run/secrets:ro'],
  ['cat "/etc/hostname" /var/log', 'cat "/R/etc/hostname" /R/var/log'],
  ['/usr/sbin/haproxy', '/usr/sbin/haproxy'],
  ['/optional/thing', '/optional/thing'],
  ['https://example.net/opt/x', 'https://example.net/opt/x'],
  ['/tmp/mj-1/root/opt/x', '/tmp/mj-1/root/opt/x'],
])('the path in %s becomes %s', (given, expected) => {
  expect(mapPaths(given, '/R')).toBe(expected);
});

test('a cloud-config gives files with their modes, packages and commands', () => {
  const config = parseCloudConfig(
    encode(`#cloud-config
package_update: true
packages: [haproxy]
write_files:
  - { path: /opt/a, permissions: '0600', content: text }
  - { path: /opt/b, encoding: b64, content: aGVsbG8= }
runcmd:
  - [systemctl, start, x]
  - echo hello
`),
  );
  expect(config.files.map(({ path, mode, content }) => [path, mode, content.toString()])).toEqual([
    ['/opt/a', 0o600, 'text'],
    ['/opt/b', 0o644, 'hello'],
  ]);
  expect(config).toMatchObject({
    packages: ['haproxy'],
    needsPackages: true,
    commands: [['systemctl', 'start', 'x'], 'echo hello'],
  });
});

test('a cloud-config with a module that no guest has is refused by name', () => {
  expect(() => parseCloudConfig(encode('#cloud-config\nusers: [ana]\n'))).toThrow(/users/);
  expect(() => parseCloudConfig(encode('#!/bin/sh\n'))).toThrow(/#cloud-config/);
});

test('a unit is read with its restart rule, limits, environment and prefixes', () => {
  const unit = parseUnit(`[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStartPre=-/usr/bin/docker rm x
ExecStart=/usr/bin/old
ExecStart=
ExecStart=/usr/bin/run --name "two words" \\
  \${PORT}
ExecReload=/bin/kill -USR2 $MAINPID
Restart=always
RestartSec=2
TimeoutStopSec=1min
KillMode=mixed
Environment=A=1 "B=two words"
EnvironmentFile=-/opt/env
[Install]
WantedBy=multi-user.target
`);
  expect(unit).toMatchObject({
    ...{ type: 'notify', restart: 'always', restartMs: 2000, stopMs: 60_000, killMixed: true, installed: true },
    execStartPre: [{ argv: ['/usr/bin/docker', 'rm', 'x'], ignoreFailure: true }],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: systemd writes variables like this
    execStart: { argv: ['/usr/bin/run', '--name', 'two words', '${PORT}'] },
    environment: { A: '1', B: 'two words' },
    environmentFiles: [{ path: '/opt/env', optional: true }],
    startLimit: { intervalMs: 0 },
  });
  expect(substitute(unit.execStart.argv, { PORT: '80' }).at(-1)).toBe('80');
});

test('quotes group words and environment files keep everything behind the first sign', () => {
  expect(splitWords(`a 'b c' d="e f"`)).toEqual(['a', 'b c', 'd=e f']);
  expect(parseEnvironmentFile('# note\nURL=http://x/?a=b\nQUOTED="two words"\n\nbad line\n')).toEqual({
    URL: 'http://x/?a=b',
    QUOTED: 'two words',
  });
});

test('docker run is read with its files, volumes and published ports', () => {
  const line =
    'run --rm --name guacamole --network molcajete --publish 127.0.0.1:8080:8080 --env-file=/opt/env -e A=b -v /opt/s:/run/secrets:ro guacamole/guacamole:1.6.0';
  expect(parseDockerRun(line.split(' ').slice(1))).toEqual({
    ...{ image: 'guacamole/guacamole:1.6.0', name: 'guacamole', envFile: '/opt/env', env: { A: 'b' } },
    volumes: { '/run/secrets': '/opt/s' },
    published: { '8080': { address: '127.0.0.1', port: 8080 } },
  });
});

const places = {
  ...{
    root: '/R',
    address: '10.20.1.4',
    inner: '127.9.96.1',
    lo: '127.9.128.1',
    wire: '127.9.64.1',
    allWires: '127.9.64.0/19',
  },
  resolve: (address: string) => (address === '10.20.1.5' ? '127.9.64.2' : '127.9.255.254'),
  keepUser: false,
};

test.each([
  ['  bind 10.20.1.4:8443 ssl crt /opt/c.pem', '  bind 127.9.96.1:8443 ssl crt /R/opt/c.pem'],
  ['  bind *:8443', '  bind 127.9.96.1:8443'],
  ['  bind :8443', '  bind 127.9.96.1:8443'],
  ['  bind 127.0.0.1:9000', '  bind 127.9.128.1:9000'],
  ['  server a 127.0.0.1:8080 check', '  server a 127.9.128.1:8080 check'],
  ['  server b 10.20.1.5:8444 check', '  server b 127.9.64.2:8444 check'],
  ['  server gone 10.20.1.9:8444', '  server gone 127.9.255.254:8444'],
  ['  acl inside src 10.20.0.0/16', '  acl inside src 127.9.64.0/19'],
  ['  acl office src 203.0.113.0/24', '  acl office src 203.0.113.0/24'],
  ['  user haproxy', undefined],
  ['  ssl-default-bind-options ssl-min-ver TLSv1.2', '  ssl-default-bind-options ssl-min-ver TLSv1.2'],
])('the line "%s" of a proxy becomes "%s"', (line, expected) => {
  expect(translateProxyConfiguration(line, places)).toBe(expected ?? '');
});

test('connections of a proxy leave from its wire', () => {
  expect(translateProxyConfiguration('defaults\n  mode http', places)).toBe(
    'defaults\n  source 127.9.64.1\n  mode http',
  );
});
