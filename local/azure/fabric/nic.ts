/** Network interfaces of running guests: what a guest listens on inside appears on its wire, behind the network's rules. */
import { createConnection, type Socket } from 'node:net';
import type { Context } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import { listeningPorts } from './listening.ts';
import type { Network } from './network.ts';
import type { Nic } from './nicIndex.ts';
import { drop, dropAfterMs, giveUpAfter, join, type Listener, listen } from './sockets.ts';

/** `dropped`: no answer came; `refused`: nobody listens. */
export class FlowError extends Error {
  readonly kind: 'dropped' | 'refused';
  constructor(kind: 'dropped' | 'refused', message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface Nics {
  /** Begins to mirror a guest's ports. `answers` is false while the guest is frozen or cut off. */
  attach(nicId: string, answers: () => boolean): Promise<void>;
  detach(nicId: string): Promise<void>;
  /** A flow into the interface as if from this source. Throws FlowError. */
  connect(source: string, nic: Nic, port: number): Promise<Socket>;
  /** Does the guest behind it listen on this port? */
  listensOn(nicId: string, port: number): boolean;
  isAttached(nicId: string): boolean;
  /** Looks at the kernel's table now instead of at the next turn. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

interface Attached {
  inner: string;
  answers: () => boolean;
  ports: Set<number>;
  /** By `address:port`. */
  listeners: Map<string, Listener>;
}

const lookEveryMs = 250;

export function openNics(context: Context, network: Network, addresses: Addresses): Nics {
  const attached = new Map<string, Attached>();
  let timer: NodeJS.Timeout | undefined;
  let syncing: Promise<void> = Promise.resolve();
  let waiting = 0;
  const said = new Set<string>();

  async function connect(source: string, nic: Nic, port: number): Promise<Socket> {
    const admission = network.admit(source, nic, port);
    const guest = attached.get(nic.id.toLowerCase());
    if (!admission.allowed) throw new FlowError('dropped', admission.detail);
    if (!guest?.answers()) throw new FlowError('dropped', 'the guest does not answer');
    return connectFrom(source, guest.inner, port);
  }

  function accept(nicId: string, port: number, socket: Socket): void {
    const nic = network.nic(nicId);
    const source = socket.remoteAddress;
    if (!nic || !source) {
      socket.destroy();
      return;
    }
    connect(source, nic, port).then(
      (guest) => join(socket, guest),
      (error: unknown) => {
        if (error instanceof FlowError && error.kind === 'dropped') drop(socket);
        else socket.resetAndDestroy();
      },
    );
  }

  /** Listeners follow the guest's ports and the interface's addresses. */
  async function mirror(nicId: string, guest: Attached, ports: number[]): Promise<void> {
    guest.ports = new Set(ports);
    const nic = network.nic(nicId);
    const outside = nic?.publicIpId ? [addresses.allocate('publicIp', nic.publicIpId)] : [];
    const wanted = new Set(
      [...outside, addresses.nic(nicId).wire].flatMap((address) => ports.map((port) => `${address}:${port}`)),
    );
    for (const [place, listener] of guest.listeners) {
      if (wanted.has(place)) continue;
      guest.listeners.delete(place);
      await listener.close();
    }
    for (const place of wanted) {
      if (guest.listeners.has(place)) continue;
      const [address = '', port = ''] = place.split(':');
      const listener = await listen(address, Number(port), (socket) => accept(nicId, Number(port), socket));
      if (attached.get(nicId) === guest) guest.listeners.set(place, listener);
      else await listener.close(true);
    }
  }

  async function syncNow(): Promise<void> {
    if (attached.size === 0) return;
    const ports = listeningPorts();
    const mirrored = [...attached].map(([nicId, guest]) => mirror(nicId, guest, ports.get(guest.inner) ?? []));
    for (const outcome of await Promise.allSettled(mirrored)) {
      if (outcome.status === 'fulfilled') continue;
      const { message } = outcome.reason as Error;
      // It is tried again at every turn; saying it once is enough.
      if (!said.has(message)) context.log(`Network interfaces: ${message}`);
      said.add(message);
    }
  }

  function sync(): Promise<void> {
    waiting += 1;
    syncing = syncing
      .then(syncNow)
      .catch((error: Error) => context.log(`Network interfaces: ${error.message}`))
      .finally(() => {
        waiting -= 1;
      });
    return syncing;
  }

  function setTimer(): void {
    if (attached.size > 0) timer ??= setInterval(() => waiting === 0 && sync(), lookEveryMs);
    else {
      clearInterval(timer);
      timer = undefined;
    }
  }

  async function detach(nicId: string): Promise<void> {
    const id = nicId.toLowerCase();
    const guest = attached.get(id);
    attached.delete(id);
    setTimer();
    await syncing;
    for (const listener of guest?.listeners.values() ?? []) await listener.close(true);
  }

  return {
    async attach(nicId, answers) {
      const id = nicId.toLowerCase();
      if (attached.has(id)) await detach(id);
      attached.set(id, { inner: addresses.nic(nicId).inner, answers, ports: new Set(), listeners: new Map() });
      setTimer();
    },
    detach,
    connect,
    listensOn: (nicId, port) => attached.get(nicId.toLowerCase())?.ports.has(port) ?? false,
    isAttached: (nicId) => attached.has(nicId.toLowerCase()),
    sync,
    async close() {
      for (const id of [...attached.keys()]) await detach(id);
    },
  };
}

/** Connects with the client's own address, so that the guest sees who it is. Throws FlowError. */
function connectFrom(source: string, host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, localAddress: source, allowHalfOpen: true, noDelay: true });
    const timer = giveUpAfter(dropAfterMs, () => {
      if (socket.connecting) socket.destroy(new FlowError('dropped', 'no answer in time'));
    });
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error instanceof FlowError ? error : new FlowError('refused', error.message));
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}
