import { setTimeout as delay } from 'node:timers/promises';
import { type Kysely, sql, type Transaction } from 'kysely';
import { isDeadlock, isLost } from './databaseErrors.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';

type Db = Kysely<GuacamoleDatabase>;

/** How often a change is tried before a deadlock or a lost connection is reported. */
const mostAttempts = 6;

/** How long the database can tell whether a change happened. */
export const changesKeptDays = 30;

/** Milliseconds after which it is not tried again: a server that answers nothing costs each attempt its time-out. */
const patienceMilliseconds = 8_000;

/**
 * Runs one change: a transaction that also leaves the audit id, so that whether it happened can be told whatever dies in between.
 * Deadlocks and connections lost before the end are tried again, `work` included, which must therefore do nothing outside the
 * transaction. A connection lost while committing is settled by looking for the audit id; when even that is impossible a plain
 * Error says so, and the audit's sweep settles it later.
 */
export async function change<T>(
  db: Db,
  auditId: string,
  work: (tx: Transaction<GuacamoleDatabase>) => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  for (let attempt = 1; ; attempt++) {
    let finished: { result: T } | undefined;
    try {
      const done = await db.transaction().execute(async (tx) => {
        await tx.insertInto('molcajete_change').values({ audit_id: auditId }).execute();
        const result = await work(tx);
        finished = { result };
        return result;
      });
      await pruneNowAndThen(db, auditId);
      return done;
    } catch (error) {
      if (!isDeadlock(error) && !isLost(error)) throw error;
      if (finished && (await wasCommitted(db, auditId))) return finished.result;
      if (attempt >= mostAttempts || performance.now() - begun > patienceMilliseconds) throw error;
      await delay(5 * 2 ** attempt * Math.random());
    }
  }
}

/**
 * Whether the change of this audit id was committed. The locking read waits for a server that is still committing. A plain Error when
 * the database does not answer.
 */
export async function wasCommitted(db: Db, auditId: string): Promise<boolean> {
  try {
    const rows = await sql`SELECT audit_id FROM molcajete_change WHERE audit_id = ${auditId} FOR UPDATE`.execute(db);
    return rows.rows.length > 0;
  } catch {
    throw new Error('The database does not say whether the change was committed; the audit will tell how it ended.');
  }
}

/**
 * Forgets changes of longer ago, whose audit rows have long been settled. Done by one change in 256, chosen by the last
 * digits of its random id, so that no timer has to reach every database. That it fails matters to nobody.
 */
async function pruneNowAndThen(db: Db, auditId: string): Promise<void> {
  if (!auditId.endsWith('00')) return;
  await sql`DELETE FROM molcajete_change WHERE changed_at < UTC_TIMESTAMP() - INTERVAL ${sql.lit(changesKeptDays)} DAY LIMIT 10000`
    .execute(db)
    .catch(() => undefined);
}

/** Runs a read again when its connection turns out to be dead. */
export async function read<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> {
  try {
    return await work(db);
  } catch (error) {
    if (!isLost(error)) throw error;
    return work(db);
  }
}
