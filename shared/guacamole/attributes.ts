import { suggestion } from './nearest.ts';
import { type Problem, problem } from './problems.ts';
import { textProblem, type Values } from './text.ts';
import { isDay, isTimeOfDay } from './times.ts';
import { isJavaTimeZone } from './timeZones.ts';

type ColumnValue = string | number | null;

/** How the text of an attribute stands in its column. */
interface Form {
  /** What the column holds while the attribute is not set. */
  unset: ColumnValue;
  /** Why a value is refused, or undefined. */
  problem(text: string): string | undefined;
  write(text: string): ColumnValue;
  read(value: ColumnValue): string | undefined;
}

const asText = (value: ColumnValue): string | undefined => (value === null ? undefined : String(value));

const integer = (min: number, max = 2_147_483_647): Form => ({
  unset: null,
  problem: (text) =>
    /^-?\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max
      ? undefined
      : `must be a whole number from ${min} to ${max}`,
  write: Number,
  read: asText,
});
const flag: Form = {
  unset: 0,
  problem: (text) => (text === 'true' || text === 'false' ? undefined : "must be 'true' or 'false'"),
  write: (text) => (text === 'true' ? 1 : 0),
  read: (value) => (value === 1 ? 'true' : undefined),
};
const checkedText = (problemOf: (text: string) => string | undefined): Form => ({
  unset: null,
  problem: problemOf,
  write: (text) => text,
  read: asText,
});
const text = (max: number): Form => checkedText((value) => textProblem(value, max));
const encryption: Form = {
  unset: null,
  problem: (value) => (value === 'none' || value === 'ssl' ? undefined : "must be 'none' or 'ssl'"),
  write: (value) => value.toUpperCase(),
  read: (value) => asText(value)?.toLowerCase(),
};
const time = checkedText((value) => (isTimeOfDay(value) ? undefined : 'must be a time of day as HH:MM:SS'));
const day = checkedText((value) => (isDay(value) ? undefined : 'must be a day as YYYY-MM-DD'));
const zone = checkedText((value) => (isJavaTimeZone(value) ? undefined : 'must be a time zone such as Europe/Berlin'));

/** Attributes that have columns of their own; every other name goes to the kind's `*_attribute` table. */
export type AttributeTable = Readonly<Record<string, { column: string; form: Form }>>;

export const connectionAttributes = {
  'max-connections': { column: 'max_connections', form: integer(0) },
  'max-connections-per-user': { column: 'max_connections_per_user', form: integer(0) },
  // Guacamole never chooses a connection whose weight is negative.
  weight: { column: 'connection_weight', form: integer(-2_147_483_648) },
  'failover-only': { column: 'failover_only', form: flag },
  'guacd-hostname': { column: 'proxy_hostname', form: text(512) },
  'guacd-port': { column: 'proxy_port', form: integer(1, 65_535) },
  'guacd-encryption': { column: 'proxy_encryption_method', form: encryption },
} as const satisfies AttributeTable;

export const connectionGroupAttributes = {
  'max-connections': { column: 'max_connections', form: integer(0) },
  'max-connections-per-user': { column: 'max_connections_per_user', form: integer(0) },
  'enable-session-affinity': { column: 'enable_session_affinity', form: flag },
} as const satisfies AttributeTable;

export const userAttributes = {
  expired: { column: 'expired', form: flag },
  'access-window-start': { column: 'access_window_start', form: time },
  'access-window-end': { column: 'access_window_end', form: time },
  'valid-from': { column: 'valid_from', form: day },
  'valid-until': { column: 'valid_until', form: day },
  timezone: { column: 'timezone', form: zone },
  'guac-full-name': { column: 'full_name', form: text(256) },
  'guac-email-address': { column: 'email_address', form: text(256) },
  'guac-organization': { column: 'organization', form: text(256) },
  'guac-organizational-role': { column: 'organizational_role', form: text(256) },
} as const satisfies AttributeTable;

