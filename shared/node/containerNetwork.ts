/** The bridge network of the two containers, and what is closed to it. */

/**
 * `192.0.0.0/29` is for addresses without meaning off their host (RFC 7335), so it hides no machine that a user may want to reach; Docker's
 * own choice, 172.17.0.0/16 and the next, would hide a peered network's. Three addresses are used: the node's own, the first, is the one
 * that Guacamole sees HAProxy at and whose X-Forwarded-For it believes (desired.py).
 */
export const containerNetwork = { name: 'molcajete', bridge: 'molcajete0', subnet: '192.0.0.0/29' };

const { name, bridge, subnet } = containerNetwork;

/** What `docker network create` is given. */
export const networkOptions = `--subnet ${subnet} --opt com.docker.network.bridge.name=${bridge} ${name}`;

/**
 * guacd connects to whatever host a connection names. The instance metadata service gives out tokens of the node's identities to anyone who
 * asks, WireServer (168.63.129.16, ports 80 and 32526) the VM's settings; that address is also the DNS server. Dropped in `raw`, ahead of
 * all that Docker puts into the firewall, whichever version and whenever it starts.
 */
const closed = ['-d 169.254.0.0/16 -j DROP', '-d 168.63.129.16 -p tcp ! --dport 53 -j DROP'];

/** A command each, to be repeated at will. */
export const closeNetwork = closed.map((rule) => {
  const place = `PREROUTING -i ${bridge} ${rule}`;
  return `/bin/sh -c "iptables -w -t raw -C ${place} || iptables -w -t raw -I ${place}"`;
});
