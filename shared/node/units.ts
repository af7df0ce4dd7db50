/** The systemd units on a node (Ubuntu 24.04). The agent starts all but itself, when it has what they need. */
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

/**
 * A container in the bridge network `molcajete`, in which `guacd` is a name. Its port is published on the host's loopback only:
 * neither Tomcat nor guacd ever listens on the VM's own address.
 */
const container = (name: string, port: number, options: string[]): string[] => [
  'Type=simple',
  `EnvironmentFile=${nodeFiles.versions}`,
  `ExecStartPre=-${docker} network create molcajete`,
  `ExecStartPre=-${docker} rm --force ${name}`,
  `ExecStart=${[docker, 'run', '--rm', '--name', name, '--network', 'molcajete', '--publish', `127.0.0.1:${port}:${port}`, ...options, `guacamole/${name}:$\{GUACAMOLE_VERSION}`].join(' ')}`,
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
