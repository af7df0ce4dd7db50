/** UTC now, as MySQL writes a datetime. */
export const now = (): string => toDateTime(new Date());

/** `YYYY-MM-DD HH:MM:SS` in UTC. */
export const toDateTime = (date: Date): string => date.toISOString().slice(0, 19).replace('T', ' ');

/** Milliseconds since 1970, as Guacamole sends times; from a `datetime` in UTC. */
export const toMillis = (dateTime: string): number => Date.parse(`${dateTime.replace(' ', 'T')}Z`);

/** Whether this is a time zone that both we and Java know. */
export function isTimeZone(name: string): boolean {
  try {
    return name.length <= 64 && new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== '';
  } catch {
    return false;
  }
}

/** `YYYY-MM-DD` of a day that exists. */
export const isDay = (text: string): boolean =>
  /^[1-9]\d{3}-\d\d-\d\d$/.test(text) &&
  !Number.isNaN(Date.parse(text)) &&
  new Date(text).toISOString().slice(0, 10) === text;

/** `HH:MM:SS` of a day. */
export const isTimeOfDay = (text: string): boolean => /^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/.test(text);
