/** TCP ports on a node. Above 1024, so that HAProxy needs no privilege; the load balancer maps the public port to `ingress`. */
export const nodePorts = {
  /** TLS, from users through the load balancer. */
  ingress: 8443,
  /** TLS, from the other nodes' HAProxy to this node's Guacamole. */
  peer: 8444,
  /** Plain HTTP `/health`, from the load balancer's probe only. */
  probe: 8081,
  /** Guacamole, on the node's loopback only. */
  web: 8080,
  /** guacd, on the node's loopback only. */
  guacd: 4822,
} as const;
