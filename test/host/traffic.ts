import type { TraceLine } from './hostProcess.ts';
import { normalise, withoutStacks } from './normalise.ts';

interface Event {
  readonly EventType: number;
  readonly [member: string]: unknown;
}

/** What is compared of the messages between host and functions, with everything variable replaced. */
export interface Traffic {
  /** By orchestrator and instance: the last history it was given, its last answer, `isReplaying` of every invocation. */
  readonly orchestrations: Record<string, { history: unknown; trigger: unknown; answer: unknown; episodes: unknown[] }>;
  /** Every other message, sorted. */
  readonly others: unknown[];
}

/**
 * Reads a sequence of messages.
 * @param racing when results may arrive in another order or grouped differently: then only what happened counts, not in which episode.
 */
export function readTraffic(lines: readonly TraceLine[], racing: boolean): Traffic {
  const orchestrations: Traffic['orchestrations'] = {};
  const others: unknown[] = [];
  const waiting = new Map<string, string[]>();
  for (const line of lines) {
    const input = line.request?.inputData[0]?.data;
    const episode = objectOf(input, 'string');
    if (line.event === 'invocationResponse') {
      const key = waiting.get(line.function)?.shift();
      const asked = key === undefined ? undefined : orchestrations[key];
      if (asked) asked.answer = readAnswer(line);
      else others.push(readResult(line));
    } else if (Array.isArray(episode?.history)) {
      const { history, isReplaying, ...trigger } = episode;
      const key = `${line.function} ${String(normalise(episode.instanceId))}`;
      waiting.set(line.function, [...(waiting.get(line.function) ?? []), key]);
      orchestrations[key] = {
        history: readHistory(history as Event[], racing),
        trigger: normalise(trigger),
        answer: null,
        episodes: racing ? [] : [...(orchestrations[key]?.episodes ?? []), isReplaying],
      };
    } else {
      others.push(
        normalise(withoutMarks({ function: line.function, data: input, metadata: line.request?.triggerMetadata })),
      );
    }
  }
  return { orchestrations, others: others.map(sortable).sort() };
}

function readAnswer({ response }: TraceLine): unknown {
  const message = response?.result.exception?.message;
  const answer = objectOf(response?.returnValue, 'json') ?? objectIn(message?.split('$OutOfProcData$:')[1]);
  return withoutStacks(normalise(answer ?? { message }));
}

function readResult({ function: name, response }: TraceLine): unknown {
  const { returnValue = null, result } = response ?? {};
  const failure = result?.exception?.message ?? null;
  return normalise(withoutMarks({ function: name, returnValue, status: result?.status, failure }));
}

function readHistory(history: readonly Event[], racing: boolean): unknown {
  const events = history.map((event) => withoutStacks(normalise(event)) as Event);
  if (!racing) return events;
  return events
    .filter(({ EventType }) => EventType !== 12 && EventType !== 13)
    .map((event) => sortable({ ...event, IsPlayed: null }))
    .sort();
}

/** Text that is the same for two values with the same members in any order. */
function sortable(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

/** The object in a member that is JSON. Where the recorder has cut the text it has read it before. */
function objectOf(from: Record<string, unknown> | null | undefined, member: string): Record<string, unknown> | null {
  const parsed = from?.[`${member}$parsed`];
  return typeof parsed === 'object' ? (parsed as Record<string, unknown> | null) : objectIn(from?.[member]);
}

function objectIn(text: unknown): Record<string, unknown> | null {
  try {
    const value: unknown = typeof text === 'string' ? JSON.parse(text) : null;
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}

/** Drops what the recorder has added to a message. */
function withoutMarks(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutMarks);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([name, member]) =>
          !name.includes('$parsed') && !(name === 'data' && typeof member === 'string') && name !== 'rpcData',
      )
      .map(([name, member]) => [name, withoutMarks(member)]),
  );
}
