import { type Kysely, sql } from 'kysely';
import type { GuacamoleDatabase } from './schema/tables.ts';

/** What each character outside of ASCII weighs, as the database told; the collation's tables never change. */
const weights = new Map<string, string>();

/**
 * A function that gives two names the same key when the database holds them for equal: `utf8mb3_general_ci` ignores case, accents
 * and trailing spaces. For ASCII that is known; what other characters of the names weigh is asked of the database once.
 */
export async function collationKeys(
  db: Kysely<GuacamoleDatabase>,
  names: Iterable<string>,
): Promise<(name: string) => string> {
  const unknown = new Set<string>();
  for (const name of names) {
    if (isAscii(name)) continue;
    for (const character of name.match(beyondAscii) ?? []) if (!weights.has(character)) unknown.add(character);
  }
  if (unknown.size > 0) await learn(db, [...unknown]);
  return keyOf;
}

/** Most names are ASCII alone, where the runtime's own upper case is the same, and faster than looking characters up. */
function keyOf(name: string): string {
  const padded = name.endsWith(' ') ? name.replace(/ +$/, '') : name;
  if (isAscii(padded)) return padded.toUpperCase();
  return foldAscii(padded).replace(beyondAscii, (character) => weights.get(character) ?? character);
}

/** One UTF-16 unit each; halves of surrogate pairs are no characters of `utf8mb3`. */
const beyondAscii = /[\u0080-\uD7FF\uE000-\uFFFF]/g;

const isAscii = (text: string): boolean => !/[^\0-\x7F]/.test(text);

const foldAscii = (text: string): string => text.replace(/[a-z]/g, (letter) => letter.toUpperCase());

/** Two bytes a character, in order. */
async function learn(db: Kysely<GuacamoleDatabase>, characters: readonly string[]): Promise<void> {
  const text = characters.join('');
  const found = await sql<{ w: string }>`
    SELECT HEX(WEIGHT_STRING(CONVERT(${text} USING utf8mb3) COLLATE utf8mb3_general_ci)) AS w`.execute(db);
  const hex = found.rows[0]?.w ?? '';
  for (const [index, character] of characters.entries()) {
    const code = Number.parseInt(hex.slice(index * 4, index * 4 + 4), 16);
    weights.set(character, Number.isNaN(code) ? character : foldAscii(String.fromCharCode(code)));
  }
}
