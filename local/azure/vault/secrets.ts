import { randomUUID } from 'node:crypto';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';

export interface SecretVersion {
  name: string;
  /** 32 hexadecimal digits. */
  version: string;
  value: string;
  contentType?: string;
  tags?: Record<string, string>;
  enabled: boolean;
  /** Unix seconds, as all times here. */
  nbf?: number;
  exp?: number;
  created: number;
  updated: number;
}

/** What a caller may set; a field left out keeps its value (`change`) or its default (`put`). */
export type SecretFields = Partial<Pick<SecretVersion, 'contentType' | 'tags' | 'enabled' | 'nbf' | 'exp'>>;

/** `settling`: the last deletion or recovery is still under way, and the name answers 409 to everything that changes it. */
export interface SecretStatus {
  deleted: boolean;
  deletedAt: number;
  settling: boolean;
}

export interface Secrets {
  status(name: string): SecretStatus | undefined;
  put(name: string, value: string, fields: SecretFields): SecretVersion;
  /** The newest version without `version`. */
  get(name: string, version?: string): SecretVersion | undefined;
  change(name: string, version: string, fields: SecretFields): void;
  /** Newest versions of all secrets that are (not) deleted, by name, after the given name. */
  list(options: { deleted: boolean; after: string; limit: number }): SecretVersion[];
  /** All versions of a secret, oldest first, after the given version. */
  versions(name: string, options: { after: string; limit: number }): SecretVersion[];
  remove(name: string): void;
  recover(name: string): void;
  purge(name: string): void;
}

/** The secrets of one vault. */
export function openSecrets(db: DatabaseSync, vault: number, settleMs: number): Secrets {
  const sql = (text: string) => db.prepare(text);
  const statusOf = sql('SELECT deletedAt, settledAt FROM secret WHERE vault = ? AND name = ?');
  const addSecret = sql('INSERT INTO secret (vault, name) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const setStatus = sql('UPDATE secret SET deletedAt = ?, settledAt = ? WHERE vault = ? AND name = ?');
  const purge = sql('DELETE FROM secret WHERE vault = ? AND name = ?');
  const addVersion = sql(`
    INSERT INTO version (vault, name, version, value, contentType, tags, enabled, nbf, exp, created, updated)
    VALUES (?, (SELECT name FROM secret WHERE vault = ? AND name = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const latest = sql('SELECT * FROM version WHERE vault = ? AND name = ? ORDER BY sequence DESC LIMIT 1');
  const exact = sql('SELECT * FROM version WHERE vault = ? AND name = ? AND version = ?');
  const update = sql(`
    UPDATE version SET contentType = ?, tags = ?, enabled = ?, nbf = ?, exp = ?, updated = ?
    WHERE vault = ? AND name = ? AND version = ?`);
  const listLatest = sql(`
    SELECT v.* FROM secret s JOIN version v ON v.sequence =
      (SELECT max(sequence) FROM version WHERE vault = s.vault AND name = s.name)
    WHERE s.vault = ? AND (s.deletedAt IS NOT NULL) = ? AND s.name > ? ORDER BY s.name LIMIT ?`);
  const listVersions = sql(`
    SELECT * FROM version WHERE vault = ?1 AND name = ?2
      AND sequence > coalesce((SELECT sequence FROM version WHERE vault = ?1 AND name = ?2 AND version = ?3), 0)
    ORDER BY sequence LIMIT ?4`);
  const settled = () => Date.now() + settleMs;
  const one = (row: Row | undefined) => row && toVersion(row);

  const secrets: Secrets = {
    status(name) {
      const row = statusOf.get(vault, name);
      if (!row) return undefined;
      const deleted = row.deletedAt !== null;
      return { deleted, deletedAt: Number(row.deletedAt), settling: Number(row.settledAt) > Date.now() };
    },
    put(name, value, fields) {
      const version = randomUUID().replaceAll('-', '');
      addSecret.run(vault, name);
      const time = now();
      addVersion.run(vault, vault, name, version, value, ...columns({ enabled: true, ...fields }), time, time);
      return { name, version, value, enabled: true, ...fields, created: time, updated: time };
    },
    get: (name, version) => one(version ? exact.get(vault, name, version) : latest.get(vault, name)),
    change(name, version, fields) {
      const old = one(exact.get(vault, name, version));
      if (old) update.run(...columns({ ...old, ...fields }), now(), vault, name, version);
    },
    list: ({ deleted, after, limit }) => listLatest.all(vault, deleted ? 1 : 0, after, limit).map(toVersion),
    versions: (name, { after, limit }) => listVersions.all(vault, name, after, limit).map(toVersion),
    remove: (name) => void setStatus.run(now(), settled(), vault, name),
    recover: (name) => void setStatus.run(null, settled(), vault, name),
    purge: (name) => void purge.run(vault, name),
  };
  return secrets;
}

type Row = Record<string, SQLOutputValue>;

const now = (): number => Math.floor(Date.now() / 1000);

const columns = (fields: SecretFields): (string | number | null)[] => [
  fields.contentType ?? null,
  fields.tags ? JSON.stringify(fields.tags) : null,
  fields.enabled === false ? 0 : 1,
  fields.nbf ?? null,
  fields.exp ?? null,
];

const toVersion = (row: Row): SecretVersion => ({
  name: String(row.name),
  version: String(row.version),
  value: String(row.value),
  contentType: row.contentType === null ? undefined : String(row.contentType),
  tags: typeof row.tags === 'string' ? JSON.parse(row.tags) : undefined,
  enabled: row.enabled === 1,
  nbf: row.nbf === null ? undefined : Number(row.nbf),
  exp: row.exp === null ? undefined : Number(row.exp),
  created: Number(row.created),
  updated: Number(row.updated),
});
