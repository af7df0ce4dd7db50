/**
 * MySQL hands JSON over parsed and in an order of its own, MariaDB as text; an aggregate over no rows is NULL. Names come sorted, so
 * that answers and exports do not depend on the server.
 */
export function readJsonObject(value: unknown): Record<string, string> {
  if (value === null || value === undefined) return {};
  const parsed = (typeof value === 'string' ? JSON.parse(value) : value) as Record<string, string>;
  return Object.fromEntries(Object.entries(parsed).sort(([a], [b]) => (a < b ? -1 : 1)));
}
