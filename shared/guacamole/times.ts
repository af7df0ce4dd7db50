/** UTC now, as MySQL writes a datetime. */
export const now = (): string => toDateTime(new Date());

/** `YYYY-MM-DD HH:MM:SS` in UTC. */
export const toDateTime = (date: Date): string => date.toISOString().slice(0, 19).replace('T', ' ');

/** Milliseconds since 1970, as Guacamole sends times; from a `datetime` in UTC. */
export const toMillis = (dateTime: string): number => Date.parse(`${dateTime.replace(' ', 'T')}Z`);

/** Whether a `datetime` column can hold it; servers differ in what they make of years before 1000. */
export const isStorable = (date: Date): boolean => date.getTime() >= earliest && date.getTime() <= latest;

const earliest = Date.parse('1000-01-01T00:00:00Z');
const latest = Date.parse('9999-12-31T23:59:59Z');

/** A `datetime` as it comes out of a column. */
export function isDateTime(text: string): boolean {
  const date = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) ? new Date(`${text.replace(' ', 'T')}Z`) : undefined;
  return date !== undefined && isStorable(date) && toDateTime(date) === text;
}

/** `YYYY-MM-DD` of a day that exists. */
export const isDay = (text: string): boolean =>
  /^[1-9]\d{3}-\d\d-\d\d$/.test(text) &&
  !Number.isNaN(Date.parse(text)) &&
  new Date(text).toISOString().slice(0, 10) === text;

/** `HH:MM:SS` of a day. */
export const isTimeOfDay = (text: string): boolean => /^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/.test(text);
