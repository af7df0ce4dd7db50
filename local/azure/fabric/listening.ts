/** Which TCP ports are listened on, read from the kernel. */
import { closeSync, openSync, readSync } from 'node:fs';

const chunk = Buffer.allocUnsafe(65536);
const listenState = '0A';

/** Ports by address for every IPv4 listener (also those on a mapped IPv6 socket). */
export function listeningPorts(): Map<string, number[]> {
  const ports = new Map<string, number[]>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) readTable(file, ports);
  return ports;
}

/** Listeners come first in these tables: reading ends at the first other socket, because walking all of them costs milliseconds. */
function readTable(file: string, ports: Map<string, number[]>): void {
  const descriptor = openSync(file, 'r');
  try {
    let rest = '';
    let header = true;
    for (;;) {
      const length = readSync(descriptor, chunk, 0, chunk.length, null);
      if (length === 0) return;
      const lines = (rest + chunk.toString('latin1', 0, length)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!header && !readLine(line, ports)) return;
        header = false;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

function readLine(line: string, ports: Map<string, number[]>): boolean {
  const [, local = '', , state] = line.trim().split(/\s+/, 4);
  if (state !== listenState) return false;
  const [hex = '', port = ''] = local.split(':');
  const last = hex.slice(-8);
  const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(last.slice(at, at + 2), 16));
  const address = bytes.join('.');
  const known = ports.get(address);
  if (known) known.push(Number.parseInt(port, 16));
  else ports.set(address, [Number.parseInt(port, 16)]);
  return true;
}
