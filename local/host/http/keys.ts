import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { DatabaseSync } from 'node:sqlite';

export const durableSystemKey = 'durabletask_extension';

/** Where a key opens doors: all, all functions, one extension, one function. */
export type KeyScope = 'master' | 'host' | 'system' | `function:${string}`;

/** Access keys, made on first use and kept in the state directory. */
export class Keys {
  readonly #database: DatabaseSync;
  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(
      'CREATE TABLE IF NOT EXISTS keys (scope TEXT, name TEXT, value TEXT, PRIMARY KEY (scope, name)) WITHOUT ROWID',
    );
  }

  /** The key of that scope and name. Two hosts that ask at the same moment get the same one. */
  get(scope: KeyScope, name = 'default'): string {
    this.#database
      .prepare('INSERT OR IGNORE INTO keys VALUES (?, ?, ?)')
      .run(scope, name, `${randomBytes(38).toString('base64url')}AzFu==`);
    const row = this.#database.prepare('SELECT value FROM keys WHERE scope = ? AND name = ?').get(scope, name);
    return String(row?.value);
  }

  /** Makes all keys and writes them to a file that only its owner may read: with key checks on, nothing else tells them to a caller. */
  writeAll(file: string, functionNames: readonly string[]): void {
    const all = {
      master: this.get('master'),
      host: this.get('host'),
      system: { [durableSystemKey]: this.get('system', durableSystemKey) },
      functions: Object.fromEntries(functionNames.map((name) => [name, this.get(`function:${name}`)])),
    };
    writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
  }

  /** Which scopes the key that came with a request has; none when there is none or it is unknown. */
  scopesOf(request: IncomingMessage, query: URLSearchParams): ReadonlySet<string> {
    const presented = request.headers['x-functions-key'] ?? query.get('code');
    if (typeof presented !== 'string' || !presented) return new Set();
    const rows = this.#database.prepare('SELECT scope FROM keys WHERE value = ?').all(presented);
    return new Set(rows.map((row) => String(row.scope)));
  }
}
