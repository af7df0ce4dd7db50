import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { openSecrets, type Secrets } from './secrets.ts';

export interface VaultRow {
  /** ARM id. */
  resourceId: string;
  name: string;
  /** Chooses the vault's address; kept for as long as the vault exists. */
  number: number;
}

export interface VaultStore {
  /**
   * The row of a vault's ARM id, made if missing; ends a soft deletion. Undefined if the name belongs to another id: names are taken
   * across all subscriptions, also by soft-deleted vaults.
   */
  claim(resourceId: string, name: string): VaultRow | undefined;
  softDelete(resourceId: string): void;
  purge(resourceId: string): void;
  secrets(vault: VaultRow, settleMs: number): Secrets;
  close(): void;
}

/** The one file of the local Azure that holds secret values: `<dir>/vaults/vaults.sqlite`. */
export function openVaultStore(dir: string): VaultStore {
  mkdirSync(join(dir, 'vaults'), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(join(dir, 'vaults', 'vaults.sqlite'));
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    CREATE TABLE IF NOT EXISTS vault (
      number INTEGER PRIMARY KEY,
      resourceId TEXT NOT NULL COLLATE NOCASE UNIQUE,
      name TEXT NOT NULL COLLATE NOCASE UNIQUE,
      deleted INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE IF NOT EXISTS secret (
      vault INTEGER NOT NULL REFERENCES vault ON DELETE CASCADE,
      name TEXT NOT NULL COLLATE NOCASE,
      deletedAt INTEGER,
      settledAt INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (vault, name)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS version (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      vault INTEGER NOT NULL,
      name TEXT NOT NULL COLLATE NOCASE,
      version TEXT NOT NULL,
      value TEXT NOT NULL,
      contentType TEXT,
      tags TEXT,
      enabled INTEGER NOT NULL,
      nbf INTEGER,
      exp INTEGER,
      created INTEGER NOT NULL,
      updated INTEGER NOT NULL,
      UNIQUE (vault, name, version),
      FOREIGN KEY (vault, name) REFERENCES secret ON DELETE CASCADE
    ) STRICT`);
  const toRow = (row: Record<string, SQLOutputValue>): VaultRow => ({
    resourceId: String(row.resourceId),
    name: String(row.name),
    number: Number(row.number),
  });
  const byId = db.prepare('SELECT * FROM vault WHERE resourceId = ?');
  const byName = db.prepare('SELECT * FROM vault WHERE name = ?');
  // The lowest free number, so that addresses of purged vaults are used again.
  const free = db.prepare(`
    SELECT min(n) AS number FROM (SELECT 0 AS n UNION ALL SELECT number + 1 FROM vault)
    WHERE n NOT IN (SELECT number FROM vault)`);
  const insert = db.prepare('INSERT INTO vault (number, resourceId, name) VALUES (?, ?, ?)');
  const setDeleted = db.prepare('UPDATE vault SET deleted = ? WHERE resourceId = ?');
  const remove = db.prepare('DELETE FROM vault WHERE resourceId = ?');
  return {
    claim(resourceId, name) {
      if (!byId.get(resourceId)) {
        if (byName.get(name)) return undefined;
        insert.run(Number(free.get()?.number), resourceId, name);
      }
      setDeleted.run(0, resourceId);
      const row = byId.get(resourceId);
      return row && toRow(row);
    },
    softDelete: (resourceId) => void setDeleted.run(1, resourceId),
    purge: (resourceId) => void remove.run(resourceId),
    secrets: (vault, settleMs) => openSecrets(db, vault.number, settleMs),
    close: () => db.close(),
  };
}
