import { CompiledQuery, type Transaction } from 'kysely';
import type { GuacamoleDatabase } from './schema/tables.ts';

export type Cell = string | number | null;

/** Most rows of one statement, and about how many characters: MySQL takes packets of 16 MB and more by default. */
const ROWS = 2000;
const CHARACTERS = 2_000_000;

/**
 * Inserts rows, many to a statement; mysql2 writes a nested array as a list of tuples. `columns` and `tail` are ours, never a
 * caller's. Returns the first generated id of each statement with the number of its rows.
 */
export async function insertRows(
  tx: Transaction<GuacamoleDatabase>,
  into: string,
  rows: readonly (readonly Cell[])[],
  tail = '',
): Promise<{ firstId: number; count: number }[]> {
  const inserted: { firstId: number; count: number }[] = [];
  for (const chunk of chunks(rows)) {
    const result = await tx.executeQuery(CompiledQuery.raw(`INSERT INTO ${into} VALUES ? ${tail}`, [chunk]));
    inserted.push({ firstId: Number(result.insertId ?? 0), count: chunk.length });
  }
  return inserted;
}

function* chunks(rows: readonly (readonly Cell[])[]): Generator<(readonly Cell[])[]> {
  let chunk: (readonly Cell[])[] = [];
  let size = 0;
  for (const row of rows) {
    const length = row.reduce<number>((sum, cell) => sum + (typeof cell === 'string' ? cell.length : 8), 0);
    if (chunk.length === ROWS || (chunk.length > 0 && size + length > CHARACTERS)) {
      yield chunk;
      chunk = [];
      size = 0;
    }
    chunk.push(row);
    size += length;
  }
  if (chunk.length > 0) yield chunk;
}

/** Splits a list for statements with `IN`. */
export function* slices<T>(items: readonly T[], size = ROWS): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
