/** Which loopback address stands for what: kept on disk, so that a restarted local Azure finds everything where it was. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Third octets of each kind of address inside the claimed `127.N.0.0/16`: first, and how many blocks of 254. */
const blocks = {
  wire: { first: 64, count: 32 },
  inner: { first: 96, count: 32 },
  lo: { first: 128, count: 32 },
  publicIp: { first: 160, count: 16 },
  mysql: { first: 176, count: 8 },
  vault: { first: 184, count: 8 },
} as const;

/** A network interface gets three addresses of one index; every other kind gets one. */
export type AddressKind = 'nic' | 'publicIp' | 'mysql' | 'vault';

export interface NicAddresses {
  /** What others connect to. */
  wire: string;
  /** What the guest's processes bind for their private address. */
  inner: string;
  /** The guest's own 127.0.0.1. */
  lo: string;
}

export interface Addresses {
  /** The address of this resource, a new one at the first call. Throws when the range is used up. */
  allocate(kind: Exclude<AddressKind, 'nic'>, id: string): string;
  nic(id: string): NicAddresses;
  /** Gives the address up. One of the same id gets it again (others may still know it by that); another only when no fresh one is left. */
  release(kind: AddressKind, id: string): void;
  /** Stands for 168.63.129.16: where health probes come from. */
  platform: string;
  /** Nobody ever listens here: what cannot be reached is mapped to it. */
  nowhere: string;
  close(): void;
}

const blockSize = 254;

/** `dir`: the state directory; `range`: `127.7`. */
export function openAddresses(dir: string, range: string): Addresses {
  mkdirSync(dir, { recursive: true });
  const database = new DatabaseSync(join(dir, 'addresses.sqlite'));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;
    CREATE TABLE IF NOT EXISTS address (kind TEXT, id TEXT, n INTEGER, PRIMARY KEY (kind, id), UNIQUE (kind, n)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS released (turn INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, id TEXT, UNIQUE (kind, id))`);
  const known = database.prepare('SELECT n FROM address WHERE kind = ? AND id = ?');
  const count = database.prepare('SELECT count(*) AS count FROM address WHERE kind = ?');
  const insert = database.prepare('INSERT INTO address (kind, id, n) VALUES (?, ?, ?)');
  const remove = database.prepare('DELETE FROM address WHERE kind = ? AND id = ?');
  const giveUp = database.prepare('INSERT OR IGNORE INTO released (kind, id) VALUES (?, ?)');
  const oldest = database.prepare('SELECT id FROM released WHERE kind = ? ORDER BY turn LIMIT 1');
  const takeBack = database.prepare('DELETE FROM released WHERE kind = ? AND id = ?');
  const cache = new Map<string, number>();

  const address = (block: keyof typeof blocks, n: number): string =>
    `${range}.${blocks[block].first + Math.floor(n / blockSize)}.${1 + (n % blockSize)}`;

  function index(kind: AddressKind, id: string): number {
    const key = `${kind} ${id.toLowerCase()}`;
    const cached = cache.get(key);
    if (cached !== undefined) return cached;
    const row = known.get(kind, id.toLowerCase());
    const n = row ? Number(row.n) : free(kind, id);
    if (row) takeBack.run(kind, id.toLowerCase());
    else insert.run(kind, id.toLowerCase(), n);
    cache.set(key, n);
    return n;
  }

  /** One that nobody ever had; when there is none left, the one that was given up first. */
  function free(kind: AddressKind, id: string): number {
    const next = Number(count.get(kind)?.count);
    const room = blocks[kind === 'nic' ? 'wire' : kind].count * blockSize;
    if (next < room) return next;
    const former = oldest.get(kind)?.id;
    const row = former === undefined ? undefined : known.get(kind, former);
    if (former === undefined || !row) {
      throw new Error(`All ${room} loopback addresses for kind ${kind} in ${range}.0.0/16 are taken; ${id} gets none.`);
    }
    remove.run(kind, former);
    takeBack.run(kind, former);
    return Number(row.n);
  }

  return {
    allocate: (kind, id) => address(kind, index(kind, id)),
    nic(id) {
      const n = index('nic', id);
      return { wire: address('wire', n), inner: address('inner', n), lo: address('lo', n) };
    },
    release(kind, id) {
      cache.delete(`${kind} ${id.toLowerCase()}`);
      giveUp.run(kind, id.toLowerCase());
    },
    platform: `${range}.1.16`,
    nowhere: `${range}.255.254`,
    close: () => database.close(),
  };
}
