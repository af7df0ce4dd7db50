/** What a new VM is given: packages, our files, and the start of the agent, which does everything else. */
import { stringify } from 'yaml';
import agent from './agent/agent.py';
import azure from './agent/azure.py';
import desired from './agent/desired.py';
import health from './agent/health.py';
import machine from './agent/machine.py';
import { nodeDirectory, nodeFiles } from './files.ts';
import { systemFiles } from './systemFiles.ts';
import { units } from './units.ts';

export interface Bootstrap {
  /** `https://host/api`. */
  apiUrl: string;
  /** The API's audience, `api://molcajete`: the agent's token is for it. */
  audience: string;
  jumpServer: string;
  node: string;
}

/** Azure's limit for a VM's custom data, counted after decoding; we hold the encoded form to it. */
const customDataLimit = 65_535;

const modules = {
  'agent.py': agent,
  'azure.py': azure,
  'desired.py': desired,
  'health.py': health,
  'machine.py': machine,
};

/**
 * The cloud-config text of a node. Deterministic, and without a secret: custom data can be read by everything on the VM and
 * can never be changed. Throws when it would not fit into a VM's custom data.
 */
export function cloudInit({ apiUrl, audience, jumpServer, node }: Bootstrap): string {
  const bootstrap = JSON.stringify({ apiUrl, audience, jumpServer, node }, undefined, 2);
  const files = [
    { path: nodeFiles.bootstrap, permissions: '0600', content: `${bootstrap}\n` },
    ...Object.entries(modules).map(([name, content]) => ({
      path: `${nodeDirectory}/${name}`,
      permissions: '0600',
      content,
    })),
    ...Object.entries(units).map(([name, content]) => ({
      path: `/etc/systemd/system/${name}`,
      permissions: '0644',
      content,
    })),
    ...Object.entries(systemFiles).map(([path, content]) => ({ path, permissions: '0644', content })),
  ];
  const config = {
    package_update: true,
    packages: ['ca-certificates', 'docker.io', 'haproxy', 'mariadb-client-core'],
    write_files: files,
    runcmd: [
      ['chmod', '0700', nodeDirectory],
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', '--now', 'molcajete-agent'],
    ],
  };
  const text = `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
  const size = Buffer.from(text).toString('base64').length;
  if (size > customDataLimit)
    throw new Error(`The cloud-init of ${node} is ${size} bytes encoded; Azure takes ${customDataLimit}.`);
  return text;
}
