import { sql, type Transaction } from 'kysely';
import type { GuacamoleDatabase } from './schema/tables.ts';

/**
 * Queues up everybody who changes which connections and groups exist, what they are called and where they are. At the root
 * `parent_id` is NULL, which a unique key does not cover, and a cycle is no matter for keys at all: both are checked under
 * this lock. Held until the transaction ends; take it first, so that two writers never wait for each other crosswise.
 */
export async function lockTree(tx: Transaction<GuacamoleDatabase>): Promise<void> {
  await tx.selectFrom('molcajete_lock').select('name').where('name', '=', 'tree').forUpdate().executeTakeFirstOrThrow();
}

/**
 * Locks one row by its id, if it is there. A statement of its own, before the one that reads: a read that waits for a lock within
 * itself sees the locked row as it is then, but everything else (subqueries on attributes) as it was when the wait began.
 */
export async function lockRow(
  tx: Transaction<GuacamoleDatabase>,
  table: string,
  column: string,
  id: number | undefined,
): Promise<void> {
  if (id === undefined) return;
  await sql`SELECT 1 FROM ${sql.table(table)} WHERE ${sql.ref(column)} = ${id} FOR UPDATE`.execute(tx);
}
