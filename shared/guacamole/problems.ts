import { ApiError, type ErrorDetail } from '../errors.ts';

/** One thing that is wrong with what was sent; all of them are collected before anything is refused. */
export type Problem = ErrorDetail;

export const problem = (target: string, message: string, code = 'InvalidValue'): Problem => ({ code, message, target });

/** Problems listed in an answer at most; their number is always told. */
export const mostProblems = 1000;

/** ApiError 400 with all problems as details, or nothing when there are none. */
export function refuseProblems(problems: readonly Problem[]): void {
  const [first] = problems;
  if (!first) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new ApiError(400, 'InvalidRequest', `${first.message}${more}`, {
    ...(first.target === undefined ? {} : { target: first.target }),
    details: problems.slice(0, mostProblems),
  });
}

/** The problems that an ApiError stands for; anything else is thrown on. */
export function problemsOf(error: unknown): Problem[] {
  if (!(error instanceof ApiError)) throw error;
  if (error.code === 'InvalidRequest' && error.details) return error.details;
  return [
    { code: error.code, message: error.message, ...(error.target === undefined ? {} : { target: error.target }) },
  ];
}

/** Names that are one name to the database, by the keys of `collationKeys`. */
export function sameNames(target: string, values: object, keyOf: (name: string) => string): Problem[] {
  const seen = new Map<string, string>();
  return Object.keys(values).flatMap((name) => {
    const key = keyOf(name);
    const first = seen.get(key);
    seen.set(key, first ?? name);
    if (first === undefined) return [];
    const message = `'${first}' and '${name}' are one name to the database, which ignores case, accents and spaces at the end.`;
    return [problem(`${target}.${name.slice(0, 128)}`, message)];
  });
}
