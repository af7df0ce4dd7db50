import { z } from 'zod';
import { ApiError } from '../../errors.ts';
import { unescapePointer } from '../permissionPatch.ts';
import { mostProblems, type Problem, problem, problemsOf } from '../problems.ts';

/** Guacamole's JSON Patch on a directory: `add` at `/`, `replace` and `remove` at `/{identifier}`. */
export const directoryPatchBody = z
  .array(
    z.strictObject({
      op: z.enum(['add', 'replace', 'remove']),
      path: z.string().max(400),
      value: z.unknown().optional(),
    }),
  )
  .min(1)
  .max(1000, 'has more than 1000 operations; many connections go in by an import');

export type DirectoryOperation = z.output<typeof directoryPatchBody>[number];

export const directoryPatchAnswer = z.object({
  patches: z.array(z.object({ op: z.string(), identifier: z.string(), path: z.string() })),
});

/** How one kind of object takes the three operations; each throws ApiError for what is wrong with its one. */
export interface DirectoryWriter {
  add(value: unknown): Promise<string>;
  replace(identifier: string, value: unknown): Promise<void>;
  remove(identifier: string): Promise<void>;
}

/**
 * Runs a batch inside the caller's transaction. Every operation is tried, so that the error names all that fail; a single one
 * that does makes this throw, which rolls everything back.
 */
export async function runDirectoryPatch(operations: readonly DirectoryOperation[], writer: DirectoryWriter) {
  const patches: z.output<typeof directoryPatchAnswer>['patches'] = [];
  const problems: Problem[] = [];
  for (const [index, operation] of operations.entries()) {
    if (problems.length >= mostProblems) break;
    try {
      const identifier = await runOne(operation, writer);
      patches.push({ op: operation.op, identifier, path: operation.path });
    } catch (error) {
      const prefix = `[${index}]`;
      problems.push(
        ...problemsOf(error).map((one) => ({ ...one, target: one.target ? `${prefix}.${one.target}` : prefix })),
      );
    }
  }
  if (problems.length > 0) {
    const failed = new Set(problems.map((one) => one.target?.split('.')[0])).size;
    const least = problems.length >= mostProblems ? 'At least ' : '';
    throw new ApiError(
      400,
      'PatchFailed',
      `${least}${failed} of ${operations.length} operations cannot be done, so none was. The first: ${problems[0]?.message}`,
      {
        details: problems.slice(0, mostProblems),
      },
    );
  }
  return { patches };
}

async function runOne({ op, path, value }: DirectoryOperation, writer: DirectoryWriter): Promise<string> {
  if (!path.startsWith('/')) throw wrongPath(path);
  const identifier = unescapePointer(path.slice(1));
  if (op === 'add') {
    if (identifier !== '' && identifier !== '-') throw wrongPath(path);
    return writer.add(value);
  }
  if (identifier === '') throw wrongPath(path);
  await (op === 'replace' ? writer.replace(identifier, value) : writer.remove(identifier));
  return identifier;
}

const wrongPath = (path: string): ApiError =>
  new ApiError(
    400,
    'InvalidPath',
    `The path '${path.slice(0, 160)}' is not right: add takes '/', replace and remove take '/{identifier}'.`,
    {
      target: 'path',
    },
  );

/** Checks the value of one operation; ApiError 400 with everything that is wrong. */
export function parseValue<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.map((issue) =>
    problem(['value', ...issue.path].map(String).join('.'), issue.message),
  );
  throw new ApiError(400, 'InvalidRequest', details[0]?.message ?? 'The value is not right.', { details });
}
