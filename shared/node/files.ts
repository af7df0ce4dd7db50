/** Where things are on a node. Everything of ours lives in one directory that only root can enter. */
export const nodeDirectory = '/opt/molcajete';

/**
 * Secrets are here, which is a link into /run: in memory only, never on the VM's disk. After a boot the agent fetches them again.
 */
const privateDirectory = `${nodeDirectory}/private`;

export const nodeFiles = {
  agent: `${nodeDirectory}/agent.py`,
  /** What the agent starts from: where to report, as whom. No secret. */
  bootstrap: `${nodeDirectory}/bootstrap.json`,
  haproxyConfiguration: `${nodeDirectory}/haproxy.cfg`,
  /** Private key, certificate, chain. */
  certificate: `${privateDirectory}/certificate.pem`,
  /** The authorities that this node accepts on the other nodes' certificates. */
  peerAuthorities: `${nodeDirectory}/peers.pem`,
  /** HAProxy's master: reaches the current worker and those that still carry sessions after a reload. */
  haproxyMaster: `${nodeDirectory}/master.sock`,
  haproxyStatistics: `${nodeDirectory}/haproxy.sock`,
  /** Image versions, read by the units. */
  versions: `${nodeDirectory}/versions.env`,
  guacamoleEnvironment: `${nodeDirectory}/guacamole.env`,
  /** Mounted into the Guacamole container as `/run/secrets`. */
  secrets: `${privateDirectory}/secrets`,
} as const;
