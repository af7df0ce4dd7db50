/** What a node's agent reports, and what the control plane answers. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { haproxyConfiguration, type ProxyNode } from './haproxy.ts';

const part = z.strictObject({
  healthy: z.boolean(),
  /** What is wrong, in the words of the part itself. Never a secret. */
  detail: z.string().max(1000).optional(),
  /** Of a part that is not healthy: it does its work all the same, and only the last change to it failed. */
  works: z.literal(true).optional(),
  version: z.string().max(100).optional(),
});
export const partNames = ['haproxy', 'web', 'guacd', 'database'] as const;

const version = z.string().min(1).max(200);
const count = z.int().min(0);

/** The body of `POST /jump-servers/{name}/nodes/{node}/report`. */
export const nodeReportSchema = z.strictObject({
  /** Another one after each boot of the VM. */
  bootId: z.string().min(1).max(100),
  agentVersion: z.string().min(1).max(40),
  /** Version of the desired state that is wholly in force; null before the first. */
  applied: version.nullable(),
  haproxy: part,
  /** Guacamole's web application. */
  web: part,
  guacd: part,
  /** A login with the node's own database account. */
  database: part,
  /** Open requests and tunnels: to this node's Guacamole (whoever passed them on), and passed on by this node to a peer. */
  sessions: z.strictObject({ served: count, relayed: count }),
  /** Versions of the secrets in place. */
  secrets: z.strictObject({ database: version.optional(), certificate: version.optional() }),
  guacamoleVersion: z.string().min(1).max(40).optional(),
  draining: z.boolean(),
});

export type NodeReport = z.infer<typeof nodeReportSchema>;

/** The answer to a report. */
export interface DesiredNodeState {
  /** Hash of everything below but `reportEverySeconds`. */
  version: string;
  node: string;
  draining: boolean;
  reportEverySeconds: number;
  guacamoleVersion: string;
  peers: { name: string; address: string; draining: boolean }[];
  database: { host: string; port: number; name: string } | null;
  /** The jump server's vault and the client id of the identity that may read it. */
  vault: { url: string; identityClientId: string };
  /** Which versions of the secrets the node should use; `database` is null until the database is bootstrapped. */
  secrets: { database: string | null; certificate: string | null };
  haproxyConfig: string;
}

export interface DesiredNodeInput {
  node: ProxyNode;
  /** Every other node that exists, also those that drain. */
  peers: readonly ProxyNode[];
  /** See `peerName` in certificates.ts. */
  peerName: string;
  guacamoleVersion: string;
  database: DesiredNodeState['database'];
  vault: DesiredNodeState['vault'];
  secrets: DesiredNodeState['secrets'];
  /** Nodes come or go just now. */
  changing?: boolean;
}

/** While a jump server is being made, its nodes are waited for; while nodes come and go, the word of the others is, too. */
const reportEverySeconds = { bootstrapping: 2, changing: 2, settled: 30 };

/** Pure: equal input (peers in any order) gives an equal version. */
export function desiredNodeState(input: DesiredNodeInput): DesiredNodeState {
  const { node, peerName, guacamoleVersion, database, vault, secrets, changing } = input;
  const phase = secrets.database === null ? 'bootstrapping' : changing === true ? 'changing' : 'settled';
  const peers = input.peers
    .map(({ name, address, draining }) => ({ name, address, draining }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const content = {
    node: node.name,
    draining: node.draining,
    guacamoleVersion,
    peers,
    database: database && { host: database.host, port: database.port, name: database.name },
    vault: { url: vault.url, identityClientId: vault.identityClientId },
    secrets: { database: secrets.database, certificate: secrets.certificate },
    haproxyConfig: haproxyConfiguration({ node, peers, peerName }),
  };
  return {
    version: createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32),
    reportEverySeconds: reportEverySeconds[phase],
    ...content,
  };
}

/** Why a node cannot be counted on, a sentence each; empty when it can. A draining node may well be healthy. */
export function reasonsUnhealthy(report: NodeReport, desired: DesiredNodeState): string[] {
  const reasons = partNames
    .filter((name) => !report[name].healthy)
    .map((name) => {
      const { works, detail = 'no detail' } = report[name];
      return `${name} ${works === true ? 'works, but could not be changed' : 'is not healthy'}: ${detail}`;
    });
  if (report.applied !== desired.version) reasons.push('the desired state is not wholly applied yet');
  if (desired.secrets.database === null) reasons.push('there is no database account for it yet');
  return reasons;
}

export const isHealthy = (report: NodeReport, desired: DesiredNodeState): boolean =>
  reasonsUnhealthy(report, desired).length === 0;
