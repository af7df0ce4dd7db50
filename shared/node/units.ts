/** The systemd units on a node (Ubuntu 24.04). The agent starts all but itself, when it has what they need. */
import { closeNetwork, containerNetwork, networkOptions } from './containerNetwork.ts';
import { nodeDirectory, nodeFiles } from './files.ts';
import { nodePorts } from './ports.ts';

const unit = (description: string, service: string[], after = 'network-online.target'): string =>
  [
    '[Unit]',
    `Description=Molcajete: ${description}`,
    `After=${after}`,
    'Wants=network-online.target',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    ...service,
    'Restart=always',
    'RestartSec=2',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');

const docker = '/usr/bin/docker';

/** Both images run as a user of their own and need no privilege. Their output is the unit's, so it is in the journal already. */
const restraints = ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--log-driver', 'none'];

/**
 * A container in the bridge network, in which `guacd` is a name. Its port is published on the host's loopback only: neither Tomcat nor
 * guacd ever listens on the VM's own address. It does not start before the network is closed to what it must not reach.
 */
const container = (name: string, port: number, options: string[]): string[] => [
  'Type=simple',
  `EnvironmentFile=${nodeFiles.versions}`,
  ...closeNetwork.map((command) => `ExecStartPre=${command}`),
  `ExecStartPre=-${docker} network create ${networkOptions}`,
  `ExecStartPre=-${docker} rm --force ${name}`,
  `ExecStart=${[docker, 'run', '--rm', '--name', name, '--network', containerNetwork.name, ...restraints, '--publish', `127.0.0.1:${port}:${port}`, ...options, `guacamole/${name}:$\{GUACAMOLE_VERSION}`].join(' ')}`,
  `ExecStop=${docker} stop --time 10 ${name}`,
];

/** File name → content. */
export const units: Record<string, string> = {
  'molcajete-agent.service': unit('reports to the control plane and applies what it answers', [
    'Type=simple',
    `ExecStart=/usr/bin/python3 -B ${nodeFiles.agent}`,
  ]),
  'molcajete-haproxy.service': unit('TLS and persistence', [
    'Type=notify',
    `ExecStart=/usr/sbin/haproxy -Ws -S ${nodeFiles.haproxyMaster},mode,600 -f ${nodeFiles.haproxyConfiguration}`,
    'ExecReload=/bin/kill -USR2 $MAINPID',
    'KillMode=mixed',
    // 143: the master ends with SIGTERM's status after a stop.
    'SuccessExitStatus=143',
    'LimitNOFILE=65536',
    'NoNewPrivileges=true',
    'ProtectSystem=strict',
    `ReadWritePaths=${nodeDirectory}`,
    'ProtectHome=true',
    'PrivateTmp=true',
  ]),
  'molcajete-guacd.service': unit('guacd', container('guacd', nodePorts.guacd, []), 'docker.service'),
  'molcajete-guacamole.service': unit(
    'Guacamole',
    container('guacamole', nodePorts.web, [
      '--env-file',
      nodeFiles.guacamoleEnvironment,
      '--volume',
      `${nodeFiles.secrets}:/run/secrets:ro`,
    ]),
    'docker.service molcajete-guacd.service',
  ),
};
