import { z } from 'zod';
import { ownerTag } from '../azure/names.ts';
import { ApiError } from '../errors.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import type { Outcome } from './act.ts';
import { groupOf } from './armIds.ts';
import type { Action } from './starters.ts';

/** What a person sets on the jump server's resource group; it is taken off again when it has been acted upon. */
export const actionTag = 'molcajete-action';
/** Says what came of it, where the person looks. */
export const resultTag = 'molcajete-action-result';

const validation = 'Microsoft.EventGrid.SubscriptionValidationEvent';

const event = z.looseObject({
  id: z.string().min(1).max(200),
  eventType: z.string().min(1).max(200),
  subject: z.string().max(2048),
  data: z.looseObject({ validationCode: z.string().max(200).optional() }),
});

/**
 * Event Grid's own schema: an array, of one event unless batches were asked for.
 * https://learn.microsoft.com/azure/event-grid/event-schema
 */
export const eventsBody = z.array(event).min(1, 'must hold an event').max(500);

export type GridEvent = z.output<typeof event>;

/** The code to answer with, when Event Grid asks whether it may send events here. Pure. */
export const validationCode = (events: readonly GridEvent[]): string | undefined =>
  events.find(({ eventType }) => eventType === validation)?.data.validationCode;

/** The groups whose tags may just have been written, in lower case. Throws ApiError 400 `NotOurs` for events of another subscription. Pure. */
export function groupsWritten(events: readonly GridEvent[], subscriptionId: string): string[] {
  const here = `/subscriptions/${subscriptionId.toLowerCase()}/`;
  const foreign = events.findIndex(({ subject }) => !subject.toLowerCase().startsWith(here));
  if (foreign >= 0) {
    const message = `${foreign}.subject: is nothing in the subscription ${subscriptionId}. Nothing was started.`;
    throw new ApiError(400, 'NotOurs', message, { target: `${foreign}.subject` });
  }
  const written = events.flatMap(({ eventType, subject }) => {
    const rest = subject.toLowerCase().split('/').slice(5).join('/');
    const ofTags = rest === '' || rest === 'providers/microsoft.resources/tags/default';
    const group = groupOf(subject, subscriptionId);
    return eventType === 'Microsoft.Resources.ResourceWriteSuccess' && ofTags && group !== undefined ? [group] : [];
  });
  return [...new Set(written)];
}

export type Tags = Record<string, string>;

/** The value of a tag; names are the same in any letter case. Pure. */
export const tagOf = (tags: Tags | undefined, name: string): string | undefined =>
  Object.entries(tags ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];

/** The jump server that a group belongs to: the one it names as its owner, else the only one that is in it. Pure. */
export function serverOf(servers: readonly JumpServer[], tags: Tags | undefined): JumpServer | undefined {
  const owner = tagOf(tags, ownerTag);
  return servers.find(({ name }) => name === owner) ?? (servers.length === 1 ? servers[0] : undefined);
}

const grammar: readonly [RegExp, Action, (match: RegExpExecArray) => object][] = [
  [/^heal$/i, 'heal', () => ({})],
  [/^rotate$/i, 'rotate', () => ({})],
  [/^scale ?= ?(\d{1,4})$/i, 'scale', ([, count]) => ({ count: Number(count) })],
];

/** What the tag's value asks for, with the body of that call; undefined when it is none of `heal`, `rotate`, `scale=N`. Pure. */
export function readAction(value: string): { action: Action; body: object } | undefined {
  for (const [pattern, action, body] of grammar) {
    const match = pattern.exec(value.trim());
    if (match !== null) return { action, body: body(match) };
  }
  return undefined;
}

/** A tag's value may have 256 characters. */
const longestTag = 256;

/** The group's tags once the action has been dealt with. Pure. */
export function settledTags(tags: Tags, result: string): Tags {
  const taken = [actionTag, resultTag];
  const others = Object.entries(tags).filter(([name]) => !taken.includes(name.toLowerCase()));
  return { ...Object.fromEntries(others), [resultTag]: result.slice(0, longestTag) };
}

/** For the tag: an operation's id rather than its address, which may be too long. Pure. */
export function describeOutcome(value: string, outcome: Outcome | ApiError, now: Date): string {
  const head = `${now.toISOString()} ${value.trim().slice(0, 40)}:`;
  if (outcome instanceof ApiError) return `${head} refused: ${outcome.message}`;
  return `${head} ${outcome.operation === null ? outcome.message : `operation ${outcome.operation.split('/').at(-1)}`}`;
}
