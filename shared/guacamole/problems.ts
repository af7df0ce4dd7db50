import { ApiError, type ErrorDetail } from '../errors.ts';

/** One thing that is wrong with what was sent; all of them are collected before anything is refused. */
export type Problem = ErrorDetail;

export const problem = (target: string, message: string, code = 'InvalidValue'): Problem => ({ code, message, target });

/** ApiError 400 with all problems as details, or nothing when there are none. */
export function refuseProblems(problems: readonly Problem[]): void {
  const [first] = problems;
  if (!first) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new ApiError(400, 'InvalidRequest', `${first.message}${more}`, {
    ...(first.target === undefined ? {} : { target: first.target }),
    details: [...problems],
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

/** Names that differ in case only are one name to the database. */
export function sameNames(target: string, values: object): Problem[] {
  const seen = new Set<string>();
  return Object.keys(values).flatMap((name) => {
    const folded = name.trimEnd().toLowerCase();
    const twice = seen.has(folded);
    seen.add(folded);
    return twice
      ? [problem(`${target}.${name}`, `'${name}' is there twice; the database does not tell names apart by case.`)]
      : [];
  });
}
