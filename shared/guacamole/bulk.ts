import { CompiledQuery, type Kysely, type Transaction } from 'kysely';
import { format, raw } from 'mysql2';
import type { GuacamoleDatabase } from './schema/tables.ts';

export type Cell = string | number | null;

/** Most rows of one statement, and about how many characters: MySQL takes packets of 16 MB and more by default. */
const ROWS = 2000;
const CHARACTERS = 2_000_000;

/**
 * Inserts rows, many to a statement; `into` and `tail` are ours, never a caller's. The next statement is written out while the
 * server works on this one, but never sent before its answer: after a deadlock it would run outside of the transaction. Returns
 * the first generated id of each statement with the number of its rows.
 */
export async function insertRows(
  tx: Transaction<GuacamoleDatabase>,
  into: string,
  rows: readonly (readonly Cell[])[],
  tail = '',
): Promise<{ firstId: number; count: number }[]> {
  const inserted: { firstId: number; count: number }[] = [];
  const all = [...chunks(rows)];
  let tuples = writeTuples(all[0]);
  for (const [index, chunk] of all.entries()) {
    const running = tx.executeQuery(CompiledQuery.raw(`INSERT INTO ${into} VALUES ? ${tail}`, [tuples]));
    running.catch(() => undefined);
    await sent();
    tuples = writeTuples(all[index + 1]);
    const result = await running;
    inserted.push({ firstId: Number(result.insertId ?? 0), count: chunk.length });
  }
  return inserted;
}

/** Rows as `(…), (…)`, escaped, and marked as written out. */
const writeTuples = (chunk: (readonly Cell[])[] | undefined) => raw(chunk ? format('?', [chunk as Cell[][]]) : '');

/** Lets a statement that was handed over reach the socket. */
const sent = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function* chunks(rows: readonly (readonly Cell[])[]): Generator<(readonly Cell[])[]> {
  let start = 0;
  let size = 0;
  for (let end = 0; end < rows.length; end++) {
    let length = 0;
    for (const cell of rows[end] ?? []) length += typeof cell === 'string' ? cell.length : 8;
    if (end - start === ROWS || (end > start && size + length > CHARACTERS)) {
      yield rows.slice(start, end);
      start = end;
      size = 0;
    }
    size += length;
  }
  if (start < rows.length) yield rows.slice(start);
}

/** Rows whose column is one of many values; mysql2 writes a nested array as a list. `select` ends before the list and is ours. */
export async function selectIn<Row>(
  db: Kysely<GuacamoleDatabase>,
  select: string,
  values: readonly Cell[],
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const some of slices(values)) {
    const found = await db.executeQuery<Row>(CompiledQuery.raw(`${select} IN (?)`, [some]));
    rows.push(...found.rows);
  }
  return rows;
}

/** Splits a list for statements with `IN`. */
export function* slices<T>(items: readonly T[], size = ROWS): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
