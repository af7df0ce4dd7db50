import { z } from 'zod';

/** Why the schema cannot store a text, or undefined. `utf8mb3` has no characters above U+FFFF; varchar counts characters. */
export function textProblem(text: string, max: number): string | undefined {
  // One look tells almost every text from the few that need another.
  const surrogate = text.search(/[\uD800-\uDFFF]/);
  if (surrogate !== -1) {
    const code = text.codePointAt(surrogate) ?? 0;
    if (code <= 0xffff) return 'holds half of a surrogate pair, which is not Unicode text';
    return `holds '${String.fromCodePoint(code)}' (U+${code.toString(16).toUpperCase()}); Guacamole's database stores no characters above U+FFFF`;
  }
  if (text.length > max) return `has ${text.length} characters; at most ${max} fit`;
  return undefined;
}

/** The same for what something is called, which may not be blank either. */
export const nameProblem = (text: string, max = 128): string | undefined =>
  text.trim() === '' ? 'must not be blank' : textProblem(text, max);

/**
 * The same for users and user groups, which a path names: the host leaves `%2f` in a path's segment as it is, for us to make a slash of
 * (functions-host.md, 4.2), and a URL loses segments that are dots.
 */
export function addressProblem(text: string): string | undefined {
  if (/%2f/i.test(text)) return "must not hold '%2F', which no path could tell from a slash";
  if (/^\.\.?$/.test(text)) return 'must not be a dot or two, which no path keeps';
  return undefined;
}

const checked = (problemOf: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });

/** A name of something in Guacamole: 1 to 128 characters, not blank. */
export const nameSchema = checked((text) => nameProblem(text));

export const addressSchema = checked((text) => nameProblem(text) ?? addressProblem(text));

/** Names of attributes and parameters to their values; null and '' mean: not set. */
export const valuesSchema = z.record(z.string(), z.string().nullable());

/** As in a body: names to text, null where something is taken away. */
export type Values = Record<string, string | null>;

/** A number as Guacamole writes identifiers; undefined when the text is none. Columns are signed 32-bit. */
export function parseIdentifier(text: string): number | undefined {
  if (!/^[1-9]\d{0,9}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= 2_147_483_647 ? id : undefined;
}
