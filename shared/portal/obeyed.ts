import { createHash } from 'node:crypto';
import type { Deps } from '../deps.ts';
import {
  beginRepeatable,
  findAnswer,
  forgetRepeatable,
  keepAnswer,
  type RepeatableRequest,
} from '../store/repeatability.ts';
import type { Outcome } from './act.ts';

/** What came of the action tag of a group that could not be taken off yet. */
export interface Obeyed {
  outcome: Outcome;
  /** For the tag that says so. */
  result: string;
}

const digest = (...parts: string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');

const requestOf = (group: string, value: string): RepeatableRequest => ({
  key: digest('tag', group),
  fingerprint: digest(value),
  // A lock on the group, or a right that is missing, may keep the tag there for good.
  lasting: true,
});

/** What is known of this very wish. Another one of the same group is over and forgotten: the tag says something else, or nothing, by now. */
export async function findObeyed(deps: Deps, group: string, value: string | undefined): Promise<Obeyed | undefined> {
  const request = requestOf(group, value ?? '');
  const found = await findAnswer(deps.tables, request);
  if (found === undefined) return undefined;
  if (found.state === 'answered') return JSON.parse(found.answer.body ?? '') as Obeyed;
  await forgetRepeatable(deps.tables, request);
  return undefined;
}

/** Before the tag is taken off: whoever sends the event again, because that failed, must not have it done again. */
export async function rememberObeyed(deps: Deps, group: string, value: string, obeyed: Obeyed): Promise<void> {
  const request = requestOf(group, value);
  await beginRepeatable(deps.tables, request, deps.now());
  await keepAnswer(deps.tables, request, { status: 200, headers: {}, body: JSON.stringify(obeyed) });
}

export const forgetObeyed = (deps: Deps, group: string, value: string): Promise<void> =>
  forgetRepeatable(deps.tables, requestOf(group, value));
