/** Settings of the distribution's own programs on a node: path → content. */

/**
 * What carries sessions is not upgraded or restarted behind our back: unattended upgrades come to all nodes in the same hour and drain
 * nothing. A rebuilt node gets the newest packages (docs/node.md).
 */
const heldPackages = ['docker.io', 'containerd', 'runc', 'haproxy'];
const heldServices = ['molcajete-', 'docker', 'containerd', 'haproxy'];

export const systemFiles: Record<string, string> = {
  // No default bridge: it would take 172.17.0.0/16 (containerNetwork.ts).
  '/etc/docker/daemon.json': `${JSON.stringify({ bridge: 'none' })}\n`,
  '/etc/apt/apt.conf.d/52molcajete': `Unattended-Upgrade::Package-Blacklist { ${heldPackages.map((name) => `"${name}";`).join(' ')} };\n`,
  // After an upgrade of a library needrestart restarts what uses it; 0 leaves it running.
  '/etc/needrestart/conf.d/molcajete.conf': heldServices
    .map((name) => `$nrconf{override_rc}{qr(^${name})} = 0;\n`)
    .join(''),
};
