/** HAProxy's configuration on a node (written for 2.6 to 2.8: Debian 12's and Ubuntu 24.04's). */
import { nodeFiles } from './files.ts';
import { nodePorts } from './ports.ts';

export interface ProxyNode {
  /** The VM's name; also the value of the persistence cookie, so it must not change during a node's life. */
  name: string;
  /** Private IPv4 address. */
  address: string;
  /** Keeps the sessions it has and gets no new ones. */
  draining: boolean;
}

export interface ProxyInput {
  node: ProxyNode;
  /** The other nodes, in any order. */
  peers: readonly ProxyNode[];
  /** The name by which the nodes' certificate is verified between nodes (see `peerName`). */
  peerName: string;
}

/** Guacamole's place below the root: the official image's default. */
export const webPath = '/guacamole/';

/**
 * The whole configuration, deterministic. Three ways in: `ingress` (users, TLS), `peer` (the other nodes, TLS, to this node's
 * Guacamole only) and `probe` (the balancer). Three backends: `guacd` (a check only), `local` (this node's Guacamole for peers; its check
 * stands for the web application's health) and `guacamole` (the session's home node, by cookie). HAProxy spreads the first checks
 * after a start in this order, and what the agent reports waits for the first two.
 */
export function haproxyConfiguration({ node, peers, peerName }: ProxyInput): string {
  for (const { name, address } of [node, ...peers]) assertPlain(name, address);
  assertPlain(peerName);
  const sorted = [...peers].sort((a, b) => (a.name < b.name ? -1 : 1));
  // Each node prefers another peer, so that what one cannot take does not all go to the same.
  const others = [...sorted.filter(({ name }) => name > node.name), ...sorted.filter(({ name }) => name < node.name)];
  return [globalSection, defaultsSection, frontends(node), backends(node, others, peerName)].join('\n');
}

/** Names and addresses go into a configuration file: whatever could end a word or a line is refused. */
function assertPlain(...words: string[]): void {
  for (const word of words) {
    if (!/^[A-Za-z0-9.-]+$/.test(word)) throw new Error(`'${word}' cannot be part of a HAProxy configuration.`);
  }
}

// A reload starts a new worker and lets the old one serve what it has: hard-stop-after is how long a session may outlive it.
// Workers drop root after reading the key (root is the only one who may).
const globalSection = `global
  log stdout format raw local0 info
  maxconn 4000
  user haproxy
  group haproxy
  stats socket ${nodeFiles.haproxyStatistics} mode 600 level operator
  hard-stop-after 7d
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
  ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
  ssl-default-server-options ssl-min-ver TLSv1.2
`;

// http-no-delay: Guacamole's HTTP tunnel streams many small chunks. timeout tunnel: a WebSocket that says nothing at all
// (Guacamole itself sends something every few seconds). A node that does not answer costs two connection attempts, then another is tried.
const defaultsSection = `defaults
  mode http
  log global
  option dontlognull
  option http-no-delay
  option redispatch 1
  retries 2
  timeout connect 3s
  timeout http-request 15s
  timeout http-keep-alive 60s
  timeout queue 15s
  timeout client 75s
  timeout server 75s
  timeout tunnel 8h
  timeout client-fin 30s
  timeout server-fin 30s
  timeout check 5s
`;

/**
 * On whatever the ingress answers. No other site may show Guacamole in a frame, nor learn the key in the URL of a shared connection.
 * The policy is one more beside Guacamole's own, if it has one: a browser obeys both.
 */
const headers = `  http-after-response set-header Strict-Transport-Security max-age=31536000
  http-after-response set-header X-Content-Type-Options nosniff
  http-after-response set-header X-Frame-Options SAMEORIGIN
  http-after-response add-header Content-Security-Policy "frame-ancestors 'self'"
  http-after-response set-header Referrer-Policy same-origin`;

/** A line in the journal for each request at its end: never the query nor what follows `/tokens`, where Guacamole has its session token. */
const accessLog = '%ci %HM %[var(txn.path)] %ST %b/%s %B bytes %Ta ms %tsc';

function frontends({ address, draining }: ProxyNode): string {
  const tls = `ssl crt ${nodeFiles.certificate}`;
  return `frontend ingress
  bind ${address}:${nodePorts.ingress} ${tls} alpn h2,http/1.1
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto https
${headers}
  http-request set-var(txn.path) path,regsub(/tokens/.*,/tokens)
  log-format "${accessLog}"
  http-request redirect location ${webPath} code 302 if { path / }
  default_backend guacamole

frontend peer
  bind ${address}:${nodePorts.peer} ${tls}
  no log
  monitor-uri /health
  monitor fail if ${webDown}
  http-request return status ${notHere} if ${webDown}
  http-response set-var(txn.answered) bool(true)
  http-after-response set-status ${notHere} if { status 503 } !{ var(txn.answered) -m bool }
  default_backend local

frontend probe
  bind ${address}:${nodePorts.probe}
  no log
  monitor-uri /health
  monitor fail if ${draining ? '{ always_true }' : webDown}
  http-request return status 404
`;
}

// A worker that a reload replaces counts no servers any more, but it still answers a probe that it has accepted.
const webDown = '{ nbsrv(local) lt 1 } !{ stopping }';

/** How a peer says that its Guacamole is down: a status that Guacamole itself never uses, so that trying elsewhere is safe. */
const notHere = 425;

/**
 * A new session stays on the node where the balancer put it (`balance first`): one hop less, and the balancer spreads by itself.
 * Weight 0 is HAProxy's drain: a cookie is still honoured, nothing new comes. `option persist`: a failed check alone never moves a
 * session to a node that does not know it; only a connection that fails does, and then the request goes to another node.
 */
function backends(node: ProxyNode, peers: readonly ProxyNode[], peerName: string): string {
  const weight = (one: ProxyNode): string => (one.draining ? ' weight 0' : '');
  const verified = `ssl verify required ca-file ${nodeFiles.peerAuthorities} sni str(${peerName}) verifyhost ${peerName} check-sni ${peerName}`;
  const local = `127.0.0.1:${nodePorts.web}`;
  // Every node checks every other one over TLS: with many nodes less often, for a check decides only where new sessions go.
  const seconds = Math.max(2, Math.ceil(peers.length / 5));
  const peerLines = peers.map(
    (peer) =>
      `  server ${peer.name} ${peer.address}:${nodePorts.peer} cookie ${peer.name}${weight(peer)} check inter ${seconds}s fastinter 500ms fall 2 rise 2 ${verified}`,
  );
  return `backend guacd
  mode tcp
  no option http-no-delay
  option tcp-check
  server local 127.0.0.1:${nodePorts.guacd} check inter 10s fastinter 1s downinter 1s fall 2 rise 1

backend local
  option httpchk
  http-check send meth GET uri ${webPath}
  http-check expect status 200
  server local ${local} check inter 2s fastinter 500ms downinter 1s fall 2 rise 1

backend guacamole
  balance first
  option persist
  retry-on conn-failure ${notHere}
  cookie MOLCAJETE_NODE insert indirect nocache httponly secure attr SameSite=Lax
  option httpchk
  http-check send meth GET uri /health
  http-check expect status 200
${[`  server local ${local} cookie ${node.name}${weight(node)} track local/local`, ...peerLines].join('\n')}
`;
}
