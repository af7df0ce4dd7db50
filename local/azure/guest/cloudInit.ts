/** What cloud-init does at an instance's first boot. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CloudConfig } from './cloudConfig.ts';
import type { ScriptResult } from './scripts.ts';

export interface CloudInitParts {
  /** The guest's root directory. */
  disk: string;
  /** How the network leads out, if it does. */
  egress: string | undefined;
  run(argv: string[]): Promise<ScriptResult>;
  /** The output that a real one leaves in /var/log/cloud-init-output.log. */
  say(line: string): void;
  /** False once the guest was switched off. */
  current(): boolean;
}

/** A package counts as installed when its program is here; docker's images are stood in for. */
const programs: Record<string, string> = {
  haproxy: '/usr/sbin/haproxy',
  'mariadb-client': '/usr/bin/mariadb',
  'mariadb-client-core': '/usr/bin/mariadb',
  python3: '/usr/bin/python3',
  'docker.io': '/bin/true',
  'ca-certificates': '/bin/true',
};

/** Writes the files, "installs" the packages, runs the commands; a failing command does not end the others. Throws without a way out. */
export async function runCloudInit(config: CloudConfig, parts: CloudInitParts): Promise<void> {
  for (const file of config.files) {
    const path = join(parts.disk, file.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.content, { flag: file.append ? 'a' : 'w' });
    chmodSync(path, file.mode);
  }
  if (config.needsPackages && !parts.egress) {
    throw new Error(
      'cloud-init: apt-get update failed: the network has no way out (outbound rule, NAT gateway or public IP address).',
    );
  }
  for (const name of config.packages) {
    if (!existsSync(programs[name] ?? '')) parts.say(`E: Unable to locate package ${name}`);
  }
  for (const command of config.commands) {
    if (!parts.current()) return;
    const argv = typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
    const { code, stdout, stderr } = await parts.run(argv);
    parts.say(`${argv.join(' ')}: ${code}\n${stdout}${stderr}`);
  }
}
