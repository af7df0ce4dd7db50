import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Caller } from '../../auth.ts';
import { ApiError } from '../../errors.ts';
import { change } from '../change.ts';
import { pathOf } from '../groupTree.ts';
import { lockTree } from '../locks.ts';
import { mostProblems } from '../problems.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';
import { type ImportPlan, planImport } from './plan.ts';
import type { ImportOptions, ImportRecord } from './record.ts';
import { writeImport } from './write.ts';

const problemShape = z.object({ code: z.string(), message: z.string(), target: z.string().optional() });

/** What happened, or would happen, with every record. */
export const importReport = z.object({
  dryRun: z.boolean(),
  created: z.number(),
  replaced: z.number(),
  failed: z.number(),
  createdGroups: z.array(z.string()),
  createdUsers: z.array(z.string()),
  createdUserGroups: z.array(z.string()),
  records: z.array(
    z.object({
      index: z.number(),
      line: z.number().optional(),
      name: z.string(),
      group: z.string(),
      action: z.enum(['create', 'replace', 'none']),
      identifier: z.string().optional(),
      problems: z.array(problemShape).optional(),
    }),
  ),
});

export type ImportReport = z.output<typeof importReport>;

/** Says what an import would do, problems included; changes nothing. */
export async function dryRunImport(
  db: Kysely<GuacamoleDatabase>,
  caller: Caller,
  records: readonly ImportRecord[],
  options: ImportOptions,
): Promise<ImportReport> {
  const plan = await planImport(db, caller, records, options);
  return report(plan, undefined);
}

/** Imports everything in one transaction. ApiError 400 with the problems of all records when there is any; then nothing is changed. */
export async function runImport(
  db: Kysely<GuacamoleDatabase>,
  auditId: string,
  caller: Caller,
  records: readonly ImportRecord[],
  options: ImportOptions,
): Promise<ImportReport> {
  return change(db, auditId, async (tx) => {
    await lockTree(tx);
    const plan = await planImport(tx, caller, records, options);
    refuse(plan);
    return report(plan, await writeImport(tx, plan, options));
  });
}

function refuse(plan: ImportPlan): void {
  const failed = plan.records.filter(({ record }) => record.problems.length > 0);
  if (failed.length === 0) return;
  const details = failed.flatMap(({ record }) =>
    record.problems.map((one) => ({
      ...one,
      target: `${record.name.slice(0, 128)}: ${one.target ?? ''}`,
      ...(record.line === undefined ? {} : { line: record.line }),
    })),
  );
  const more =
    details.length > mostProblems ? ` The first ${mostProblems} of ${details.length} problems are listed.` : '';
  throw new ApiError(
    400,
    'ImportFailed',
    `${failed.length} of ${plan.records.length} connections cannot be imported, so none was.${more}`,
    {
      details: details.slice(0, mostProblems),
    },
  );
}

/** `ids` of what was written; without them it is a dry run. */
function report(plan: ImportPlan, ids: readonly number[] | undefined): ImportReport {
  const records = plan.records.map(({ record, parent, existingId }, position) => {
    const id = ids?.[position] ?? existingId;
    const failed = record.problems.length > 0;
    // What is undefined does not reach the JSON.
    return {
      index: record.index,
      line: record.line,
      name: record.name,
      group: parent === undefined ? (record.group ?? record.parentIdentifier ?? '') : pathOf(parent),
      action: failed ? ('none' as const) : existingId === undefined ? ('create' as const) : ('replace' as const),
      identifier: id === undefined ? undefined : String(id),
      problems: failed ? record.problems : undefined,
    };
  });
  const count = (action: string): number => records.filter((one) => one.action === action).length;
  return {
    dryRun: ids === undefined,
    created: count('create'),
    replaced: count('replace'),
    failed: count('none'),
    createdGroups: plan.newGroups.map(pathOf),
    createdUsers: plan.users.newNames,
    createdUserGroups: plan.groups.newNames,
    records,
  };
}