/**
 * Attributes that Guacamole's extensions keep of a user and that nobody reads: whoever knows the TOTP secret has the second
 * factor, and without the mark of being confirmed Guacamole would show the secret at the next login. They stay until a body names them.
 */
const secondFactor: ReadonlySet<string> = new Set(['guac-totp-key-secret', 'guac-totp-key-confirmed']);

/** Sorts a user's further attributes into those that are shown and those that are not. */
export function hideSecondFactor(extra: Record<string, string>): {
  shown: Record<string, string>;
  hidden: Record<string, string>;
} {
  const entries = Map.groupBy(Object.entries(extra), ([name]) => secondFactor.has(name.toLowerCase()));
  return { shown: Object.fromEntries(entries.get(false) ?? []), hidden: Object.fromEntries(entries.get(true) ?? []) };
}

export const noAttributes = {} as const satisfies AttributeTable;

type ColumnOf<T extends AttributeTable> = T[keyof T]['column'];

/** A full set of attributes as the database stores it. */
export interface StoredAttributes<T extends AttributeTable> {
  columns: Record<ColumnOf<T>, ColumnValue>;
  extra: Record<string, string>;
}

/** Everything that is wrong with a set of attributes, or with what a patch says of them. */
export function attributeProblems(table: AttributeTable, values: Values): Problem[] {
  const names = Object.keys(values);
  if (names.length === 0) return [];
  return names.flatMap((name) => {
    const why = attributeProblem(table, name, values[name] ?? null);
    return why ? [problem(`attributes.${name.slice(0, 128)}`, why)] : [];
  });
}

function attributeProblem(table: AttributeTable, name: string, value: string | null): string | undefined {
  // Taking away is always allowed.
  if (value === null) return undefined;
  const known = Object.hasOwn(table, name) ? table[name] : undefined;
  if (name === 'disabled') return "'disabled' is a field of its own, not an attribute.";
  if (name.trim() === '') return "An attribute's name must not be blank.";
  if (!known) {
    // Nearly an attribute that would have an effect is more likely a slip than somebody's own.
    const alike = Object.keys(table).find((other) => squeeze(other) === squeeze(name));
    if (alike) return `There is no attribute '${name}'${suggestion(name, [alike])}`;
    const named = textProblem(name, 128);
    if (named) return `The attribute's name ${named}.`;
  }
  if (value === '') return undefined;
  const wrong = known ? known.form.problem(value) : textProblem(value, 4096);
  return wrong ? `The attribute '${name}' ${wrong}.` : undefined;
}

const squeeze = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Sorts a checked set of attributes into columns and the rest; columns of attributes that are not in it become unset. */
export function storeAttributes<T extends AttributeTable>(table: T, values: Values): StoredAttributes<T> {
  const columns: Record<string, ColumnValue> = {};
  for (const [name, { column, form }] of Object.entries(table)) {
    const value = values[name];
    columns[column] = value ? form.write(value) : form.unset;
  }
  const extra = Object.entries(values).filter(
    (entry): entry is [string, string] => !Object.hasOwn(table, entry[0]) && !!entry[1],
  );
  return { columns: columns as Record<ColumnOf<T>, ColumnValue>, extra: Object.fromEntries(extra) };
}

/** The attributes that a row and its extra attributes stand for. Lists call it for every row, so it makes nothing needless. */
export function readAttributes(
  table: AttributeTable,
  row: object,
  extra: Record<string, string>,
): Record<string, string> {
  const cells = row as Readonly<Record<string, ColumnValue | undefined>>;
  const values: Record<string, string> = {};
  for (const name in table) {
    const known = table[name];
    const value = known?.form.read(cells[known.column] ?? null);
    if (value !== undefined) values[name] = value;
  }
  for (const [name, value] of Object.entries(extra)) {
    Object.defineProperty(values, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return values;
}
