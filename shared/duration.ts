import { z } from 'zod';

/** Fixed lengths only: a month or a year is not one. Same form as Azure's own settings (PT10M). */
const pattern = /^P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?$/;
const secondsOf = [7 * 86_400, 86_400, 3600, 60, 1] as const;

/** Seconds of an ISO 8601 duration of weeks, days, hours, minutes and seconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /\d[WDHMS]$/.test(text) ? pattern.exec(text) : null;
  return match === null
    ? undefined
    : secondsOf.reduce((sum, seconds, index) => sum + seconds * Number(match[index + 1] ?? 0), 0);
}

/** Seconds of a duration that `duration` has let through. */
export function durationSeconds(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new Error(`'${text}' is not a duration.`);
  return seconds;
}

/** A duration in a spec, kept as it was written. @param least @param most durations too, both included */
export const duration = (least: string, most: string) =>
  z.string().refine(
    (text) => {
      const seconds = parseDuration(text);
      return seconds !== undefined && seconds >= durationSeconds(least) && seconds <= durationSeconds(most);
    },
    { error: `must be a duration such as 'PT30M' (30 minutes), from '${least}' to '${most}'` },
  );
