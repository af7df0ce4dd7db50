/** What may differ between two runs and hosts, as text: each is replaced by its name. */
const variable: readonly (readonly [RegExp, string])[] = [
  [/code=[^&"\\]*/g, 'code=<KEY>'],
  [/[\w-]{40,}AzFu==/g, '<KEY>'],
  [/http:\/\/(127\.0\.0\.1|localhost):\d+/g, 'http://<HOST>'],
  [/(127\.0\.0\.1|localhost):\d+/g, '<HOST>'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)/g, '<TIME>'],
  [/\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/g, '<TIME>'],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<GUID>'],
  [/\b[0-9a-f]{32}\b/g, '<GUID>'],
  // Stacks of JavaScript and .NET, as they are or inside JSON inside JSON.
  [/(?:\w*Error: [^"\\\n]*)?(?:(?:\\+n|\n)? {3,4}at (?:(?!\\+n|\n|\\*").)*)+/g, '<STACK>'],
];

/** Replaces everything that may differ, in all strings of a value and in JSON within them. */
export function normalise(value: unknown): unknown {
  if (typeof value === 'string') return normaliseText(value);
  if (Array.isArray(value)) return value.map(normalise);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, normalise(member)]));
}

/** The recorder has kept the beginning of very long strings, and how long they were. */
const cut = /^(.*)\.\.\.<truncated, (\d+) characters>$/s;
const longest = 20_000;
const kept = 1_500;

function normaliseText(text: string): unknown {
  const [, beginning, length] = cut.exec(text) ?? (text.length > longest ? ['', text, text.length] : []);
  const looksLikeJson = /^\s*[{[]/.test(text);
  if (beginning !== undefined) {
    // JSON may hold times, which are not all of one length.
    return { $beginning: withoutVariables(beginning.slice(0, kept)), length: looksLikeJson ? null : Number(length) };
  }
  if (looksLikeJson) {
    try {
      return { $json: normalise(JSON.parse(text)) };
    } catch {
      // Not JSON after all.
    }
  }
  return withoutVariables(text);
}

function withoutVariables(text: string): string {
  return variable.reduce((left, [pattern, name]) => left.replace(pattern, name), text);
}

/** Members that carry a .NET stack, whose frames name the real host's own code. */
const stackMembers = new Set(['StackTrace', 'RemoteStackTrace', 'Message']);

/** Drops the stacks of a serialised .NET exception. */
export function withoutStacks(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutStacks);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]) => !(stackMembers.has(name) && typeof member === 'string' && /<STACK>|^$/.test(member)))
      .map(([name, member]) => [name, withoutStacks(member)]),
  );
}
