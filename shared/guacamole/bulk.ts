import { CompiledQuery, type Kysely, type Transaction } from 'kysely';
import { format, raw } from 'mysql2';
import type { GuacamoleDatabase } from './schema/tables.ts';

export type Cell = string | number | null;

/** Most rows of one statement, and about how many characters: MySQL takes packets of 16 MB and more by default. */
const mostRows = 2000;
const mostCharacters = 2_000_000;

/**
 * Inserts rows, many to a statement; `into` and `tail` are ours, never a caller's. The next statement's rows are taken and written
 * out while the server works on this one, but never sent before its answer: after a deadlock it would run outside of the
 * transaction. Returns the first generated id of each statement with the number of its rows.
 */
export async function insertRows(
  tx: Transaction<GuacamoleDatabase>,
  into: string,
  rows: Iterable<readonly Cell[]>,
  tail = '',
): Promise<{ firstId: number; count: number }[]> {
  const inserted: { firstId: number; count: number }[] = [];
  const statements = written(rows);
  let { value: statement } = statements.next();
  while (statement) {
    const running = tx.executeQuery(CompiledQuery.raw(`INSERT INTO ${into} VALUES ? ${tail}`, [statement.tuples]));
    running.catch(() => undefined);
    await sent();
    const { value: next } = statements.next();
    const result = await running;
    inserted.push({ firstId: Number(result.insertId ?? 0), count: statement.count });
    statement = next;
  }
  return inserted;
}

/** Lets a statement that was handed over reach the socket. */
const sent = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The rows of one statement after the other as `(…), (…)`, escaped, and marked as written out. */
function* written(rows: Iterable<readonly Cell[]>): Generator<{ tuples: object; count: number }, undefined> {
  const tuples = (chunk: (readonly Cell[])[]) => ({
    tuples: raw(format('?', [chunk as Cell[][]])),
    count: chunk.length,
  });
  let chunk: (readonly Cell[])[] = [];
  let size = 0;
  for (const row of rows) {
    let length = 0;
    for (const cell of row) length += typeof cell === 'string' ? cell.length : 8;
    if (chunk.length === mostRows || (chunk.length > 0 && size + length > mostCharacters)) {
      yield tuples(chunk);
      chunk = [];
      size = 0;
    }
    chunk.push(row);
    size += length;
  }
  if (chunk.length > 0) yield tuples(chunk);
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

/** Splits a list for statements with `IN` or `VALUES`. */
export function* slices<T>(items: readonly T[]): Generator<T[]> {
  for (let start = 0; start < items.length; start += mostRows) yield items.slice(start, start + mostRows);
}
