let last = 0n;

/**
 * The present as .NET prints it: UTC, up to seven decimals, trailing zeros cut. Every call gives a later time than the one before,
 * as history relies on the order of its time stamps. It follows the wall clock, as a machine may have slept.
 */
export function timestamp(): string {
  const micros = BigInt(Date.now()) * 1000n;
  last = micros > last ? micros : last + 1n;
  return fromTicks(last * 10n);
}

/** A time in .NET's form for a number of milliseconds since 1970, which may have a fraction. */
export function timestampOf(milliseconds: number): string {
  return fromTicks(BigInt(Math.round(milliseconds * 1000)) * 10n);
}

function fromTicks(ticks: bigint): string {
  const seconds = ticks / 10_000_000n;
  const fraction = String(ticks % 10_000_000n)
    .padStart(7, '0')
    .replace(/0+$/, '');
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return fraction ? `${whole}.${fraction}Z` : `${whole}Z`;
}

/** Milliseconds since 1970 with their fraction. */
export function milliseconds(stamp: string): number {
  const [whole = stamp, fraction = ''] = stamp.replace(/Z$/, '').split('.');
  return Date.parse(`${whole}Z`) + Number(`0.${fraction || '0'}`) * 1000;
}

/** To the second, as the status API shows created and updated times. */
export function toSecond(stamp: string): string {
  return `${stamp.slice(0, 19)}Z`;
}
