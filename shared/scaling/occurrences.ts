import { Cron } from 'croner';

/** A point of a schedule: a cron expression of five fields in an IANA time zone. */
export interface Recurrence {
  cron: string;
  timeZone: string;
}

/** The nearest occurrences around a moment: `previous` at or before it, `next` after it. */
export interface Around {
  previous: Date | undefined;
  next: Date | undefined;
}

interface Known {
  cron: Cron;
  /** The last answer, right for every moment from its `previous` until its `next`. */
  around?: Around & { askedFor: number };
}

/** One minute's sweep asks thousands of times for the same few expressions. */
const known = new Map<string, Known>();
const mostKnown = 5_000;

/**
 * Where clocks change: an hour that does not exist runs what was planned in it at its end; an hour that comes twice runs a fixed
 * time once, at the first pass. `no-wildcard` counts lists and ranges of hours among the fixed times, as Vixie cron does.
 */
const options = (timezone: string) => ({ timezone, mode: '5-part', fixedTimeRule: 'no-wildcard' }) as const;

/** Pure: the same question has the same answer, however often and in whatever order it is asked. */
export function occurrencesAround(recurrence: Recurrence, moment: Date): Around {
  const entry = lookUp(recurrence);
  const { around } = entry;
  const at = moment.getTime();
  if (around !== undefined && (around.previous?.getTime() ?? around.askedFor) <= at && at < nextOf(around))
    return around;
  // Croner looks strictly before its reference and counts whole seconds: a second later includes this very moment.
  const afterThisSecond = new Date(Math.floor(at / 1000) * 1000 + 1000);
  const found = {
    previous: entry.cron.previousRuns(1, afterThisSecond)[0],
    next: entry.cron.nextRun(moment) ?? undefined,
    askedFor: at,
  };
  entry.around = found;
  return found;
}

const nextOf = ({ next }: Around): number => next?.getTime() ?? Number.POSITIVE_INFINITY;

function lookUp({ cron, timeZone }: Recurrence): Known {
  const key = `${cron} ${timeZone}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= mostKnown) known.clear();
  const made = { cron: new Cron(cron, options(timeZone)) };
  known.set(key, made);
  return made;
}

/** Leap days in every week-day fall within 28 years of this; 1900-like exceptions to the leap rule are far off. */
const firstDay = new Date('2000-01-01T00:00:00Z');

/** What is wrong with a cron expression, as the end of a sentence that begins with the field; undefined when nothing is. */
export function cronProblem(cron: string): string | undefined {
  if (cron.trim().split(/\s+/).length !== 5)
    return "must have five fields, minute hour day month weekday, such as '0 7 * * MON-FRI'";
  try {
    const first = new Cron(cron, options('UTC')).nextRun(firstDay);
    return first === null ? `never occurs: there is no such day as in '${cron}'` : undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Cron\w+: /, '') : String(error);
    return `is no cron expression: ${why}`;
  }
}

/** The IANA name of a zone whose clock this runtime follows, in any case; no offset, which does not follow the clocks that people live by. */
export function isRuntimeTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
