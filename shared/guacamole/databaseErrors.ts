import { ApiError } from '../errors.ts';

/** What mysql2 says about an error of the server or of the connection. */
export interface DatabaseError extends Error {
  /** The server's number; missing when the connection itself failed. */
  errno?: number;
  code?: string;
  fatal?: boolean;
}

const number = (error: unknown): number | undefined => (error as DatabaseError | undefined)?.errno;

/** A unique key holds this value already. */
export const isDuplicate = (error: unknown): boolean => number(error) === 1062;

/** The server chose this transaction to end a deadlock; run again, it will pass. */
export const isDeadlock = (error: unknown): boolean => number(error) === 1213;

/** The server does not know this user with this password (ER_ACCESS_DENIED_ERROR, with and without a password). */
export const refusesLogin = (error: unknown): boolean => number(error) === 1045 || number(error) === 1698;

const lostCodes = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ER_SERVER_SHUTDOWN',
  'ER_CONNECTION_KILLED',
  'ER_NEW_ABORTING_CONNECTION',
  'ER_CLIENT_INTERACTION_TIMEOUT',
]);

/** The connection died or could not be made: the server has rolled back what was not committed. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as DatabaseError;
  return (
    (code !== undefined && lostCodes.has(code)) ||
    /closed state|Connection lost|disconnected before secure/.test(error.message)
  );
}

const unavailable = (message: string): ApiError =>
  new ApiError(503, 'DatabaseUnavailable', message, { headers: { 'Retry-After': '5' } });

/** Server errors that the caller can do something about. mysql2's own text may quote values, so none of it is passed on. */
const describedErrors: Record<number, () => ApiError> = {
  1040: () => unavailable('The database has too many connections at the moment; try again in a few seconds.'),
  1205: () => unavailable('Another change has held what this one needs for 20 seconds; try again.'),
  1213: () => unavailable('Other changes kept getting in the way of this one; try again.'),
  1290: () =>
    unavailable('The database is read-only at the moment; try again when its storage or failover has been seen to.'),
  1062: () =>
    new ApiError(409, 'AlreadyExists', 'Something with this name was made at the same moment; read it again.'),
  1452: () =>
    new ApiError(
      409,
      'Conflict',
      'Something that this change refers to was deleted at the same moment; read it again.',
    ),
  1406: () => new ApiError(400, 'InvalidRequest', 'A value is longer than its column in the database.'),
  1264: () => new ApiError(400, 'InvalidRequest', 'A number is outside of the range of its column in the database.'),
  1292: () => new ApiError(400, 'InvalidRequest', 'A value is no time or number that the database knows.'),
  // What MySQL 8.4 says instead of 1292 where a time is compared.
  1525: () => new ApiError(400, 'InvalidRequest', 'A value is no time that the database knows.'),
  1366: () => new ApiError(400, 'InvalidRequest', "A value holds characters that Guacamole's database cannot store."),
};

/** What to tell the caller about a database error; what is not known comes back unchanged and becomes a 500. */
export function describeDatabaseError(error: unknown): unknown {
  if (error instanceof ApiError) return error;
  if (isLost(error))
    return unavailable('The database of this jump server cannot be reached at the moment; try again in a few seconds.');
  const known = describedErrors[number(error) ?? 0]?.();
  return known ?? withoutValues(error);
}

/** mysql2 puts the whole statement, values and all, on its errors; a log must not see it. */
function withoutValues(error: unknown): unknown {
  if (!(error instanceof Error) || !('sql' in error)) return error;
  const { code, errno } = error as DatabaseError;
  return new Error(`The database refused a statement: ${code ?? 'unknown'} (${errno ?? '?'}).`);
}
