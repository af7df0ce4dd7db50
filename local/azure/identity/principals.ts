import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Principal } from '../contract.ts';

/** The security principals of managed identities: one per resource, system-assigned or user-assigned. */
export interface Principals {
  /**
   * The resource's principal, made at the first call and kept on disk. A resource that was deleted and made again gets
   * another one, as in Entra ID: whoever stored the old object id has to notice.
   */
  of(resourceId: string): Principal;
  find(resourceId: string): Principal | undefined;
  byObjectId(objectId: string): Principal | undefined;
  byClientId(clientId: string): Principal | undefined;
  /** Called when the resource is deleted. */
  forget(resourceId: string): void;
  close(): void;
}

export function openPrincipals(dir: string): Principals {
  mkdirSync(join(dir, 'identity'), { recursive: true });
  const db = new DatabaseSync(join(dir, 'identity', 'principals.sqlite'));
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS principal (
      resourceId TEXT NOT NULL COLLATE NOCASE PRIMARY KEY,
      objectId TEXT NOT NULL UNIQUE,
      clientId TEXT NOT NULL UNIQUE
    ) STRICT`);
  const columns = 'SELECT objectId, clientId, resourceId FROM principal WHERE';
  const lookUp = (condition: string) => {
    const statement = db.prepare(`${columns} ${condition}`);
    return (value: string): Principal | undefined => {
      const row = statement.get(value);
      return (
        row && { objectId: String(row.objectId), clientId: String(row.clientId), resourceId: String(row.resourceId) }
      );
    };
  };
  const find = lookUp('resourceId = ?');
  const insert = db.prepare('INSERT INTO principal (resourceId, objectId, clientId) VALUES (?, ?, ?)');
  const remove = db.prepare('DELETE FROM principal WHERE resourceId = ?');
  return {
    find,
    byObjectId: lookUp('objectId = ?'),
    byClientId: lookUp('clientId = ?'),
    of(resourceId) {
      const known = find(resourceId);
      if (known) return known;
      const made = { resourceId, objectId: randomUUID(), clientId: randomUUID() };
      insert.run(made.resourceId, made.objectId, made.clientId);
      return made;
    },
    forget: (resourceId) => void remove.run(resourceId),
    close: () => db.close(),
  };
}
